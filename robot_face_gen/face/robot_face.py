# SPDX-License-Identifier: Apache-2.0
"""Draws a robot's face from landmarks, action units and gaze, and a speaker's contours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from robot_face_gen.layout import AU, LANDMARK_POINTS

from .drawing import SPEAKER, Colour, curve, disc, fill, line, mix

# Blue, green, red.
_SHELL: Colour = (238, 230, 220)
_SHELL_LIT: Colour = (245, 239, 231)
_SHELL_EDGE: Colour = (176, 160, 142)
_SHADE: Colour = (214, 202, 190)
_EAR: Colour = (204, 168, 98)
_EAR_LIT: Colour = (228, 206, 160)
_BROW: Colour = (92, 70, 56)
_EYE: Colour = (255, 255, 255)
_EYE_EDGE: Colour = (112, 90, 74)
_IRIS: Colour = (190, 140, 40)
_IRIS_LIT: Colour = (224, 186, 84)
_PUPIL: Colour = (46, 34, 26)
_LIP: Colour = (148, 142, 224)
_MOUTH: Colour = (62, 42, 88)
_TEETH: Colour = (250, 250, 250)
_CHEEK: Colour = (190, 180, 246)
_LAMP: Colour = (110, 170, 255)

# Parts of the landmarks, and whether each is a closed curve.
PARTS: dict[str, tuple[slice, bool]] = {
    'jaw': (slice(0, 17), False),
    'left brow': (slice(17, 22), False),
    'right brow': (slice(22, 27), False),
    'ridge': (slice(27, 31), False),
    'nose': (slice(31, 36), False),
    'left eye': (slice(36, 42), True),
    'right eye': (slice(42, 48), True),
    'lips': (slice(48, 60), True),
    'mouth': (slice(60, 68), True),
}
_BROW_UNITS = [AU['AU01'], AU['AU02'], AU['AU04']]
_UNIT_PX = 224  # side of the crop for which line widths are given
_EYE_SIZE = 1.6  # relative to a person's eye
_GAZE_REACH = 0.6  # movement of the iris for 0.5 rad, in half widths of the eye


def place_points(landmarks: np.ndarray, side_px: float, offset: tuple[float, float]) -> np.ndarray:
    """Landmarks (136,) in crop units as points (68, 2) in pixels; clipped to a valid range."""
    flat = np.nan_to_num(np.asarray(landmarks, np.float64), nan=0.5, posinf=1.2, neginf=-0.2)
    points = np.clip(flat, -0.2, 1.2).reshape(2, LANDMARK_POINTS).T
    return points * side_px + np.asarray(offset)


def draw_contours(
    image: np.ndarray,
    landmarks: np.ndarray,
    side_px: float,
    offset: tuple[float, float],
    colour: Colour = SPEAKER,
    width: float = 2,
) -> None:
    """Draw the contours of a tracked face: landmarks (136,) in crop units."""
    points = place_points(landmarks, side_px, offset)
    for part, closed in PARTS.values():
        line(image, curve(points[part], closed), colour, width, closed)
    for point in points:
        disc(image, point, 0.9 * width, mix(colour, (255, 255, 255), 0.5))


def draw_robot(
    image: np.ndarray, face: Mapping[str, np.ndarray], side_px: float, offset: tuple[float, float]
) -> None:
    """Draw a robot with this face: landmarks in crop units, au, pose, gaze."""
    points = place_points(face['landmarks'], side_px, offset)
    au = np.nan_to_num(np.asarray(face['au'], np.float64))
    gaze = np.clip(np.nan_to_num(np.asarray(face['gaze'], np.float64)), -1.0, 1.0)
    unit = side_px / _UNIT_PX
    _head(image, points, unit)
    smile = float(np.clip(au[AU['AU12']] / 3.0, 0, 1))
    blush = max(smile, float(np.clip(au[AU['AU06']] / 3.0, 0, 1)))
    for near, far in ((48, 2), (54, 14)):
        cheek = 0.45 * points[near] + 0.35 * points[far] + 0.2 * points[30]
        disc(image, cheek, 12 * unit, mix(_SHELL_LIT, _CHEEK, 0.25 + 0.55 * blush))
    line(image, curve(points[31:36], False), _SHADE, 4 * unit)
    for eye in ('left eye', 'right eye'):
        _eye(image, points[PARTS[eye][0]], gaze, float(au[AU['AU45']]), unit)
    for brow, inner in (('left brow', 4), ('right brow', 0)):
        _brow(image, points[PARTS[brow][0]], inner, au, unit)
    _mouth(image, points, unit)


def _head(image: np.ndarray, points: np.ndarray, unit: float) -> None:
    """The shell of the head: jaw and dome; ears and lamp."""
    jaw = points[:17]
    left, right = jaw[0], jaw[16]
    middle, across = (left + right) / 2, (right - left) / 2
    up = np.array([across[1], -across[0]])  # perpendicular, towards the top
    angle = np.linspace(0, np.pi, 14)[1:-1, None]
    dome = middle + np.cos(angle) * across * 1.04 + np.sin(angle) * up * 1.02
    centre = points.mean(axis=0)
    around = np.concatenate((jaw, dome)) - centre
    outline = curve(centre + 1.13 * around, True, 4)
    crown = centre + 1.13 * (middle + 1.02 * up - centre)
    lamp = crown + up * (13 * unit / (np.linalg.norm(up) + 1e-6))
    line(image, np.stack((crown, lamp)), _SHELL_EDGE, 4 * unit)
    disc(image, lamp, 6.5 * unit, _SHELL_EDGE)
    disc(image, lamp, 4.5 * unit, _LAMP)
    for end in (left, right):
        away = centre + 1.17 * (end - centre)
        for radius, colour in ((18, _SHELL_EDGE), (14.5, _EAR), (7, _EAR_LIT)):
            disc(image, away, radius * unit, colour)
    fill(image, outline, _SHELL)
    # Light from above: the lower rim is darker.
    fill(image, curve(centre + 1.06 * around + 0.035 * up, True, 4), _SHELL_LIT)
    line(image, outline, _SHELL_EDGE, 3 * unit, True)


def _brow(image: np.ndarray, points: np.ndarray, inner: int, au: np.ndarray, unit: float) -> None:
    """A brow; its movement is larger than a person's, to be visible from a distance."""
    near = 1 - np.abs(np.arange(5) - inner) / 4  # 1 at the inner end, 0 at the outer one
    raised, lifted, knit = np.clip(au[_BROW_UNITS], 0, 5)
    drop = near * (1.6 * knit - 1.2 * raised) - (1 - near) * (1.0 * lifted + 0.5 * knit)
    middle = points + np.stack((np.zeros(5), drop * unit), axis=1)
    line(image, curve(middle, False), _BROW, 6 * unit)


def _eye(
    image: np.ndarray, points: np.ndarray, gaze: np.ndarray, blink: float, unit: float
) -> None:
    """An eye, larger than a person's; landmarks and AU45 open it, gaze moves the iris."""
    centre = points.mean(axis=0)
    half = np.linalg.norm(points[3] - points[0]) / 2 * _EYE_SIZE + 1e-6
    along = (points[3] - points[0]) / (2 * half / _EYE_SIZE)
    down = np.array([-along[1], along[0]])
    height = np.linalg.norm((points[4] + points[5] - points[1] - points[2]) / 2)
    opening = float(np.clip(height / half * 1.75, 0.0, 1.1)) * float(
        np.clip(1 - blink / 3.5, 0, 1)
    )
    angle = np.linspace(0, 2 * np.pi, 36)[:, None]
    shape = (
        centre + np.cos(angle) * along * half + np.sin(angle) * down * half * max(opening, 0.03)
    )
    if opening < 0.12:
        lid = centre + np.linspace(-1, 1, 9)[:, None] * along * half
        lid += np.sin(np.linspace(0, np.pi, 9))[:, None] * down * half * 0.18
        line(image, curve(lid, False), _EYE_EDGE, 4 * unit)
        return
    # Draw the eye in a separate picture, so that the lids cover the iris.
    low = np.floor(shape.min(axis=0) - 4 * unit).astype(int)
    high = np.ceil(shape.max(axis=0) + 4 * unit).astype(int)
    x0, y0 = np.maximum(low, 0)
    x1, y1 = np.minimum(high, (image.shape[1], image.shape[0]))
    if x1 <= x0 or y1 <= y0:
        return
    here = image[y0:y1, x0:x1]
    corner = np.array([x0, y0])
    mask, ball = np.zeros_like(here), np.full_like(here, _EYE)
    look = centre + along * gaze[0] * 2 * _GAZE_REACH * half + down * gaze[1] * _GAZE_REACH * half
    disc(ball, look - corner, 0.58 * half, _IRIS)
    disc(ball, look - corner + 0.1 * half * down, 0.42 * half, _IRIS_LIT)
    disc(ball, look - corner, 0.32 * half, _PUPIL)
    disc(ball, look - corner - 0.2 * half, 0.13 * half, _EYE)
    disc(ball, look - corner + 0.2 * half, 0.06 * half, _EYE)
    fill(mask, shape - corner, (255, 255, 255))
    share = mask.astype(np.float32) / 255
    here[:] = np.rint(here * (1 - share) + ball * share).astype(np.uint8)
    line(image, shape, _EYE_EDGE, 2 * unit, True)


def _mouth(image: np.ndarray, points: np.ndarray, unit: float) -> None:
    outer, inner = curve(points[48:60], True), curve(points[60:68], True)
    fill(image, outer, _LIP)
    opening = np.linalg.norm(points[66] - points[62])
    width = np.linalg.norm(points[64] - points[60]) + 1e-6
    if opening > 0.05 * width:
        fill(image, inner, _MOUTH)
        upper = points[60:65]
        teeth = np.concatenate((upper, (0.72 * upper + 0.28 * points[[60, 67, 66, 65, 64]])[::-1]))
        fill(image, teeth, _TEETH)
    else:
        # Points of closed lips jitter and cross: draw one arc through their middle.
        meet = (points[61:64].sum(axis=0) + points[65:68].sum(axis=0)) / 6
        line(image, curve(np.stack((points[60], meet, points[64])), False), _MOUTH, 2.5 * unit)
    line(image, outer, mix(_LIP, _MOUTH, 0.35), 1.5 * unit, True)
