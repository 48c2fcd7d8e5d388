# SPDX-License-Identifier: Apache-2.0
"""One frame of face and sound, as the timeline gives it to the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TimelineFrame:
    """One frame for the model; always finite, 0 where a value is missing.

    Attributes:
        index: counts from 0 in each epoch.
        epoch: counts the beginnings.
        stamp_ns: end of the slot; nothing in it is later.
        source_stamp_ns: of the face frame that it holds, else the middle of the slot.
        face_valid: whether the tracker found the face and at least one value is there.
        audio_valid: whether there is sound.
        landmarks: (136,) float32 in the face crop, [0, 1].
        au: (18,) float32.
        pose: (4,) float32.
        gaze: (2,) float32.
        audio: (2, dim) float32.
        mask: (VALUE_MASK_WIDTH,) bool: which values of the face are valid, in the order of
            `layout.VALUE_MASK_SLICES`; all False where `face_valid` is.
    """

    index: int
    epoch: int
    stamp_ns: int
    source_stamp_ns: int
    face_valid: bool
    audio_valid: bool
    landmarks: np.ndarray
    au: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray
    audio: np.ndarray
    mask: np.ndarray
