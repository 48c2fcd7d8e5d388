# SPDX-License-Identifier: Apache-2.0
"""When the reaction comes: time-lagged cross correlation between speaker and listener."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_face_gen.extras import require

numba = require('numba', 'training')

# 2 s at 25 frames a second, as the REACT challenge has it: lags -49 .. 49.
MAX_LAG = 49


@dataclass(frozen=True)
class Synchrony:
    """Where each prediction follows its speaker best.

    Attributes:
        lags: (N, M) float64, frames; above 0 the listener comes after the speaker. NaN where
            no channel moves.
        left_out: how many channels were left out because they do not move, counted over all
            predictions (at most N * M * F).
        channels: how many channels there were (N * M * F).
    """

    lags: np.ndarray
    left_out: int
    channels: int

    @property
    def mean_abs_lag(self) -> float:
        """The mean of |lag| in frames over all predictions that have one; NaN if none has."""
        defined = self.lags[np.isfinite(self.lags)]
        return float(np.abs(defined).mean()) if defined.size else float('nan')


@numba.njit(cache=True, nogil=True, error_model='numpy')
def _moves(x: np.ndarray, max_lag: int) -> bool:
    """Whether x changes within each stretch that a lag leaves over."""
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
    # Each root by itself: the product of two small variances could vanish.
    return min(1.0, max(-1.0, ab / np.sqrt(aa) / np.sqrt(bb)))


@numba.njit(cache=True, nogil=True, error_model='numpy')
def _peak(p: np.ndarray, x: np.ndarray, max_lag: int) -> tuple[float, int]:
    """Lag with the highest channel-mean correlation, and the number of channels left out."""
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

    The correlation of a lag is the mean over channels of Pearson's r between the prediction
    moved back by the lag and the speaker, over the frames that both have. A channel that stands
    still (in the prediction or in the speaker, over any such stretch) has no correlation: it is
    left out, and counted.

    Args:
        P: (N, M, T, F) float64, predictions.
        X: (N, T, F) float64, speakers.
        max_lag: the largest lag in frames.

    Returns:
        Synchrony: lags per prediction, and how many channels were left out.
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
