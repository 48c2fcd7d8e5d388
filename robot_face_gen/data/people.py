# SPDX-License-Identifier: Apache-2.0
"""Prepares one recorded person: read, check, align, embed, store; or report what is wrong."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from robot_face_gen.features.openface import FaceFrame, read_openface_csv

from .bags import read_bag
from .checks import (
    ERROR,
    WARNING,
    Findings,
    check_drift,
    check_face,
    check_lengths,
    check_sound,
)
from .sessions import SOUND_SUFFIXES, PersonFiles
from .store import track_path, write_atomically, write_track
from .tracks import Embedder, align_person, frame_count

MAX_LOST_SOUND = 0.01
MAX_CLOCK_DRIFT_S = 0.1


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
    """Result of a job.

    Attributes:
        frames: length of the track; 0 if there is none.
        findings: tuples (level, what, value, expected).
    """

    frames: int
    findings: list[tuple[str, str, str, str]]

    @property
    def usable(self) -> bool:
        """Whether there is a track."""
        return self.frames > 0


def _read_files(job: PersonJob, found: Findings) -> tuple[list[FaceFrame], np.ndarray, int]:
    from robot_face_gen.features.sound_file import read_audio

    files = job.files
    track = read_openface_csv(files.face)
    for problem in track.problems:
        found.add(WARNING, 'OpenFace CSV', problem, 'all columns, complete rows of numbers')
    samples, rate = np.zeros(0, np.float32), 0
    if files.sound is not None:
        samples, rate = read_audio(files.sound)
    elif job.speaks:
        names = ', '.join(f'{"ab"[job.place]}{suffix}' for suffix in SOUND_SUFFIXES)
        expected = 'a sound file, because this person can be the speaker'
        found.add(ERROR, 'sound', f'none of {names}', expected)
    return track.frames, samples, rate


def _read_bag(job: PersonJob, found: Findings) -> tuple[list[FaceFrame], np.ndarray, int]:
    person = read_bag(job.files.face, job.namespaces)[job.place]
    if not person.sample_rate and job.speaks:
        found.add(ERROR, 'sound', 'no message', 'sound, because this person can be the speaker')
    if person.lost_samples:
        share = person.lost_samples / len(person.samples)
        level = ERROR if share > MAX_LOST_SOUND else WARNING
        found.add(level, 'lost sound', f'{share:.2%}', f'at most {MAX_LOST_SOUND:.0%}')
    if abs(person.clock_drift_s) > MAX_CLOCK_DRIFT_S:
        found.add(
            ERROR,
            'drift of stamps and samples',
            f'{person.clock_drift_s:+.2f} s',
            f'at most {MAX_CLOCK_DRIFT_S:g} s',
        )
    return person.frames, person.samples, person.sample_rate


def prepare_person(job: PersonJob, root: Path, embedder: Embedder) -> PersonResult:
    """Prepare a person, or return the result of an earlier run.

    Args:
        job: the person.
        root: folder of prepared data.
        embedder: computes the embeddings.

    Returns:
        PersonResult: for a bad recording the findings say what is wrong; nothing is raised.

    Raises:
        ImportError: the person is in a bag and rosbags is not installed.
    """
    note = track_path(root, job.id).with_suffix('.json')
    if note.is_file() and track_path(root, job.id).is_file():
        done = json.loads(note.read_text(encoding='utf-8'))
        return PersonResult(done['frames'], [tuple(f) for f in done['findings']])
    found = Findings('', '')
    count = 0
    try:
        if job.files.topics:
            faces, samples, rate = _read_bag(job, found)
        else:
            faces, samples, rate = _read_files(job, found)
        length = check_face(faces, found)
        if rate:
            sound_s = check_sound(samples, rate, found) if job.speaks else len(samples) / rate
            check_lengths(length, sound_s, found)
            length = min(length, sound_s)
        if rate and job.speaks and not found.bad:
            check_drift(faces, samples, rate, found)
        if not found.bad:
            blocks = embedder.embed(samples, rate) if job.speaks else []
            dim, count = embedder.dim if job.speaks else 0, frame_count(length)
            track = align_person(faces, blocks, count, audio_dim=dim, crop=embedder.crop)
            write_track(root, job.id, track)
    except (ValueError, OSError) as error:
        found.add(ERROR, 'file', ' '.join(str(error).split()), 'a readable recording')
    result = PersonResult(count, [(f.level, f.what, f.value, f.expected) for f in found])
    if result.usable:
        write_atomically(note, json.dumps(asdict(result)).encode())
    return result
