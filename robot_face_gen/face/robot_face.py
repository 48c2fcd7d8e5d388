"""A robot's face, drawn from landmarks, action units and gaze; and a speaker's, as contours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .drawing import Colour, curve, disc, fill, line, mix

# Blue, green, red.
_SHELL: Colour = (236, 228, 219)
_SHELL_EDGE: Colour = (180, 165, 148)
_SHADE: Colour = (214, 202, 190)
_EAR: Colour = (196, 160, 96)
_BROW: Colour = (92, 70, 56)
_EYE: Colour = (255, 255, 255)
_EYE_EDGE: Colour = (120, 100, 84)
_IRIS: Colour = (190, 140, 40)
_PUPIL: Colour = (46, 34, 26)
_LIP: Colour = (118, 112, 222)
_MOUTH: Colour = (62, 42, 88)
_TEETH: Colour = (250, 250, 250)
_CHEEK: Colour = (190, 180, 246)
_CONTOUR: Colour = (208, 198, 130)

# Parts of the 68 points, and whether each is closed.
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
_AU06, _AU12, _AU45 = 4, 8, 16
_GAZE_REACH = 0.6  # of an eye's half width for half a radian


def place_points(landmarks: np.ndarray, side_px: float, offset: tuple[float, float]) -> np.ndarray:
    """Landmarks (136,) in crop units as points (68, 2) in a picture; what is absurd is bounded."""
    flat = np.nan_to_num(np.asarray(landmarks, np.float64), nan=0.5, posinf=1.2, neginf=-0.2)
    points = np.clip(flat, -0.2, 1.2).reshape(2, 68).T
    return points * side_px + np.asarray(offset)


def draw_contours(
    image: np.ndarray,
    landmarks: np.ndarray,
    side_px: float,
    offset: tuple[float, float],
    colour: Colour = _CONTOUR,
    width: float = 2,
) -> None:
    """Draw a tracked face as lines: landmarks (136,) in crop units."""
    points = place_points(landmarks, side_px, offset)
    for part, closed in PARTS.values():
        line(image, curve(points[part], closed), colour, width, closed)
    for point in points:
        disc(image, point, 0.9 * width, mix(colour, (255, 255, 255), 0.5))


def draw_robot(
    image: np.ndarray, face: Mapping[str, np.ndarray], side_px: float, offset: tuple[float, float]
) -> None:
    """Draw a robot that makes this face: landmarks in crop units, au, pose, gaze."""
    points = place_points(face['landmarks'], side_px, offset)
    au = np.nan_to_num(np.asarray(face['au'], np.float64))
    gaze = np.clip(np.nan_to_num(np.asarray(face['gaze'], np.float64)), -1.0, 1.0)
    unit = side_px / 224
    _head(image, points, unit)
    smile = float(np.clip(au[_AU12] / 3.0, 0, 1))
    blush = max(smile, float(np.clip(au[_AU06] / 3.0, 0, 1)))
    for near, far in ((48, 2), (54, 14)):
        cheek = 0.45 * points[near] + 0.4 * points[far] + 0.15 * points[30]
        disc(image, cheek, 11 * unit, mix(_SHELL, _CHEEK, 0.25 + 0.55 * blush))
    ridge = curve(points[27:31], False)
    line(image, ridge[len(ridge) // 2 :], _SHADE, 5 * unit)
    line(image, curve(points[31:36], False), _SHELL_EDGE, 3 * unit)
    for eye in ('left eye', 'right eye'):
        _eye(image, points[PARTS[eye][0]], gaze, float(au[_AU45]), unit)
    for brow in ('left brow', 'right brow'):
        line(image, curve(points[PARTS[brow][0]], False), _BROW, 6 * unit)
    _mouth(image, points, unit)


def _head(image: np.ndarray, points: np.ndarray, unit: float) -> None:
    """The shell: the jaw, and a dome above it as wide as the jaw's ends."""
    jaw = points[:17]
    left, right = jaw[0], jaw[16]
    middle, across = (left + right) / 2, (right - left) / 2
    up = np.array([across[1], -across[0]])  # at right angles, towards the crown
    angle = np.linspace(0, np.pi, 14)[1:-1, None]
    dome = middle + np.cos(angle) * across * 1.04 + np.sin(angle) * up * 1.12
    centre = points.mean(axis=0)
    outline = curve(centre + 1.07 * (np.concatenate((jaw, dome)) - centre), True, 4)
    for end in (left, right):
        away = centre + 1.1 * (end - centre)
        disc(image, away, 15 * unit, _SHELL_EDGE)
        disc(image, away, 11 * unit, _EAR)
    fill(image, outline, _SHELL)
    line(image, outline, _SHELL_EDGE, 3 * unit, True)


def _eye(
    image: np.ndarray, points: np.ndarray, gaze: np.ndarray, blink: float, unit: float
) -> None:
    """An eye, larger than a person's: opened by landmarks and AU45, its iris moved by gaze."""
    centre = points.mean(axis=0)
    half = np.linalg.norm(points[3] - points[0]) / 2 * 1.35 + 1e-6
    along = (points[3] - points[0]) / (2 * half / 1.35)
    down = np.array([-along[1], along[0]])
    height = np.linalg.norm((points[4] + points[5] - points[1] - points[2]) / 2)
    opening = float(np.clip(height / half * 1.25, 0.0, 1.1)) * float(
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
    # Draw the eye on a picture of its own, so that lids cut the iris off.
    low = np.floor(shape.min(axis=0) - 4 * unit).astype(int)
    high = np.ceil(shape.max(axis=0) + 4 * unit).astype(int)
    x0, y0 = np.maximum(low, 0)
    x1, y1 = np.minimum(high, (image.shape[1], image.shape[0]))
    if x1 <= x0 or y1 <= y0:
        return
    here = image[y0:y1, x0:x1]
    corner = np.array([x0, y0])
    mask, ball = np.zeros_like(here), np.empty_like(here)
    ball[:] = _EYE
    look = centre + along * gaze[0] * 2 * _GAZE_REACH * half + down * gaze[1] * _GAZE_REACH * half
    disc(ball, look - corner, 0.56 * half, _IRIS)
    disc(ball, look - corner, 0.28 * half, _PUPIL)
    disc(ball, look - corner - 0.2 * half, 0.11 * half, _EYE)
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
        line(image, curve(points[60:65], False), _MOUTH, 2.5 * unit)
    line(image, outer, mix(_LIP, _MOUTH, 0.35), 1.5 * unit, True)
