# SPDX-License-Identifier: Apache-2.0
"""From one person's frames and sound to a track on a session's 25 Hz grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from robot_face_gen.features.face_crop import FaceCropParameters
from robot_face_gen.features.openface import FaceFrame
from robot_face_gen.features.recording import Embeddings, align_recording
from robot_face_gen.features.timeline import PERIOD_NS

from .augmentation import hold
from .store import WIDTHS, Track

FRAMES_PER_S = 1_000_000_000 // PERIOD_NS


def frame_count(length_s: float) -> int:
    """Whole frames of a stretch of time; 29.9999 s are 30 s."""
    return int(length_s * FRAMES_PER_S + 0.05)


def align_person(
    frames: Sequence[FaceFrame],
    blocks: Iterable[Embeddings],
    count: int,
    *,
    audio_dim: int,
    crop: FaceCropParameters | None = None,
) -> Track:
    """Put a person on the grid whose frame k is at 40 ms x k of the session's clock.

    The joining itself is the live timeline's. Its slots begin with the first frame, so
    its frames are up to 20 ms beside the grid's, and some may be missing at the beginning.

    Args:
        frames: of the tracker, stamps on the session's clock.
        blocks: embeddings of the person's own voice on the same clock; none for somebody whose
            voice is not used.
        count: length of the track in frames.
        audio_dim: of an embedding; 0 where there are none.
        crop: parameters of the face crop.

    Returns:
        dict: the arrays of a track (see `store`), all `count` long, the last value held and
        marked as not valid wherever there was nothing.
    """
    # Without embeddings the live timeline would hand out empty ones of its usual width.
    found = align_recording(frames, blocks, audio_dim=max(audio_dim, 1), crop=crop)
    # A slot's stamp is its end, half a period after its middle. Whole numbers: the middles lie on
    # one phase, and rounding must not move some of them up and others down.
    place = found['stamp_ns'].astype(np.int64) // PERIOD_NS
    place, first = np.unique(place, return_index=True)
    inside = (place >= 0) & (place < count)
    place, first = place[inside], first[inside]
    there = np.zeros(count, bool)
    there[place] = True
    track: Track = {}
    for name, width in WIDTHS.items():
        values = np.zeros((count, width), np.float32)
        values[place] = found[name][first]
        track[name] = hold(values, there)
    track['audio'] = np.zeros((count, 2, audio_dim), np.float32)
    for name in ('face_valid', 'audio_valid'):
        track[name] = np.zeros(count, bool)
    track['face_valid'][place] = found['face_valid'][first]
    if audio_dim:
        track['audio'][place] = found['audio'][first]
        track['audio_valid'][place] = found['audio_valid'][first]
    return track
