# SPDX-License-Identifier: Apache-2.0
"""Prepares one recorded person: read, check, align, embed, store; or report what is wrong."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from robot_face_gen.features.openface import FaceFrame, read_openface_csv
from robot_face_gen.files import parse_json
from robot_face_gen.timing import PERIOD_NS

from .bags import RecordedPerson, read_bag
from .checks import (
    ERROR,
    NO_VOICE,
    WARNING,
    Finding,
    Findings,
    check_face,
    check_lengths,
    check_sound,
    face_length_s,
)
from .lip_sync import DRIFT, MAX_DRIFT_S, MAX_OFFSET_S, OFFSET, LipSync, judge_lip_sync
from .overview import Overview, measure
from .sessions import PersonFiles
from .store import track_path, write_atomically, write_track
from .tracks import Embedder, align_person, frame_count

MAX_LOST_SOUND = 0.01
MAX_CLOCK_DRIFT_S = 0.1
# Of the results that are stored beside the tracks; others are computed again.
_RESULT_FORMAT = 4


@dataclass(frozen=True)
class PersonJob:
    """One person to be prepared."""

    id: str  # of the track; depends on the contents of the files and the settings
    files: PersonFiles  # of the person
    namespaces: tuple[str, str]  # of both people's topics, for a bag
    place: int  # 0 for a, 1 for b, for a bag
    speaks: bool  # whether the person can be the speaker, so that the voice is needed


@dataclass(frozen=True)
class PersonResult:
    """Result of a job."""

    frames: int  # length of the track; 0 if there is none
    findings: list[Finding]  # without session and person
    has_voice: bool = False  # whether the person can be the speaker
    overview: Overview = field(default_factory=Overview)  # for the report

    @property
    def usable(self) -> bool:
        """Whether there is a track."""
        return self.frames > 0


def _text(error: object, path: Path) -> str:
    """A message without the folder: sessions with the same file share one result."""
    return ' '.join(str(error).replace(str(path), path.name).split())


def _skip(frames: list[FaceFrame], seconds: float) -> list[FaceFrame]:
    """Frames from that time on; their stamps count from there."""
    skip_ns = round(seconds * 1e9)
    return [
        replace(frame, stamp_ns=frame.stamp_ns - skip_ns)
        for frame in frames
        if frame.stamp_ns >= skip_ns
    ]


def _read_files(job: PersonJob, found: Findings) -> RecordedPerson:
    """What was read of a person; without a face or a sound where a file cannot be used."""
    files, recorded = job.files, RecordedPerson()
    if files.face.is_file():
        try:
            track = read_openface_csv(files.face)
            recorded.frames = _skip(track.frames, files.face_skip_s)
            for problem in track.problems:
                missing = problem == track.report.missing
                found.add(
                    WARNING, 'missing values' if missing else 'OpenFace CSV', problem,
                    'all values of a face' if missing else 'complete rows with times from 0 s',
                )  # fmt: skip
        except (ValueError, OSError) as error:
            expected = 'the CSV of OpenFace (FeatureExtraction)'
            found.add(ERROR, 'face file', _text(error, files.face), expected)
    else:
        found.add(
            ERROR, 'face file', f'no {files.face.name}; {files.listing}',
            'the CSV that OpenFace (FeatureExtraction) or `robot-face-gen track` writes of the '
            'film of this person',
        )  # fmt: skip
    level = NO_VOICE if job.speaks else WARNING
    if files.sound is not None and (files.sound.is_file() or not job.speaks):
        from robot_face_gen.features.sound_file import read_audio  # FFmpeg: generation needs none

        try:
            problems: list[str] = []
            samples, recorded.sample_rate = read_audio(files.sound, problems)
            recorded.samples = samples[round(files.sound_skip_s * recorded.sample_rate) :]
            for problem in problems:
                found.add(
                    WARNING, 'sound', _text(problem, files.sound), 'a sound file without problems'
                )
        except (ValueError, OSError) as error:
            found.add(
                level, 'sound', _text(error, files.sound), 'a sound file or a film with sound'
            )
    elif job.speaks:
        found.add(
            level, 'sound', f'none of {files.sound_names}; {files.listing}',
            'a sound file, or a film with sound, of a person who can be the speaker',
        )  # fmt: skip
    if recorded.sample_rate and job.speaks and files.common_sound and files.sound is not None:
        found.add(
            WARNING, 'sound', f'{files.sound.name} is used, the sound of the whole session',
            'one sound file for each person, which contains mainly that voice',
        )  # fmt: skip
    return recorded


def _read_bag(job: PersonJob, found: Findings) -> RecordedPerson:
    try:
        person = read_bag(job.files.face, job.namespaces)[job.place]
    except (ValueError, OSError) as error:
        found.add(ERROR, 'file', _text(error, job.files.face), 'a readable bag')
        return RecordedPerson()
    if not person.sample_rate and job.speaks:
        expected = 'sound of a person who can be the speaker'
        found.add(NO_VOICE, 'sound', 'no message', expected)
    if person.lost_samples:
        share = person.lost_samples / len(person.samples)
        level = ERROR if share > MAX_LOST_SOUND else WARNING
        found.add(level, 'lost sound', f'{share:.2%}', f'at most {MAX_LOST_SOUND:.0%}')
    if abs(person.clock_drift_s) > MAX_CLOCK_DRIFT_S:
        drift, limit = f'{person.clock_drift_s:+.2f} s', f'at most {MAX_CLOCK_DRIFT_S:g} s'
        found.add(ERROR, 'drift of stamps and samples', drift, limit)
    person.frames = [frame.without_impossible_values()[0] for frame in person.frames]
    return person


def _check_lip_sync(recorded: RecordedPerson, length_s: float, found: Findings) -> LipSync:
    sync = judge_lip_sync(recorded.frames, recorded.samples, recorded.sample_rate, length_s)
    if sync.verdict in (OFFSET, DRIFT):
        limit = MAX_OFFSET_S if sync.verdict == OFFSET else MAX_DRIFT_S
        what = f'{sync.verdict} of sound and mouth'
        found.add(ERROR, what, sync.reason, f'at most {limit:g} s')
    return sync


def _from_time_0(frames: list[FaceFrame]) -> list[FaceFrame]:
    """Frames without a face before the first one, so that the voice there is kept."""
    first = frames[0]
    lost = replace(first, success=False, confidence=0.0)
    count = max(0, first.stamp_ns // PERIOD_NS)
    return [*(replace(lost, stamp_ns=k * PERIOD_NS) for k in range(count)), *frames]


def _stored_result(note: Path) -> PersonResult | None:
    """The result of an earlier run; None where there is none, or it is damaged."""
    if not note.is_file():
        return None
    try:
        done = parse_json(note.read_text(encoding='utf-8'))
        if done.pop('format', 1) != _RESULT_FORMAT:
            return None
        done['findings'] = [Finding(**finding) for finding in done['findings']]
        return PersonResult(**{**done, 'overview': Overview.from_json(done['overview'])})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def prepare_person(job: PersonJob, root: Path, embedder: Embedder) -> PersonResult:
    """Prepare a person, or return the result of an earlier run.

    For a bad recording the findings say what is wrong; nothing is raised.

    Raises:
        ImportError: the person is in a bag and rosbags is not installed.
    """
    note = track_path(root, job.id).with_suffix('.json')
    if track_path(root, job.id).is_file() and (stored := _stored_result(note)):
        return stored
    found, sync, count = Findings(), None, 0
    recorded = _read_bag(job, found) if job.files.topics else _read_files(job, found)
    frames, samples, rate = recorded.frames, recorded.samples, recorded.sample_rate
    length_s, sound_s = 0.0, len(samples) / rate if rate else 0.0
    if rate and job.speaks:
        check_sound(samples, found)
    has_voice = bool(rate) and job.speaks and not any(f.level == NO_VOICE for f in found)
    if frames or not found.bad:
        face_s = face_length_s(frames)
        if rate and face_s:
            check_lengths(face_s, sound_s, found)
        # The part of a speaker's face without the voice is neither used nor judged.
        until_s = sound_s if has_voice else math.inf
        used = [frame for frame in frames if frame.stamp_ns < until_s * 1e9]
        length_s = min(check_face(used, found), until_s)
    if has_voice and length_s:
        sync = _check_lip_sync(recorded, length_s, found)
    overview = measure(frames if length_s else [], samples, rate, sync)
    if not found.bad:
        try:
            blocks = embedder.embed(samples, rate) if has_voice else []
            dim, count = embedder.dim if has_voice else 0, frame_count(length_s)
            track = align_person(
                _from_time_0(frames), blocks, count, audio_dim=dim,
                audio_delay_s=embedder.audio_delay_s, crop=embedder.crop,
            )  # fmt: skip
        except ValueError as error:
            expected = 'a recording that can be aligned'
            found.add(ERROR, 'file', _text(error, job.files.face), expected)
            count = 0
        else:
            write_track(root, job.id, track)
    result = PersonResult(count, list(found), has_voice, overview)
    if result.usable:
        content = {'format': _RESULT_FORMAT, **asdict(result)}
        write_atomically(note, json.dumps(content).encode())
    return result
