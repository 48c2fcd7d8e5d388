# SPDX-License-Identifier: Apache-2.0
"""Crop around the face: makes landmarks independent of image resolution and distance.

The model gets landmarks in a square crop around the face; the side of the crop has length 1. The
crop follows the face slowly, so that head motion and expression remain in the landmarks. A crop
fitted to each frame would remove them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_face_gen.layout import LANDMARK_POINTS

_MIN_SIZE_PX = 1e-3


@dataclass(frozen=True)
class FaceCropParameters:
    """How the crop follows the face; saved in a checkpoint."""

    # side of the crop in units of the face's size (the root mean square distance of its
    # landmarks from their centre). 4 leaves about a fifth of the crop free on each side
    side: float = 4.0
    memory_frames: int = 250  # number of valid frames over which centre and size are averaged
    # a face is an outlier if its distance from the estimate is larger than this, in units of
    # the size, or if its size differs by more than the factor 1 + `away`
    away: float = 1.5
    relock_frames: int = 12  # number of consecutive outliers after which the estimate starts again
    # number of consecutive frames without a face after which it starts again
    forget_frames: int = 75


class FaceCrop:
    """A causal estimate of the centre and size of the face, updated once per timeline frame."""

    def __init__(self, parameters: FaceCropParameters | None = None) -> None:
        self.parameters = parameters or FaceCropParameters()
        self._centre = np.zeros(2)
        self._size = 1.0
        self._count = 0  # valid frames in the estimate
        self._away = 0  # consecutive outliers
        self._unseen = 0  # consecutive frames without a face

    def update(self, landmarks_px: np.ndarray, valid: bool) -> None:
        """Add a frame: landmarks (136,) in pixels, and whether they are valid."""
        p = self.parameters
        points = np.asarray(landmarks_px, np.float64).reshape(2, LANDMARK_POINTS)
        # NaN, or all points in one place, is not a face, even if the tracker reports one.
        usable = valid and bool(np.isfinite(points).all())
        if not usable or np.ptp(points, axis=1).max() < _MIN_SIZE_PX:
            self._unseen += 1
            return
        centre = points.mean(axis=1)
        size = float(np.sqrt(np.square(points - centre[:, None]).sum(axis=0).mean()))
        if self._unseen >= p.forget_frames:
            self._count = 0
        self._unseen = 0
        if self._count:
            distance = float(np.linalg.norm(centre - self._centre)) / self._size
            ratio = max(size / self._size, self._size / size)
            self._away = self._away + 1 if distance > p.away or ratio > 1 + p.away else 0
            if self._away >= p.relock_frames:
                self._count = 0
            elif self._away:
                return  # a single outlier does not move the crop
        self._away = 0
        self._count = min(self._count + 1, p.memory_frames)
        weight = 1.0 / self._count  # a mean first, later an exponential average
        self._centre = self._centre + weight * (centre - self._centre)
        self._size += weight * (size - self._size)

    def to_crop(self, landmarks_px: np.ndarray) -> np.ndarray:
        """Convert landmarks (..., 136) from pixels to crop units: [0, 1] inside of the crop."""
        points = np.asarray(landmarks_px, np.float64).reshape(
            *np.shape(landmarks_px)[:-1], 2, LANDMARK_POINTS
        )
        scaled = (points - self._centre[:, None]) / (self.parameters.side * self._size) + 0.5
        return scaled.reshape(np.shape(landmarks_px)).astype(np.float32)

    def reset(self) -> None:
        """Drop the estimate."""
        self._count = self._away = self._unseen = 0
