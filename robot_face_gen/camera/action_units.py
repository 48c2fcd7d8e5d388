# SPDX-License-Identifier: Apache-2.0
"""From blendshapes and a few distances on the face to OpenFace's action units.

Each unit is a weighted sum, made by hand; docs/camera.md says how far to trust each. OpenFace
reports a unit relative to the person's own neutral face, and so does this: what the person shows
most of the time is subtracted.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from robot_face_gen.layout import AU, AU_COLUMNS, AU_NAMES

from .networks import BLENDSHAPES

_HIGHEST = 5.0
_WINDOW_S = 60.0  # of the past that makes up the neutral face
_STEP_S = 0.2  # one face of each interval is remembered
# Unit: weights of blendshapes and of distances in millimetres, quantile of the neutral face, and
# gain to OpenFace's scale. 'mouthSmile' stands for the mean of mouthSmileLeft and mouthSmileRight.
# Units that are not here (AU06, AU09, AU14, AU20) cannot be told from a mesh: they stay NaN.
_MAP: dict[str, tuple[dict[str, float], float, float]] = {
    'AU01': ({'browInnerUp': 1.0, 'inner_brow': 0.05}, 0.4, 4.0),
    'AU02': ({'browOuterUp': 1.0, 'browInnerUp': 1.0}, 0.4, 3.8),
    'AU04': ({'browDown': 1.0, 'brows_apart': -0.1}, 0.4, 5.0),
    'AU05': ({'eyeWide': 1.0}, 0.5, 30.0),
    'AU07': ({'eyeSquint': 1.0, 'lower_lid': -0.1}, 0.4, 4.0),
    'AU10': ({'mouthUpperUp': 1.0, 'mouthLowerDown': 0.5}, 0.3, 3.0),
    'AU12': ({'mouthSmile': 1.0, 'mouth_corner': 0.05}, 0.3, 2.0),
    'AU15': ({'mouthFrown': 1.0, 'mouthShrugLower': 0.3, 'mouth_corner': -0.03}, 0.4, 4.0),
    'AU17': ({'mouthShrugLower': 1.0, 'lower_lip': -0.05}, 0.4, 2.3),
    'AU23': ({'mouthPress': 1.0, 'mouthRollLower': 0.25, 'mouthRollUpper': 0.25}, 0.5, 4.0),
    'AU25': ({'mouthLowerDown': 1.0, 'mouthUpperUp': 1.0, 'jawOpen': 1.0}, 0.2, 2.6),
    'AU26': ({'jawOpen': 1.0}, 0.3, 3.0),
    'AU45': ({'eyeBlink': 1.0}, 0.5, 4.0),
}
_UNITS = tuple(_MAP)
# Columns of an OpenFace CSV that have no value.
NEVER_SEEN = tuple(name for name in AU_COLUMNS if name[:4] not in (*_MAP, 'AU28'))
_SUCKED_LIPS = 0.5  # AU28: both lips rolled in at least so far
_ROLLS = [BLENDSHAPES.index(name) for name in ('mouthRollLower', 'mouthRollUpper')]


def distances(mesh: np.ndarray, rotation: np.ndarray, millimetres_per_pixel: float) -> np.ndarray:
    """Distances on the face in millimetres, in the order of DISTANCES, whatever way it is turned.

    From a mesh (478, 3) in pixels and the rotation (3, 3) of the head; the millimetres of a pixel
    are those at the distance of the head.
    """
    face = mesh @ rotation * millimetres_per_pixel  # in the head's axes
    y = face[:, 1]
    eyes = y[[33, 133, 362, 263]].mean()
    corners = y[[61, 291]].mean()
    apart = face[[107, 55], 0].mean() - face[[336, 285], 0].mean()
    return np.array(
        [
            eyes - y[[107, 336, 55, 285]].mean(),
            abs(apart),
            y[[145, 374]].mean() - eyes,
            y[2] - corners,
            y[17] - corners,
        ]
    )


DISTANCES = ('inner_brow', 'brows_apart', 'lower_lid', 'mouth_corner', 'lower_lip')


def _weights() -> np.ndarray:
    """(units, blendshapes and distances) of the map."""
    names = (*BLENDSHAPES, *DISTANCES)
    weights = np.zeros((len(_UNITS), len(names)))
    for row, (parts, _, _) in zip(weights, _MAP.values(), strict=True):
        for part, weight in parts.items():
            columns = [names.index(n) for n in (part, f'{part}Left', f'{part}Right') if n in names]
            row[columns] = weight / len(columns)
    return weights


_WEIGHTS = _weights()
_QUANTILES = np.array([quantile for _, quantile, _ in _MAP.values()])
_GAINS = np.array([gain for _, _, gain in _MAP.values()])
_PLACES = np.array([AU[name] for name in _UNITS])


class ActionUnits:
    """Action units of one person, relative to the running neutral face."""

    def __init__(self) -> None:
        self._past: deque[np.ndarray] = deque(maxlen=round(_WINDOW_S / _STEP_S))
        self._next_s = -np.inf
        self._neutral = np.zeros(len(_UNITS))

    def reset(self) -> None:
        """Another person: forget the neutral face."""
        self._past.clear()
        self._next_s = -np.inf

    def __call__(self, blendshapes: np.ndarray, measured: np.ndarray, time_s: float) -> np.ndarray:
        """(18,) float32 in the order of `layout.AU_NAMES`; NaN for units that are not known.

        From blendshapes (52,) and `distances`; the time increases from call to call.
        """
        raw = _WEIGHTS @ np.concatenate((blendshapes, measured))
        if time_s >= self._next_s or time_s < self._next_s - 2 * _STEP_S:
            self._past.append(raw)
            self._next_s = time_s + _STEP_S
            self._neutral = _quantiles(np.array(self._past))
        units = np.full(len(AU_NAMES), np.nan, np.float32)
        units[_PLACES] = (_GAINS * (raw - self._neutral)).clip(0.0, _HIGHEST)
        units[AU['AU28']] = float(blendshapes[_ROLLS].min() > _SUCKED_LIPS)
        return units


def _quantiles(past: np.ndarray) -> np.ndarray:
    """(units,) the quantile of each unit's past (n, units)."""
    ranked = np.sort(past, axis=0)
    places = np.rint(_QUANTILES * (len(past) - 1)).astype(int)
    return ranked[places, np.arange(len(_UNITS))]
