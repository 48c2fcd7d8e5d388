# SPDX-License-Identifier: Apache-2.0
"""Checks of the arrays that metrics get, and plain metrics: errors, motion, correlation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

# Channels that are warped together, and the weight of their distance (default 1/size).
Group = slice | tuple[slice, float]


def finite(name: str, value: ArrayLike, dimensions: int | None) -> np.ndarray:
    """Convert to float64 and check dimensions, size and values.

    Raises:
        ValueError: wrong dimensions, an empty array, NaN or infinity; names array and position.
    """
    array = np.asarray(value, dtype=np.float64)
    if dimensions is not None and array.ndim != dimensions:
        raise ValueError(f'{name}: expected {dimensions} dimensions, got shape {array.shape}')
    if array.size == 0:
        raise ValueError(f'{name}: is empty, shape {array.shape}')
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f'{name}: not finite at {place}: {array[place]}')
    return array


def predictions_and_real(
    P: ArrayLike, Y: ArrayLike, real_name: str = 'Y'
) -> tuple[np.ndarray, np.ndarray]:
    """Check P (N, M, T, F) and Y (N, T, F), also against each other."""
    P = finite('P', P, 4)
    Y = finite(real_name, Y, 3)
    expected = (P.shape[0], P.shape[2], P.shape[3])
    if Y.shape != expected:
        raise ValueError(f'{real_name}: expected {expected} to fit P {P.shape}, got {Y.shape}')
    return P, Y


def appropriate(A: ArrayLike, clips: int) -> list[np.ndarray]:
    """Indices of the appropriate listeners of each speaker, from A (N, N) of 0 and 1."""
    A = finite('A', A, 2)
    if A.shape != (clips, clips):
        raise ValueError(f'A: expected ({clips}, {clips}) to fit P, got {A.shape}')
    if not np.isin(A, (0, 1)).all():
        raise ValueError(f'A: expected 0 and 1, found {A[~np.isin(A, (0, 1))][0]}')
    listeners = [np.flatnonzero(row) for row in A]
    for k, row in enumerate(listeners):
        if not len(row):
            raise ValueError(f'A: row {k} has no appropriate listener')
    return listeners


def resolve_groups(
    groups: Sequence[Group], width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Convert groups of channels to starts, stops (int64) and weights (float64)."""
    starts, stops, weights = [], [], []
    for position, group in enumerate(groups):
        channels, weight = group if isinstance(group, tuple) else (group, None)
        name = f'groups[{position}]'
        if not isinstance(channels, slice) or channels.step not in (None, 1):
            raise ValueError(f'{name}: expected a slice without a step, got {channels!r}')
        start = 0 if channels.start is None else channels.start
        stop = width if channels.stop is None else channels.stop
        if not 0 <= start < stop <= width:
            raise ValueError(f'{name}: {channels} contains no channel of 0..{width - 1}')
        if weight is not None and not (np.isfinite(weight) and weight > 0):
            raise ValueError(f'{name}: expected a weight above 0, got {weight!r}')
        starts.append(start)
        stops.append(stop)
        weights.append(1 / (stop - start) if weight is None else float(weight))
    if not starts:
        raise ValueError('groups: is empty')
    return np.array(starts), np.array(stops), np.array(weights)


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
    """Mean |x[t] - x[t-1]|, a measure of speed. x is (..., T, F), T >= 2."""
    return _mean_difference(x, 1)


def acceleration(x: ArrayLike) -> float:
    """Mean |x[t] - 2 x[t-1] + x[t-2]|, a measure of jitter. x is (..., T, F), T >= 3."""
    return _mean_difference(x, 2)


def _mean_difference(x: ArrayLike, order: int) -> float:
    x = finite('x', x, None)
    if x.ndim < 2 or x.shape[-2] <= order:
        raise ValueError(f'x: expected (..., T > {order}, F), got shape {x.shape}')
    return float(np.abs(np.diff(x, n=order, axis=-2)).mean())


def pearson(P: ArrayLike, Y: ArrayLike) -> float:
    """Mean over clips, samples and channels of Pearson's r over time.

    Pairs in which one side is constant have no correlation and are left out.

    Args:
        P: (N, M, T, F).
        Y: (N, T, F).

    Returns:
        float: -1..1; NaN if everything is constant.
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
    """Mean Euclidean distance between the frames of two different samples.

    Args:
        P: (N, M, T, F).

    Returns:
        float: in units of F; 0 if M is 1.
    """
    P = finite('P', P, 4)
    samples = P.shape[1]
    if samples == 1:
        return 0.0
    pairs = [(i, j) for i in range(samples) for j in range(i)]
    return float(np.mean([np.linalg.norm(P[:, i] - P[:, j], axis=-1).mean() for i, j in pairs]))
