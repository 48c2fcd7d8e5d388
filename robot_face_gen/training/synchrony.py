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
def _pearson_seen(a: np.ndarray, b: np.ndarray) -> float:
    """Of the frames without NaN; NaN if one is constant, or these are less than half of all."""
    n, sum_a, sum_b, last = 0, 0.0, 0.0, 0
    a_moves, b_moves = False, False
    for t in range(len(a)):
        if np.isnan(a[t]) or np.isnan(b[t]):
            continue
        if n:
            a_moves |= a[t] != a[last]
            b_moves |= b[t] != b[last]
        n, sum_a, sum_b, last = n + 1, sum_a + a[t], sum_b + b[t], t
    if 2 * n < len(a) or not (a_moves and b_moves):
        return np.nan
    aa, bb, ab = 0.0, 0.0, 0.0
    for t in range(len(a)):
        if np.isnan(a[t]) or np.isnan(b[t]):
            continue
        da, db = a[t] - sum_a / n, b[t] - sum_b / n
        aa += da * da
        bb += db * db
        ab += da * db
    return min(1.0, max(-1.0, ab / np.sqrt(aa) / np.sqrt(bb)))


@numba.njit(cache=True, nogil=True, error_model='numpy')
def _peak(p: np.ndarray, x: np.ndarray, max_lag: int) -> tuple[float, int]:
    """Lag of the highest mean correlation over channels, and the number of channels left out."""
    width, frames = p.shape
    total, one = np.zeros(2 * max_lag + 1), np.zeros(2 * max_lag + 1)
    used = 0
    for f in range(width):
        gaps = np.isnan(p[f]).any() or np.isnan(x[f]).any()
        if not gaps and not (_moves(p[f], max_lag) and _moves(x[f], max_lag)):
            continue
        for lag in range(-max_lag, max_lag + 1):
            a = p[f, lag:] if lag >= 0 else p[f, : frames + lag]
            b = x[f, : frames - lag] if lag >= 0 else x[f, -lag:]
            one[lag + max_lag] = _pearson_seen(a, b) if gaps else _pearson(a, b)
        if not np.isnan(one).any():
            used += 1
            total += one
    lag_at_peak = float(np.argmax(total) - max_lag) if used else np.nan
    return lag_at_peak, width - used


def lagged_synchrony(P: np.ndarray, X: np.ndarray, max_lag: int = MAX_LAG) -> Synchrony:
    """The lag at which each prediction correlates best with its speaker.

    The correlation at a lag is the mean over channels of Pearson's r between the prediction,
    shifted back by the lag, and the speaker, over their common frames. A channel that is constant
    in the prediction or the speaker at any lag is left out and counted; so is one that was not
    seen of both in half of the frames of any lag.

    Args:
        P: (N, M, T, F) float64, predictions; NaN is a value that was not seen.
        X: (N, T, F) float64, speakers, as P.
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
