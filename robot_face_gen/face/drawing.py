# SPDX-License-Identifier: Apache-2.0
"""Anti-aliased shapes with OpenCV, with subpixel coordinates that are always in range."""

from __future__ import annotations

import cv2
import numpy as np

Colour = tuple[int, int, int]  # blue, green, red
GROUND: Colour = (46, 36, 30)  # of all pictures
SPEAKER: Colour = (208, 198, 130)  # the contours of a face that is seen
FAINT: Colour = (150, 138, 126)

_SHIFT = 4  # fractional bits of the coordinates in OpenCV
_MAX_PX = 10_000.0


def points_px(points: np.ndarray) -> np.ndarray:
    """Points (n, 2) as integers with `_SHIFT` fractional bits; 0 if a value is not finite."""
    p = np.asarray(points, np.float64)
    if not np.isfinite(p).all():
        p = np.nan_to_num(p, nan=0.0, posinf=0.0, neginf=0.0)
    return np.rint(np.clip(p, -_MAX_PX, _MAX_PX) * (1 << _SHIFT)).astype(np.int32)


def curve(points: np.ndarray, closed: bool, steps: int = 6) -> np.ndarray:
    """A Catmull-Rom spline through points (n, 2): (n x steps, 2) if closed."""
    p = np.asarray(points, np.float64)
    count = len(p)
    index = np.arange(count if closed else count - 1)
    around = index[:, None] + np.array([-1, 0, 1, 2])
    around = around % count if closed else np.clip(around, 0, count - 1)
    a, b, c, d = (p[around[:, i]][:, None] for i in range(4))
    t = (np.arange(steps) / steps)[None, :, None]
    out = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3
    ).reshape(-1, 2)
    return out if closed else np.concatenate((out, p[-1:]))


def fill(image: np.ndarray, points: np.ndarray, colour: Colour) -> None:
    """Fill a polygon (n, 2)."""
    cv2.fillPoly(image, [points_px(points)[:, None]], colour, cv2.LINE_AA, _SHIFT)


def line(
    image: np.ndarray, points: np.ndarray, colour: Colour, width: float, closed: bool = False
) -> None:
    """Draw a line through points (n, 2)."""
    width_px = max(1, round(width))
    cv2.polylines(
        image, [points_px(points)[:, None]], closed, colour, width_px, cv2.LINE_AA, _SHIFT
    )


def disc(image: np.ndarray, centre: np.ndarray, radius: float, colour: Colour) -> None:
    """Fill a circle."""
    x, y = points_px(np.asarray(centre)[None])[0]
    radius_px = round(min(max(radius, 0.0), _MAX_PX) * (1 << _SHIFT))
    cv2.circle(image, (int(x), int(y)), radius_px, colour, -1, cv2.LINE_AA, _SHIFT)


def text(
    image: np.ndarray,
    words: str,
    place: tuple[int, int],
    colour: Colour,
    size: float = 0.5,
    align: str = 'left',
) -> None:
    """Draw text; `place` is the left end, the middle or the right end of its baseline."""
    # OpenCV crashes at a lone surrogate, which is how Python has a file name that is no UTF-8.
    words = words.encode('utf-8', 'replace').decode()
    font, thick = cv2.FONT_HERSHEY_SIMPLEX, 1
    (width, _), _ = cv2.getTextSize(words, font, size, thick)
    x = place[0] - {'left': 0, 'middle': width // 2, 'right': width}[align]
    cv2.putText(image, words, (x, place[1]), font, size, colour, thick, cv2.LINE_AA)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Mix two colours; `share` 0: `a`, 1: `b`."""
    share = float(np.clip(share, 0.0, 1.0))
    blue, green, red = (round((1 - share) * x + share * y) for x, y in zip(a, b, strict=True))
    return blue, green, red
