# SPDX-License-Identifier: Apache-2.0
"""The part of a listener's face that follows the speaker's face, as a linear map.

A listener mirrors most smiles of a speaker: the network learns them as a function of the speaker.
Only what the map does not explain is an event whose time is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from robot_face_gen.layout import BRANCH_SLICES

from .events import smoothed
from .listener_motion import Separated, separate
from .reactions import seen

_LAGS = (0, 4, 8, 12, 16, 20, 24, 30)  # frames, up to 1.2 s
_SEEN = slice(BRANCH_SLICES['au'].start, BRANCH_SLICES['gaze'].stop)
_RIDGE = 1e-2


class Mirrored:
    """Ridge regression from AUs, pose and gaze of the last 1.2 s to the listener's face.

    Args:
        pairs: face of a speaker and of a listener, (T, 160) each, NaN where a value was not seen.
    """

    def __init__(self, pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        products, targets = 0.0, 0.0
        frames = 0
        for speaker, listener in pairs:
            x, y = _lagged(speaker), _centred(listener)
            products, targets = products + x.T @ x, targets + x.T @ y
            frames += len(x)
        self.weights: np.ndarray | None = None
        if frames:
            scale = np.diagonal(products) + 1e-6 * frames
            self.weights = np.linalg.solve(products + np.diag(_RIDGE * scale), targets)

    def __call__(self, speaker: np.ndarray) -> np.ndarray:
        """What is explained of a listener (T, 160), up to a constant."""
        if self.weights is None:
            return np.zeros(speaker.shape)
        return _lagged(speaker) @ self.weights


def separate_clip(item: dict[str, Any], mirrored: Mirrored | None = None) -> Separated:
    """Take the listener of an item of `ClipDataset` apart; mirrored expressions are no events."""
    explained = None if mirrored is None else mirrored(seen(item['speaker']))
    return separate(seen(item['listener']), explained)


def _centred(x: np.ndarray) -> np.ndarray:
    """Without the mean of the clip; 0 where a value was not seen."""
    known = np.isfinite(x)
    mean = np.where(known, x, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, x - mean, 0.0)


def _lagged(speaker: np.ndarray) -> np.ndarray:
    x = smoothed(_centred(np.asarray(speaker, np.float64)[:, _SEEN]), 2)
    at = np.arange(len(x))
    return np.concatenate([x[np.maximum(at - lag, 0)] for lag in _LAGS], axis=1)
