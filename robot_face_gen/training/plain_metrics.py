# SPDX-License-Identifier: Apache-2.0
"""Checks of the arrays that metrics get, and plain metrics: errors, motion, correlation.

With `partial`, NaN is a value that was not seen, and the metric is over the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

# Channels that are warped together, and the weight of their distance (default 1/size).
Group = slice | tuple[slice, float]


def finite(
    name: str, value: ArrayLike, dimensions: int | None, partial: bool = False
) -> np.ndarray:
    """Convert to float64 and check dimensions, size and values.

    Raises:
        ValueError: wrong dimensions, an empty array, infinity, or NaN where `partial` is false;
            names array and position.
    """
    array = np.asarray(value, dtype=np.float64)
    if dimensions is not None and array.ndim != dimensions:
        raise ValueError(f'{name}: expected {dimensions} dimensions, got shape {array.shape}')
    if array.size == 0:
        raise ValueError(f'{name}: is empty, shape {array.shape}')
    bad = np.isinf(array) if partial else ~np.isfinite(array)
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f'{name}: not finite at {place}: {array[place]}')
    return array


def predictions_and_real(
    P: ArrayLike, Y: ArrayLike, real_name: str = 'Y', partial: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Check P (N, M, T, F) and Y (N, T, F), also against each other."""
    P = finite('P', P, 4, partial)
    Y = finite(real_name, Y, 3, partial)
    expected = (P.shape[0], P.shape[2], P.shape[3])
    if Y.shape != expected:
        raise ValueError(f'{real_name}: expected {expected} to fit P {P.shape}, got {Y.shape}')
    return P, Y


def seen_mean(x: np.ndarray, axis: int | tuple[int, ...] | None = None) -> Any:
    """Mean of the values that are not NaN; NaN where there are none."""
    seen = ~np.isnan(x)
    with np.errstate(invalid='ignore'):  # 0 / 0
        return np.where(seen, x, 0.0).sum(axis=axis) / np.float64(seen.sum(axis=axis))


def seen_std(x: np.ndarray, axis: int | tuple[int, ...]) -> Any:
    """Standard deviation of the values that are not NaN; NaN where there are none."""
    mean = seen_mean(x, axis)
    return np.sqrt(seen_mean(np.square(x - np.expand_dims(mean, axis)), axis))


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


def _error(P: ArrayLike, Y: ArrayLike, partial: bool) -> np.ndarray:
    P, Y = predictions_and_real(P, Y, partial=partial)
    return P - Y[:, None]


def mse(P: ArrayLike, Y: ArrayLike, *, partial: bool = False) -> float:
    """Mean squared error of P (N, M, T, F) against Y (N, T, F)."""
    return float(seen_mean(np.square(_error(P, Y, partial))))


def mae(P: ArrayLike, Y: ArrayLike, *, partial: bool = False) -> float:
    """Mean absolute error of P (N, M, T, F) against Y (N, T, F)."""
    return float(seen_mean(np.abs(_error(P, Y, partial))))


def rmse(P: ArrayLike, Y: ArrayLike, *, partial: bool = False) -> float:
    """Root of the mean squared error of P (N, M, T, F) against Y (N, T, F)."""
    return float(np.sqrt(mse(P, Y, partial=partial)))


def frame_difference(x: ArrayLike, *, partial: bool = False) -> float:
    """Mean |x[t] - x[t-1]|, a measure of speed. x is (..., T, F), T >= 2."""
    return _mean_difference(x, 1, partial)


def acceleration(x: ArrayLike, *, partial: bool = False) -> float:
    """Mean |x[t] - 2 x[t-1] + x[t-2]|, a measure of jitter. x is (..., T, F), T >= 3."""
    return _mean_difference(x, 2, partial)


def _mean_difference(x: ArrayLike, order: int, partial: bool) -> float:
    x = finite('x', x, None, partial)
    if x.ndim < 2 or x.shape[-2] <= order:
        raise ValueError(f'x: expected (..., T > {order}, F), got shape {x.shape}')
    return float(seen_mean(np.abs(np.diff(x, n=order, axis=-2))))


def pearson(P: ArrayLike, Y: ArrayLike, *, partial: bool = False) -> float:
    """Mean over clips, samples and channels of Pearson's r over time.

    Pairs in which one side is constant have no correlation and are left out.

    Args:
        P: (N, M, T, F).
        Y: (N, T, F).
        partial: NaN is a value that was not seen; frames in which both sides were seen count.

    Returns:
        float: -1..1; NaN if everything is constant.
    """
    P, Y = predictions_and_real(P, Y, partial=partial)
    found = []
    for p, y in zip(P, Y, strict=True):
        p, y = p + 0 * y, y + 0 * p  # NaN in both where it is in one
        moves = np.ones(p.shape[::2], bool)
        for x in (p, y):
            moves &= np.fmax.reduce(x, axis=1) > np.fmin.reduce(x, axis=1)
        p, y = (np.nan_to_num(x - seen_mean(x, 1)[:, None]) for x in (p, y))
        covariance = np.einsum('mtf,mtf->mf', p, y)
        norm = np.linalg.norm(p, axis=1) * np.linalg.norm(y, axis=1)
        found.append(covariance[moves] / norm[moves])
    return float(seen_mean(np.concatenate(found)))


def sample_distance(P: ArrayLike, *, partial: bool = False) -> float:
    """Mean Euclidean distance between the frames of two different samples.

    Args:
        P: (N, M, T, F).
        partial: NaN is a value that was not seen; it has the mean distance of the frame's others.

    Returns:
        float: in units of F; 0 if M is 1.
    """
    P = finite('P', P, 4, partial)
    samples, width = P.shape[1], P.shape[3]
    if samples == 1:
        return 0.0
    means = [
        seen_mean(np.sqrt(width * seen_mean(np.square(P[:, i] - P[:, j]), -1)))
        for i in range(samples)
        for j in range(i)
    ]
    return float(seen_mean(np.array(means)))
