# SPDX-License-Identifier: Apache-2.0
"""Reads recordings of a face and a voice, and joins both as the live graph does."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.features.openface import ReadReport, read_openface_csv
from robot_face_gen.features.whisper_stream import EmbeddingBlock
from robot_face_gen.layout import BRANCHES
from robot_face_gen.timing import PERIOD_NS, SECOND_NS

from .timeline import Timeline, TimelineFrame

TICK_NS = 20_000_000  # period of the calls of a waiting timeline, as in the live graph
_LAST_WAIT_NS = SECOND_NS  # longest wait for a stream that has ended

#: Face and sound of one recording differ by less: the larger of seconds and share.
OTHER_LENGTH_S, OTHER_LENGTH = 1.0, 0.1


@dataclass(frozen=True)
class Recording:
    """A speaker's face and voice on one clock: 0 ns is the first sample of the voice."""

    # frames in order of time; empty if there is no face
    faces: Sequence[FaceFrame] = field(repr=False)
    samples: np.ndarray = field(repr=False)  # (n,) float32 mono; empty if there is no voice
    sample_rate: int  # Hz; 0 if there is no voice
    title: str = ''  # a readable name
    problems: Sequence[str] = ()  # problems found in the files, one line each
    report: ReadReport | None = None  # of the OpenFace file; None if there is no face

    @property
    def face_s(self) -> float:
        """Duration of the face."""
        return (self.faces[-1].stamp_ns + PERIOD_NS) / SECOND_NS if self.faces else 0.0

    @property
    def voice_s(self) -> float:
        """Duration of the voice."""
        return len(self.samples) / self.sample_rate if len(self.samples) else 0.0

    @property
    def duration_s(self) -> float:
        """Duration of the longer of the two."""
        return max(self.face_s, self.voice_s)

    def until(self, duration_s: float) -> Recording:
        """The first `duration_s` seconds."""
        end_ns = round(duration_s * 1e9)
        faces = [frame for frame in self.faces if frame.stamp_ns < end_ns]
        return replace(
            self, faces=faces, samples=self.samples[: round(duration_s * self.sample_rate)]
        )


def read_recording(
    openface: str | Path | None,
    audio: str | Path | None,
    *,
    speed: float = 1.0,
    duration_s: float = math.inf,
) -> Recording:
    """Read an OpenFace CSV and a sound file or film; one of them may be None.

    The playback speed changes stamps and sample rate as in `openface_node` and `microphone_node`.
    What would be played after `duration_s` is not read.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file has an invalid format, no file is given, or `speed` is not positive.
    """
    if openface is None and audio is None:
        raise ValueError('expected an OpenFace CSV, a sound file, or both')
    if not 0 < speed < math.inf:
        raise ValueError(f'speed = {speed}: expected a number above 0')
    faces: list[FaceFrame] = []
    problems: list[str] = []
    report: ReadReport | None = None
    samples, rate = np.empty(0, np.float32), 0
    if openface is not None:
        if not Path(openface).is_file():
            problem = 'is a folder' if Path(openface).is_dir() else 'no such file'
            raise FileNotFoundError(f'{openface}: {problem}; expected an OpenFace CSV')
        track = read_openface_csv(openface, until_s=duration_s * speed)
        faces = [replace(frame, stamp_ns=round(frame.stamp_ns / speed)) for frame in track.frames]
        report = track.report
        problems = [f'{openface}: {problem}' for problem in track.problems]
    if audio is not None:
        from robot_face_gen.features.sound_file import read_audio  # FFmpeg: a face needs none

        samples, rate = read_audio(audio, problems, until_s=duration_s * speed)
    title = Path(openface or audio or '').name
    recording = Recording(faces, samples, round(rate * speed), title, problems, report)
    recording = recording if math.isinf(duration_s) else recording.until(duration_s)
    face_s, voice_s = recording.face_s, recording.voice_s
    longer_s = max(face_s, voice_s)
    if openface and audio and abs(face_s - voice_s) > max(OTHER_LENGTH_S, OTHER_LENGTH * longer_s):
        problems.append(
            f'{title}: the face is {face_s:.1f} s long, the sound {voice_s:.1f} s: are they of '
            'the same recording?'
        )
    return recording


def replay(
    timeline: Timeline,
    faces: Iterable[FaceFrame],
    blocks: Iterable[EmbeddingBlock],
    until_ns: int | None = None,
) -> Iterator[TimelineFrame]:
    """Pass both streams, each in order of time, to a new timeline, like a live graph.

    If the streams end before `until_ns`, it continues until then; None: it stops at the last
    event.

    Yields:
        TimelineFrame: each slot, when it is due.
    """
    events: Iterator[tuple[int, int, FaceFrame | EmbeddingBlock]] = heapq.merge(
        ((block.stamp_ns + round(len(block.data) * 1e9 / block.rate_hz), 0, block)
         for block in blocks),
        ((frame.stamp_ns, 1, frame) for frame in faces),
        key=lambda event: event[:2],
    )  # fmt: skip
    now_ns: int | None = None
    for event_ns, _, item in events:
        while now_ns is not None and now_ns + TICK_NS < event_ns:
            now_ns += TICK_NS
            yield from timeline.pop(now_ns, until_ns)
        now_ns = event_ns
        if isinstance(item, FaceFrame):
            timeline.push_face(item, now_ns)
        else:
            timeline.push_audio(item.stamp_ns, item.data, now_ns)
        yield from timeline.pop(now_ns, until_ns)
    if until_ns is not None and now_ns is not None:
        while now_ns < until_ns + timeline.max_wait_ns + _LAST_WAIT_NS:
            now_ns += TICK_NS
            yield from timeline.pop(now_ns, until_ns)


def align_recording(
    faces: Sequence[FaceFrame], embeddings: Iterable[EmbeddingBlock], **options: Any
) -> dict[str, np.ndarray]:
    """Join the face and the voice of a recording, from the first to the last frame.

    The arguments are those of `Timeline`.

    Returns:
        dict: landmarks (T, 136), au (T, 18), pose (T, 4), gaze (T, 2), audio (T, 2, dim),
        face_valid (T,), audio_valid (T,), mask (T, VALUE_MASK_WIDTH), stamp_ns (T,),
        source_stamp_ns (T,), epoch (T,).
    """  # fmt: skip
    timeline = Timeline(**options)
    faces = sorted(faces, key=lambda frame: frame.stamp_ns)
    embeddings = sorted(embeddings, key=lambda block: block.stamp_ns)
    last_ns = faces[-1].stamp_ns if faces else 0
    out = [*replay(timeline, faces, embeddings), *timeline.flush()]
    out = [frame for frame in out if frame.source_stamp_ns <= last_ns]
    names = (*BRANCHES, 'audio', 'face_valid', 'audio_valid', 'mask', 'stamp_ns',
             'source_stamp_ns', 'epoch')  # fmt: skip
    return {name: np.array([getattr(frame, name) for frame in out]) for name in names}
