# SPDX-License-Identifier: Apache-2.0
"""Time-lagged cross-correlation between speaker and listener."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_face_gen.extras import require

numba = require('numba', 'training')

# 2 s at 25 frames per second, as in the REACT challenge: lags -49 .. 49.
MAX_LAG = 49


@dataclass(frozen=True)
class Synchrony:
    """The lag of the highest correlation of each prediction with its speaker.

    Attributes:
        lags: (N, M) float64, frames; positive if the listener is later than the speaker; NaN if
            all channels are constant.
        left_out: number of constant channels over all predictions, which were left out.
        channels: number of all channels (N * M * F).
    """

    lags: np.ndarray
    left_out: int
    channels: int

    @property
    def mean_abs_lag(self) -> float:
        """Mean |lag| in frames over all predictions that have a lag; NaN if none has."""
        defined = self.lags[np.isfinite(self.lags)]
        return float(np.abs(defined).mean()) if defined.size else float('nan')


@numba.njit(cache=True, nogil=True, error_model='numpy')
def _moves(x: np.ndarray, max_lag: int) -> bool:
    """Whether x is not constant in any of the parts that the lags select."""
    frames = len(x)
    first, last = frames, -1
    for t in range(frames - 1):
        if x[t + 1] != x[t]:
            if first == frames:
                first = t
            last = t
    return last >= max_lag and first < frames - max_lag - 1


@numba.njit(cache=True, nogil=True, error_model='numpy', fastmath={'reassoc', 'contract'})
def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    n = len(a)
    mean_a, mean_b = a.sum() / n, b.sum() / n
    aa, bb, ab = 0.0, 0.0, 0.0
    for t in range(n):
        da, db = a[t] - mean_a, b[t] - mean_b
        aa += da * da
        bb += db * db
        ab += da * db
    # Two roots: the product of two small variances could underflow.
    return min(1.0, max(-1.0, ab / np.sqrt(aa) / np.sqrt(bb)))


@numba.njit(cache=True, nogil=True, error_model='numpy')
def _peak(p: np.ndarray, x: np.ndarray, max_lag: int) -> tuple[float, int]:
    """Lag of the highest mean correlation over channels, and the number of channels left out."""
    width, frames = p.shape
    total = np.zeros(2 * max_lag + 1)
    used = 0
    for f in range(width):
        if not (_moves(p[f], max_lag) and _moves(x[f], max_lag)):
            continue
        used += 1
        for lag in range(-max_lag, max_lag + 1):
            if lag >= 0:
                r = _pearson(p[f, lag:], x[f, : frames - lag])
            else:
                r = _pearson(p[f, : frames + lag], x[f, -lag:])
            total[lag + max_lag] += r
    lag_at_peak = float(np.argmax(total) - max_lag) if used else np.nan
    return lag_at_peak, width - used


def lagged_synchrony(P: np.ndarray, X: np.ndarray, max_lag: int = MAX_LAG) -> Synchrony:
    """The lag at which each prediction correlates best with its speaker.

    The correlation at a lag is the mean over channels of Pearson's r between the prediction,
    shifted back by the lag, and the speaker, over their common frames. A channel that is constant
    in the prediction or the speaker at any lag is left out and counted.

    Args:
        P: (N, M, T, F) float64, predictions.
        X: (N, T, F) float64, speakers.
        max_lag: largest lag in frames.

    Returns:
        Synchrony: lag of each prediction, and the number of channels left out.
    """
    clips, samples, _, width = P.shape
    lags = np.empty((clips, samples))
    left_out = 0
    for k in range(clips):
        speaker = np.ascontiguousarray(X[k].T)
        for i in range(samples):
            prediction = np.ascontiguousarray(P[k, i].T)
            lags[k, i], still = _peak(prediction, speaker, max_lag)
            left_out += still
    return Synchrony(lags, left_out, clips * samples * width)
