# SPDX-License-Identifier: Apache-2.0
"""Checks of what goes into the metrics: a wrong array is refused by its name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

# Channels that are warped together, and what their distance counts (1/size where not said).
Group = slice | tuple[slice, float]


def finite(name: str, value: ArrayLike, dimensions: int | None) -> np.ndarray:
    """The array as float64, if it has that many dimensions, no empty one, and no NaN.

    Raises:
        ValueError: that names the array, and the place of the first bad value.
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
    """P (N, M, T, F) and Y (N, T, F), checked by themselves and against each other."""
    P = finite('P', P, 4)
    Y = finite(real_name, Y, 3)
    expected = (P.shape[0], P.shape[2], P.shape[3])
    if Y.shape != expected:
        raise ValueError(f'{real_name}: expected {expected} to fit P {P.shape}, got {Y.shape}')
    return P, Y


def appropriate(A: ArrayLike, clips: int) -> list[np.ndarray]:
    """For each speaker the indices of his appropriate listeners, from A (N, N) of 0 and 1."""
    A = finite('A', A, 2)
    if A.shape != (clips, clips):
        raise ValueError(f'A: expected ({clips}, {clips}) to fit P, got {A.shape}')
    if not np.isin(A, (0, 1)).all():
        raise ValueError(f'A: expected 0 and 1 alone, found {A[~np.isin(A, (0, 1))][0]}')
    listeners = [np.flatnonzero(row) for row in A]
    for k, row in enumerate(listeners):
        if not len(row):
            raise ValueError(f'A: row {k} lists no appropriate listener')
    return listeners


def resolve_groups(
    groups: Sequence[Group], width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Starts, stops (int64) and weights (float64) of groups of channels."""
    starts, stops, weights = [], [], []
    for position, group in enumerate(groups):
        channels, weight = group if isinstance(group, tuple) else (group, None)
        name = f'groups[{position}]'
        if not isinstance(channels, slice) or channels.step not in (None, 1):
            raise ValueError(f'{name}: expected a slice without a step, got {channels!r}')
        start = 0 if channels.start is None else channels.start
        stop = width if channels.stop is None else channels.stop
        if not 0 <= start < stop <= width:
            raise ValueError(f'{name}: {channels} holds no channels of 0..{width - 1}')
        if weight is not None and not (np.isfinite(weight) and weight > 0):
            raise ValueError(f'{name}: expected a weight above 0, got {weight!r}')
        starts.append(start)
        stops.append(stop)
        weights.append(1 / (stop - start) if weight is None else float(weight))
    if not starts:
        raise ValueError('groups: is empty')
    return np.array(starts), np.array(stops), np.array(weights)
