# SPDX-License-Identifier: Apache-2.0
"""One camera frame of a face tracker, with NaN where a value is missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from robot_face_gen.layout import BRANCHES, VALUE_LIMITS, VALUE_MASK_SLICES, VALUE_MASK_WIDTH

MIN_CONFIDENCE = 0.7  # frames with a lower confidence are treated as missing
# Field of a face message: name of the array here.
MESSAGE_FIELDS = {'landmarks': 'landmarks', 'action_units': 'au', 'pose': 'pose', 'gaze': 'gaze'}


def message_values(message: Any) -> dict[str, np.ndarray]:
    """The values of a face in a message, of ROS 2 or of a bag: landmarks, au, pose, gaze."""
    return {n: np.array(getattr(message, f), np.float32) for f, n in MESSAGE_FIELDS.items()}


@dataclass(frozen=True)
class FaceFrame:
    """One camera frame as a tracker reports it.

    NaN marks a missing value. Landmarks are all valid or all NaN.
    """

    stamp_ns: int  # time of capture
    confidence: float  # 0..1
    success: bool  # whether the tracker says that it found the face
    image_width: int  # pixels; 0 where unknown
    image_height: int  # pixels; 0 where unknown
    landmarks: np.ndarray  # (136,) float32 pixels, x0..x67 then y0..y67
    au: np.ndarray  # (18,) float32, 17 intensities 0..5 and the presence of AU28
    pose: np.ndarray  # (4,) float32, Rx Ry Rz in radians and Tz in metres
    gaze: np.ndarray  # (2,) float32 radians

    @classmethod
    def from_message(cls, message: Any, stamp_ns: int) -> FaceFrame:
        """The frame in a message `FaceFeatures`, of ROS 2 or of a bag."""
        return cls(
            stamp_ns, float(message.confidence), bool(message.success), int(message.image_width),
            int(message.image_height), **message_values(message),
        )  # fmt: skip

    @property
    def branches(self) -> dict[str, np.ndarray]:
        """The values by name: landmarks, au, pose, gaze."""
        return {name: getattr(self, name) for name in BRANCHES}

    @cached_property
    def mask(self) -> np.ndarray:
        """(VALUE_MASK_WIDTH,) bool: which values are finite, in the order of `layout`."""
        mask = np.empty(VALUE_MASK_WIDTH, bool)
        for name, place in VALUE_MASK_SLICES.items():
            finite = np.isfinite(getattr(self, name))
            mask[place] = finite.all() if name == 'landmarks' else finite
        return mask

    def is_valid(self, min_confidence: float = MIN_CONFIDENCE) -> bool:
        """Whether the tracker found the face with enough confidence, and any value is there.

        A face whose points and pose are all 0 is none, whatever the tracker says.
        """
        # In float32, as messages carry it: 0.7 there is a little less than 0.7.
        enough = np.float32(self.confidence) >= np.float32(min_confidence)
        blank = not self.landmarks.any() and not self.pose.any()  # NaN is not 0
        return bool(self.success and enough and not blank and self.mask.any())

    def without_impossible_values(self) -> tuple[FaceFrame, int]:
        """The frame with NaN instead of infinite and impossibly large values; how many these were.

        Landmarks with one missing or impossible value are missing as a whole.
        """
        changed, count = {}, 0
        for name, limit in VALUE_LIMITS.items():
            values = getattr(self, name)
            bad = np.abs(values) > limit  # False for NaN
            count += int(bad.sum())
            usable = np.isfinite(values) & ~bad
            if name == 'landmarks':
                usable = np.full(BRANCHES[name], usable.all())
            if not usable.all():
                changed[name] = np.where(usable, values, np.float32(np.nan))
        return (replace(self, **changed) if changed else self), count
