# SPDX-License-Identifier: Apache-2.0
"""Faces as pictures and as lines in space, for viewers such as rviz."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from robot_face_gen.layout import LANDMARK_POINTS

from .drawing import FAINT, GROUND, SPEAKER, text
from .robot_face import PARTS, draw_contours, draw_robot

# OpenFace's own guess where the camera's focal length is not known: that of 500 px at 640 x 480.
_FOCAL_LENGTH_PX, _WIDTH_PX, _HEIGHT_PX = 500.0, 640.0, 480.0
_DISTANCE_M = 0.6  # of a face whose distance the tracker does not have


def _segments() -> np.ndarray:
    """Numbers of the landmarks at both ends of each line of a face, (lines, 2)."""
    pairs: list[tuple[int, int]] = []
    for points, closed in PARTS.values():
        numbers = list(range(*points.indices(LANDMARK_POINTS)))
        pairs += zip(numbers, numbers[1:] + numbers[:1] * closed, strict=False)
    return np.array(pairs)


SEGMENTS = _segments()


def robot_picture(face: Mapping[str, np.ndarray], side_px: int) -> np.ndarray:
    """The robot's face (side_px, side_px, 3) BGR: landmarks in crop units, au, pose, gaze."""
    image = np.full((side_px, side_px, 3), GROUND, np.uint8)
    draw_robot(image, face, 0.84 * side_px, (0.08 * side_px, 0.14 * side_px))
    return image


def speaker_picture(landmarks: np.ndarray | None, *, believed: bool, side_px: int) -> np.ndarray:
    """The contours of the speaker's face (side_px, side_px, 3) BGR.

    Landmarks are (136,) in crop units; None: there is no face yet. `believed`: the tracker sees
    it.
    """
    image = np.full((side_px, side_px, 3), GROUND, np.uint8)
    if landmarks is not None:
        draw_contours(
            image, landmarks, side_px, (0.0, 0.0), SPEAKER if believed else FAINT, side_px / 220
        )
    if not believed:
        place = (side_px // 2, side_px // 12)
        text(image, 'face not seen', place, FAINT, side_px / 800, 'middle')
    return image


def robot_points(landmarks: np.ndarray, crop_m: float) -> np.ndarray:
    """Landmarks (136,) of the robot's face, in crop units, in metres in a body frame (REP 103).

    Returns:
        np.ndarray: (68, 3); x out of the face, y to the face's own left, z up; the middle of the
        crop is at the origin.
    """
    x, y = np.asarray(landmarks, np.float64).reshape(2, LANDMARK_POINTS)
    return np.stack((np.zeros_like(x), (x - 0.5) * crop_m, (0.5 - y) * crop_m), axis=1)


def speaker_points(
    landmarks_px: np.ndarray, width_px: int, height_px: int, distance_m: float
) -> np.ndarray:
    """The speaker's landmarks (136,), pixels, in metres in the camera's optical frame (REP 103).

    They are in one plane, at the distance of the head (NaN or 0: 0.6 m). The focal length is the
    one that OpenFace assumes where none is given: its distances are right with it. A picture of
    unknown size (0) has 640 x 480 pixels.

    Returns:
        np.ndarray: (68, 3); x to the right, y down, z away from the camera.
    """
    width, height = width_px or _WIDTH_PX, height_px or _HEIGHT_PX
    focal_px = _FOCAL_LENGTH_PX * (width / _WIDTH_PX + height / _HEIGHT_PX) / 2
    z = distance_m if distance_m > 0.0 else _DISTANCE_M  # NaN is not
    x, y = np.asarray(landmarks_px, np.float64).reshape(2, LANDMARK_POINTS)
    return np.stack(
        ((x - width / 2) * z / focal_px, (y - height / 2) * z / focal_px, np.full_like(x, z)),
        axis=1,
    )
