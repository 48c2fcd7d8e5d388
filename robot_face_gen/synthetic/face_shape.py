# SPDX-License-Identifier: Apache-2.0
"""A 3-D face of 68 points: its shape, its deformation by action units, and its projection.

Units are metres; x points right in the image, y down, z away from the camera; the origin is
between the eyes. Order of the points (iBUG 68): jaw 0-16, brows 17-26, nose 27-35, eyes 36-47,
outer lips 48-59, inner lips 60-67. Sizes are those of an average adult, rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from robot_face_gen.layout import AU, AU_NAMES, LANDMARK_POINTS

# The head rotates about the top of the neck.
PIVOT = np.array([0.0, 0.075, 0.085])
# OpenFace's default focal length: 500 pixels for an image width of 640.
FOCAL = 500 / 640
_LEFT_BROW, _RIGHT_BROW = range(17, 22), range(26, 21, -1)  # from the outer end to the inner
_UPPER_LIDS, _LOWER_LIDS = (37, 38, 43, 44), (41, 40, 47, 46)  # one above the other
_UPPER_LIP, _LOWER_LIP = (49, 50, 51, 52, 53), (59, 58, 57, 56, 55)
_UPPER_INNER, _LOWER_INNER = (61, 62, 63), (67, 66, 65)
_LEFT_CORNER, _RIGHT_CORNER = (48, 60), (54, 64)
_LID_GAP = 0.0005


@dataclass(frozen=True)
class FaceShape:
    """The shape of one face."""

    points: np.ndarray  # (68, 3) at rest, metres

    @classmethod
    def draw(cls, rng: np.random.Generator, strength: float) -> FaceShape:
        """Draw a face; `strength` 0 gives the mean face, 1 the variation between people."""
        p = mean_face().copy()
        size, wide, long, jaw, mouth, eyes, brows, nose = strength * np.clip(
            rng.standard_normal(8), -2, 2
        )
        p[48:68, 0] *= 1 + 0.06 * mouth
        p[36:48, 0] *= 1 + 0.04 * eyes
        p[17:27, 1] -= 0.002 * brows
        p[29:36, 1] += 0.002 * nose
        p[3:14] *= (1 + 0.05 * jaw, 1 + 0.03 * jaw, 1)
        p *= (1 + 0.04 * size) * np.array([1 + 0.04 * wide, 1 + 0.04 * long, 1])
        return cls(p)


def _arc(count: int, left: float, right: float) -> np.ndarray:
    return np.linspace(left, right, count)


@cache
def mean_face() -> np.ndarray:
    """The mean face at rest with closed mouth, (68, 3) metres."""
    p = np.zeros((LANDMARK_POINTS, 3))
    a = np.pi * np.arange(17) / 16
    side = np.abs(np.cos(a))
    p[:17] = np.stack(
        (-0.072 * np.cos(a), 0.008 + 0.102 * np.sin(a) ** 0.9, 0.08 * side**1.6), axis=1
    )
    x = _arc(5, -0.056, -0.014)
    lift = np.sin(np.pi * (x + 0.062) / 0.062)
    brow = np.stack((x, -0.016 - 0.009 * lift, 0.024 * (x / 0.056) ** 2 - 0.008), axis=1)
    p[17:22] = brow
    p[22:27] = brow[::-1] * (-1, 1, 1)
    p[27:31] = np.stack((np.zeros(4), _arc(4, 0.0, 0.036), _arc(4, -0.008, -0.034)), axis=1)
    x = _arc(5, -0.0145, 0.0145)
    p[31:36] = np.stack((x, 0.046 - 20 * x**2, -0.02 + 40 * x**2), axis=1)
    eye = np.array([(-0.0135, 0.0), (-0.0055, -0.0048), (0.0055, -0.0048), (0.0125, 0.001),
                    (0.0055, 0.0046), (-0.0055, 0.0046)])  # fmt: skip
    p[36:42, :2] = eye + np.array([-0.0325, 0.002])
    p[42:48, :2] = (eye * (-1, 1))[[3, 2, 1, 0, 5, 4]] + np.array([0.0325, 0.002])
    p[36:48, 2] = 0.005 + 6 * (np.abs(p[36:48, 0]) - 0.02) ** 2
    x = np.array([-0.0255, -0.0165, -0.0065, 0.0, 0.0065, 0.0165, 0.0255])
    p[48:55, 0], p[48:55, 1] = x, [0.073, 0.0685, 0.0662, 0.0672, 0.0662, 0.0685, 0.073]
    p[55:60, 0], p[55:60, 1] = -x[1:6], [0.0795, 0.0827, 0.0836, 0.0827, 0.0795]
    p[60:65, 0], p[60:65, 1] = [-0.022, -0.0075, 0, 0.0075, 0.022], 0.0731
    p[65:68, 0], p[65:68, 1] = [0.0075, 0, -0.0075], 0.0735
    p[48:68, 2] = -0.014 + 26 * p[48:68, 0] ** 2
    p.flags.writeable = False
    return p


@cache
def unit_displacements() -> np.ndarray:
    """Displacement of the points by intensity 1 of each action unit: (18, 68, 3) metres."""
    d = np.zeros((len(AU_NAMES), LANDMARK_POINTS, 3))

    def move(
        name: str, points: tuple[int, ...] | range, x: float, y: float, z: float = 0.0
    ) -> None:
        d[AU[name], list(points)] += (x, y, z)

    for side, brow in ((-1, _LEFT_BROW), (1, _RIGHT_BROW)):
        for place, point in enumerate(brow):  # 0: outer end
            inner = place / 4
            move('AU01', (point,), 0, -0.0022 * inner**1.5)
            move('AU02', (point,), 0, -0.002 * (1 - inner) ** 0.7)
            move('AU04', (point,), -side * 0.001 * inner, 0.0011 + 0.0008 * inner)
    for side, corner in ((-1, _LEFT_CORNER), (1, _RIGHT_CORNER)):
        for name, out, down, back in (
            ('AU12', 0.0019, -0.0017, 0.0009), ('AU14', 0.0006, -0.0002, 0.0008),
            ('AU15', 0.0002, 0.0016, 0.0), ('AU20', 0.0015, 0.0002, 0.0006),
            ('AU23', -0.0012, 0.0, -0.0004),
        ):  # fmt: skip
            move(name, corner, side * out, down, back)
            near = (49, 59) if side < 0 else (53, 55)
            move(name, near, 0.6 * side * out, 0.4 * down, 0.4 * back)
    move('AU05', _UPPER_LIDS, 0, -0.0007)
    move('AU06', _LOWER_LIDS, 0, -0.0007)
    move('AU07', _UPPER_LIDS, 0, 0.0004)
    move('AU07', _LOWER_LIDS, 0, -0.0004)
    move('AU09', range(31, 36), 0, -0.0009)
    move('AU10', (*_UPPER_LIP, *_UPPER_INNER), 0, -0.0009)
    move('AU17', (*_LOWER_LIP, *_LOWER_INNER, *range(6, 11)), 0, -0.0009)
    move('AU23', _UPPER_LIP, 0, 0.0004)
    move('AU23', _LOWER_LIP, 0, -0.0004)
    move('AU25', (*_UPPER_LIP, *_UPPER_INNER), 0, -0.0004)
    move('AU25', (*_LOWER_LIP, *_LOWER_INNER), 0, 0.0016)
    move('AU26', (*_LOWER_LIP, *_LOWER_INNER), 0, 0.0024)
    for point in range(3, 14):
        move('AU26', (point,), 0, 0.0026 * np.cos((point - 8) * np.pi / 12) ** 2)
    move('AU45', _UPPER_LIDS, 0, 0.0031)
    move('AU28', _UPPER_LIP, 0, 0.003)
    move('AU28', _LOWER_LIP, 0, -0.004)
    d.flags.writeable = False
    return d


def deform(shape: FaceShape, au: np.ndarray) -> np.ndarray:
    """Apply action units (T, 18): (T, 68, 3) metres; lids and lips touch but do not cross."""
    p = shape.points + np.tensordot(au, unit_displacements(), axes=1)
    for upper, lower in ((_UPPER_LIDS, _LOWER_LIDS), (_UPPER_INNER, _LOWER_INNER)):
        above, below = list(upper), list(lower)
        p[:, above, 1] = np.minimum(p[:, above, 1], p[:, below, 1] - _LID_GAP)
    return p


def rotation(angles: np.ndarray) -> np.ndarray:
    """Rotation matrices (T, 3, 3) of Rx, Ry, Rz (T, 3) in OpenFace's order: Rx Ry Rz."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles).T, np.cos(angles).T
    rows = (
        (cy * cz, -cy * sz, sy),
        (cx * sz + cz * sx * sy, cx * cz - sx * sy * sz, -cy * sx),
        (sx * sz - cx * cz * sy, cz * sx + cx * sy * sz, cx * cy),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def project(
    points: np.ndarray, angles: np.ndarray, position: np.ndarray, width: int, height: int
) -> np.ndarray:
    """Project a deformed face (T, 68, 3) to (T, 136) pixels, x0..x67 then y0..y67.

    `angles` (T, 3) are Rx, Ry, Rz of the head in radians, `position` (T, 3) is its place in the
    camera's frame in metres.
    """
    turned = np.einsum('tij,tpj->tpi', rotation(angles), points - PIVOT) + PIVOT
    seen = turned + position[:, None]
    scale = FOCAL * width / seen[..., 2]
    x = scale * seen[..., 0] + width / 2
    y = scale * seen[..., 1] + height / 2
    return np.concatenate((x, y), axis=1)
