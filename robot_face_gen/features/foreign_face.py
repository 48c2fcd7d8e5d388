# SPDX-License-Identifier: Apache-2.0
"""Faces of other trackers as OpenFace would report them: ROS4HRI's landmarks and action units."""

from __future__ import annotations

import numpy as np

from robot_face_gen.layout import AU_NAMES, INTENSITIES, LANDMARK_POINTS

HRI_UNITS = 99  # of hri_msgs/FacialActionUnits, numbered as in FACS
_OPENFACE_MOST = 5.0  # of an intensity
_CODES = [int(name.removeprefix('AU')) for name in AU_NAMES]


def hri_landmarks(points: np.ndarray, width: int, height: int) -> tuple[np.ndarray, float]:
    """Landmarks in pixels, and the confidence in them, of hri_msgs/FacialLandmarks.

    The points (n, 3) are x and y from 0 to 1, and confidence; without any, all count. The first 68
    have the numbers that OpenFace uses, too. The size of the image is in pixels.

    Returns:
        tuple: (136,) float32, NaN if a point is missing; the mean confidence, 0..1.

    Raises:
        ValueError: there are fewer points, no size of the image, or an impossible confidence.
    """
    if len(points) < LANDMARK_POINTS:
        raise ValueError(f'landmarks: {len(points)} points: expected at least {LANDMARK_POINTS}')
    if width <= 0 or height <= 0:
        raise ValueError(f'width, height = {width}, {height}: expected the size of the image')
    points = np.asarray(points[:LANDMARK_POINTS], np.float32)
    confidence = points[:, 2]
    if not ((confidence >= 0.0) & (confidence <= 1.0)).all():
        raise ValueError('landmarks: expected confidences from 0 to 1')
    if not confidence.any():  # not filled in by the tracker
        confidence = np.ones(LANDMARK_POINTS, np.float32)
    found = (points[:, :2] * (width, height)).T.reshape(-1).astype(np.float32)
    if not (confidence > 0.0).all() or not np.isfinite(found).all():
        found = np.full(2 * LANDMARK_POINTS, np.nan, np.float32)
    return found, float(confidence.mean())


def hri_action_units(
    intensity: np.ndarray, confidence: np.ndarray, full_intensity: float = 1.0
) -> np.ndarray:
    """Action units of hri_msgs/FacialActionUnits: 17 intensities 0..5 and the presence of AU28.

    Both arrays are (99,), by number of the unit. Confidence 0: the tracker does not have the unit;
    without any, all count. `full_intensity` is what an intensity of 5 is there.

    Returns:
        np.ndarray: (18,) float32; NaN: the tracker does not have it.

    Raises:
        ValueError: another number of values.
    """
    if len(intensity) != HRI_UNITS or len(confidence) != HRI_UNITS:
        raise ValueError(
            f'intensity: {len(intensity)} values, confidence: {len(confidence)}: expected '
            f'{HRI_UNITS} of both'
        )
    found = np.asarray(intensity, np.float32)[_CODES] / np.float32(full_intensity)
    found[:INTENSITIES] = np.clip(found[:INTENSITIES], 0.0, 1.0) * _OPENFACE_MOST
    found[INTENSITIES] = np.where(np.isnan(found[INTENSITIES]), np.nan, found[INTENSITIES] >= 0.5)
    known = np.asarray(confidence)[_CODES] > 0.0
    if np.any(np.asarray(confidence)):
        found[~known] = np.nan
    return found
