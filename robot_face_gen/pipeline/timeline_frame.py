# SPDX-License-Identifier: Apache-2.0
"""One frame of face and sound, as the timeline passes it to the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TimelineFrame:
    """One frame for the model; always finite, missing values are 0."""

    index: int  # counts from 0 in each epoch
    epoch: int  # number of the epoch, counted from 1
    stamp_ns: int  # end of the slot; no input is later
    source_stamp_ns: int  # stamp of the speaker's frame; the middle of the slot if it has none
    face_valid: bool  # whether the tracker detected the face and at least one value is valid
    audio_valid: bool  # whether the slot has sound
    landmarks: np.ndarray  # (136,) float32 in crop units, mostly in [0, 1]
    au: np.ndarray  # (18,) float32
    pose: np.ndarray  # (4,) float32
    gaze: np.ndarray  # (2,) float32
    audio: np.ndarray  # (2, dim) float32
    # (VALUE_MASK_WIDTH,) bool: which values of the face are valid, in the order of
    # `layout.VALUE_MASK_SLICES`; all False if `face_valid` is False
    mask: np.ndarray
