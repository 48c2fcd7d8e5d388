# SPDX-License-Identifier: Apache-2.0
"""Names the expression of a face and places it in the plane of valence and arousal.

The combinations of action units are the prototypes of Ekman and Friesen (EMFACS), restricted to
the units that OpenFace has; the places in the plane follow Russell's circumplex model (1980).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_face_gen.layout import AU

NEUTRAL = 'neutral'
_CLEAR = 3.0  # mean intensity of the units of a clear expression
_LEAST = 0.35  # below this confidence a face is neutral
# Name (a constant of hri_msgs/Expression): action units, valence, arousal.
_PROTOTYPES: dict[str, tuple[tuple[str, ...], float, float]] = {
    'happy': (('AU06', 'AU12'), 0.9, 0.4),
    'sad': (('AU01', 'AU04', 'AU15'), -0.8, -0.4),
    'surprised': (('AU01', 'AU02', 'AU05', 'AU26'), 0.2, 0.8),
    'scared': (('AU01', 'AU02', 'AU04', 'AU05', 'AU20', 'AU26'), -0.6, 0.8),
    'angry': (('AU04', 'AU05', 'AU07', 'AU23'), -0.7, 0.6),
    'disgusted': (('AU09', 'AU10', 'AU17'), -0.7, 0.3),
}
_NAMES = tuple(_PROTOTYPES)
_WEIGHTS = np.zeros((len(_NAMES), len(AU)))
for _row, (_units, _, _) in enumerate(_PROTOTYPES.values()):
    _WEIGHTS[_row, [AU[unit] for unit in _units]] = 1.0 / len(_units)
# Units of another expression count a little against it: fear is surprise with two units more.
_WEIGHTS[(_WEIGHTS == 0.0) & _WEIGHTS.any(axis=0)] = -0.1
_PLACES = np.array([[valence, arousal] for _, valence, arousal in _PROTOTYPES.values()])


@dataclass(frozen=True)
class Expression:
    """An expression; `valence` and `arousal` are -1..1, `confidence` is 0..1."""

    name: str
    valence: float
    arousal: float
    confidence: float


def classify(action_units: np.ndarray) -> Expression:
    """The expression of a face, from its action units (18,), OpenFace intensities."""
    scores = np.clip(_WEIGHTS @ action_units / _CLEAR, 0.0, 1.0)
    best = int(scores.argmax())
    confidence = float(scores[best])
    if confidence < _LEAST:
        name, confidence = NEUTRAL, 1.0 - confidence
    else:
        name = _NAMES[best]
    valence, arousal = scores[best] * _PLACES[best]
    return Expression(name, float(valence), float(arousal), confidence)
