# SPDX-License-Identifier: Apache-2.0
"""Where the face is in the picture and how large: landmarks without distance and resolution.

The model sees landmarks in a square crop of 224 x 224 pixels around the face, divided by 224. The
crop follows the face so slowly that head motion and expression stay in the landmarks: a crop that
is fitted to each frame would take them away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_LEAST_SIZE = 1e-3  # pixels


@dataclass(frozen=True)
class FaceCropParameters:
    """How the crop follows; they travel with a checkpoint.

    Attributes:
        side: of the crop, in units of the face's size (the root mean square distance of its
            landmarks from their centre). 4 leaves about a fifth of the crop free on either side.
        memory_frames: believed frames over which centre and size are averaged.
        away: a face farther from the estimate than this, in sizes, or larger or smaller by more
            than this factor + 1, is somewhere else.
        relock_frames: so many believed frames in a row elsewhere begin the estimate anew.
        forget_frames: so many frames without a believed face begin it anew.
    """

    side: float = 4.0
    memory_frames: int = 250
    away: float = 1.5
    relock_frames: int = 12
    forget_frames: int = 75


class FaceCrop:
    """A causal estimate of the face's place and size, at one update a frame of the timeline."""

    def __init__(self, parameters: FaceCropParameters | None = None) -> None:
        self.parameters = parameters or FaceCropParameters()
        self._centre = np.zeros(2)
        self._size = 1.0
        self._count = 0  # believed frames in the estimate
        self._away = 0  # believed frames elsewhere, in a row
        self._unseen = 0  # frames without a believed face, in a row
        self.relocks = 0

    @property
    def locked(self) -> bool:
        """Whether any face has been seen."""
        return self._count > 0

    def update(self, landmarks_px: np.ndarray, believed: bool) -> None:
        """Take a frame in: landmarks (136,) in pixels, and whether it is to be believed."""
        p = self.parameters
        points = np.asarray(landmarks_px, np.float64).reshape(2, 68)
        # Neither NaN nor all points in one place is a face, whatever the tracker says.
        usable = believed and bool(np.isfinite(points).all())
        if not usable or np.ptp(points, axis=1).max() < _LEAST_SIZE:
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
                self.relocks += 1
            elif self._away:
                return  # one strange frame does not move the crop
        self._away = 0
        self._count = min(self._count + 1, p.memory_frames)
        weight = 1.0 / self._count  # a mean at first, an exponential one later
        self._centre = self._centre + weight * (centre - self._centre)
        self._size += weight * (size - self._size)

    def to_crop(self, landmarks_px: np.ndarray) -> np.ndarray:
        """Landmarks (..., 136) from pixels to the crop, in [0, 1]; beyond it where the face is."""
        points = np.asarray(landmarks_px, np.float64).reshape(*np.shape(landmarks_px)[:-1], 2, 68)
        scaled = (points - self._centre[:, None]) / (self.parameters.side * self._size) + 0.5
        return scaled.reshape(np.shape(landmarks_px)).astype(np.float32)

    def to_pixels(self, landmarks: np.ndarray) -> np.ndarray:
        """The inverse of `to_crop`."""
        points = np.asarray(landmarks, np.float64).reshape(*np.shape(landmarks)[:-1], 2, 68)
        pixels = (points - 0.5) * (self.parameters.side * self._size) + self._centre[:, None]
        return pixels.reshape(np.shape(landmarks)).astype(np.float32)

    def reset(self) -> None:
        """Forget the face."""
        self._count = self._away = self._unseen = 0

    def state_dict(self) -> dict[str, Any]:
        """The estimate and the parameters as plain numbers."""
        return {
            'parameters': asdict(self.parameters), 'centre': self._centre.tolist(),
            'size': self._size,
            'count': self._count, 'away': self._away, 'unseen': self._unseen,
        }  # fmt: skip

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.parameters = FaceCropParameters(**saved['parameters'])
        self._centre = np.asarray(saved['centre'], np.float64)
        self._size = float(saved['size'])
        self._count, self._away, self._unseen = (
            int(saved[n]) for n in ('count', 'away', 'unseen')
        )
