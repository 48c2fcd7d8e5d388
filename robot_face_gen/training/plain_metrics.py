# SPDX-License-Identifier: Apache-2.0
"""Plain errors and measures of motion, beside the set metrics."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .metric_inputs import finite, predictions_and_real


def _error(P: ArrayLike, Y: ArrayLike) -> np.ndarray:
    P, Y = predictions_and_real(P, Y)
    return P - Y[:, None]


def mse(P: ArrayLike, Y: ArrayLike) -> float:
    """Mean squared error of P (N, M, T, F) against Y (N, T, F)."""
    return float(np.square(_error(P, Y)).mean())


def mae(P: ArrayLike, Y: ArrayLike) -> float:
    """Mean absolute error of P (N, M, T, F) against Y (N, T, F)."""
    return float(np.abs(_error(P, Y)).mean())


def rmse(P: ArrayLike, Y: ArrayLike) -> float:
    """Root of the mean squared error of P (N, M, T, F) against Y (N, T, F)."""
    return float(np.sqrt(mse(P, Y)))


def frame_difference(x: ArrayLike) -> float:
    """Mean |x[t] - x[t-1]|: how much happens from frame to frame. x is (..., T, F), T >= 2."""
    return _mean_difference(x, 1)


def acceleration(x: ArrayLike) -> float:
    """Mean |x[t] - 2 x[t-1] + x[t-2]|: how jerky a motion is. x is (..., T, F), T >= 3."""
    return _mean_difference(x, 2)


def _mean_difference(x: ArrayLike, order: int) -> float:
    x = finite('x', x, None)
    if x.ndim < 2 or x.shape[-2] <= order:
        raise ValueError(f'x: expected (..., T > {order}, F), got shape {x.shape}')
    return float(np.abs(np.diff(x, n=order, axis=-2)).mean())


def pearson(P: ArrayLike, Y: ArrayLike) -> float:
    """Mean over clips, samples and channels of Pearson's r over time.

    Pairs in which either side stands still have no r and are left out.

    Args:
        P: (N, M, T, F).
        Y: (N, T, F).

    Returns:
        float: -1..1; NaN where nothing moves at all.
    """
    P, Y = predictions_and_real(P, Y)
    moves = (np.ptp(P, axis=2) > 0) & (np.ptp(Y, axis=1) > 0)[:, None]
    if not moves.any():
        return float('nan')
    p = P - P.mean(axis=2, keepdims=True)
    y = Y - Y.mean(axis=1, keepdims=True)
    covariance = np.einsum('kmtf,ktf->kmf', p, y)
    norm = np.linalg.norm(p, axis=2) * np.linalg.norm(y, axis=1)[:, None]
    return float((covariance[moves] / norm[moves]).mean())


def sample_distance(P: ArrayLike) -> float:
    """The mean Euclidean distance between two samples' frames, over pairs of different samples.

    Args:
        P: (N, M, T, F).

    Returns:
        float: in units of F; 0 where M is 1.
    """
    P = finite('P', P, 4)
    samples = P.shape[1]
    if samples == 1:
        return 0.0
    pairs = [(i, j) for i in range(samples) for j in range(i)]
    return float(np.mean([np.linalg.norm(P[:, i] - P[:, j], axis=-1).mean() for i, j in pairs]))
