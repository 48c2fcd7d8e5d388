# SPDX-License-Identifier: Apache-2.0
"""A whole recording on the timeline: arrays for training, made as the robot makes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from .face_crop import FaceCropParameters
from .openface import FaceFrame
from .timeline import Timeline, TimelineFrame


class Embeddings(Protocol):
    """A block of embeddings: (n, dim) from one time on."""

    stamp_ns: int
    data: np.ndarray
    rate_hz: float


def align_recording(
    faces: Sequence[FaceFrame],
    embeddings: Iterable[Embeddings],
    *,
    audio_dim: int = 384,
    min_confidence: float = 0.7,
    crop: FaceCropParameters | None = None,
) -> dict[str, np.ndarray]:
    """Join the face and the voice of a recording, from its first frame to its last.

    Args:
        faces: with stamps of the recording's own clock.
        embeddings: with stamps of the same clock.
        audio_dim: of an embedding.
        min_confidence: a face below it is not believed.
        crop: parameters of the face crop.

    Returns:
        dict: landmarks (T, 136), au (T, 18), pose (T, 4), gaze (T, 2), audio (T, 2, dim),
        face_valid (T,), audio_valid (T,), stamp_ns (T,), source_stamp_ns (T,), epoch (T,).
    """  # fmt: skip
    timeline = Timeline(audio_dim=audio_dim, min_confidence=min_confidence, crop=crop)
    # In order of time, so that nothing bounded overflows, however long the recording is.
    events: list[tuple[int, int, FaceFrame | Embeddings]] = [(f.stamp_ns, 1, f) for f in faces]
    events += [(e.stamp_ns + round(len(e.data) * 1e9 / e.rate_hz), 0, e) for e in embeddings]
    events.sort(key=lambda event: event[:2])
    last_ns = max((f.stamp_ns for f in faces), default=0)
    out: list[TimelineFrame] = []
    for now_ns, kind, item in events:
        if kind == 1:
            assert isinstance(item, FaceFrame)
            timeline.push_face(item, now_ns)
        else:
            assert not isinstance(item, FaceFrame)
            timeline.push_audio(item.stamp_ns, item.data, item.rate_hz, now_ns)
        out += timeline.pop(now_ns)
    out += timeline.flush()
    out = [frame for frame in out if frame.source_stamp_ns <= last_ns]
    names = ('landmarks', 'au', 'pose', 'gaze', 'audio', 'face_valid', 'audio_valid', 'stamp_ns',
             'source_stamp_ns', 'epoch')  # fmt: skip
    return {name: np.array([getattr(frame, name) for frame in out]) for name in names}
