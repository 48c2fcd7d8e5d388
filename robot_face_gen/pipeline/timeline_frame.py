# SPDX-License-Identifier: Apache-2.0
"""One frame of face and sound, as the timeline passes it to the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TimelineFrame:
    """One frame for the model; always finite, missing values are 0.

    Attributes:
        index: counts from 0 in each epoch.
        epoch: number of the epoch, counted from 1.
        stamp_ns: end of the slot; no input is later.
        source_stamp_ns: stamp of the speaker's frame; the middle of the slot if it has none.
        face_valid: whether the tracker detected the face and at least one value is valid.
        audio_valid: whether the slot has sound.
        landmarks: (136,) float32 in crop units, mostly in [0, 1].
        au: (18,) float32.
        pose: (4,) float32.
        gaze: (2,) float32.
        audio: (2, dim) float32.
        mask: (VALUE_MASK_WIDTH,) bool: which values of the face are valid, in the order of
            `layout.VALUE_MASK_SLICES`; all False if `face_valid` is False.
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
