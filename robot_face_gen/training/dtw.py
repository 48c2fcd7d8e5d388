# SPDX-License-Identifier: Apache-2.0
"""Fast exact dynamic time warping (DTW).

The definition is that of the REACT challenge (and of tslearn): steps right, down and diagonal, no
band, squared Euclidean cost, and the square root of the least accumulated cost.

The search for the nearest of several series prunes: the diagonal is one of the allowed paths, so
the Euclidean distance is an upper bound of DTW, and cells whose accumulated cost exceeds the bound
cannot be on the best path. The result is exact.
"""

from __future__ import annotations

import numpy as np

from robot_face_gen.extras import require

numba = require('numba', 'training')

# Rounding must not prune a path whose cost equals the bound.
_SLACK = 1.0 + 1e-9


@numba.njit(cache=True, nogil=True, error_model='numpy')
def _frame_costs(frame: np.ndarray, b: np.ndarray, low: int, stop: int, cost: np.ndarray) -> None:
    """Squared distances of one frame (F,) to the columns low..stop of b (F, m), into `cost`."""
    width = len(frame)
    # Views that begin at 0: numba then omits the checks for negative indices.
    sums = cost[low:stop]
    sums[:] = 0.0
    f = 0
    # Four channels at a time: fewer loads and stores of the sums.
    while f + 4 <= width:
        v0, v1, v2, v3 = frame[f], frame[f + 1], frame[f + 2], frame[f + 3]
        b0, b1 = b[f, low:stop], b[f + 1, low:stop]
        b2, b3 = b[f + 2, low:stop], b[f + 3, low:stop]
        for j in range(len(sums)):
            d0, d1, d2, d3 = v0 - b0[j], v1 - b1[j], v2 - b2[j], v3 - b3[j]
            sums[j] += d0 * d0 + d1 * d1 + d2 * d2 + d3 * d3
        f += 4
    while f < width:
        value = frame[f]
        row = b[f, low:stop]
        for j in range(len(sums)):
            d = value - row[j]
            sums[j] += d * d
        f += 1


@numba.njit(cache=True, nogil=True, error_model='numpy')
def accumulated_cost(a: np.ndarray, b: np.ndarray, limit: float, scratch: np.ndarray) -> float:
    """The least accumulated squared distance between two series, if it is at most `limit`.

    Args:
        a: (n, F) float64, one row per frame.
        b: (F, m) float64, the other series, transposed.
        limit: largest cost of interest, in squared units; `np.inf` for no limit.
        scratch: (3, m) float64, work space; its contents do not matter.

    Returns:
        float: the cost (the square of DTW), or infinity if it exceeds `limit`.
    """
    n, width = a.shape
    m = b.shape[1]
    cost, arrive, table = scratch[0], scratch[1], scratch[2]
    low, high = 0, -1  # columns of the previous row that are within the limit
    for i in range(n):
        last = min(high + 1, m - 1)
        _frame_costs(a[i], b, low, last + 1, cost)
        # Steps from above and from the diagonal: columns are independent.
        inside = arrive[low + 1 : high + 1]
        straight, slanted = table[low + 1 : high + 1], table[low:high]
        here = cost[low + 1 : high + 1]
        for j in range(len(inside)):
            inside[j] = min(straight[j], slanted[j]) + here[j]
        if i == 0:
            arrive[0] = cost[0]
        else:
            arrive[low] = table[low] + cost[low]
            if last > high:
                arrive[last] = table[high] + cost[last]
        # Steps from the left: sequential.
        left = np.inf
        for j in range(low, last + 1):
            left += cost[j]
            left = left if left < arrive[j] else arrive[j]
            table[j] = left
        while low <= last and table[low] > limit:
            low += 1
        if low > last:
            return np.inf
        high = last
        while table[high] > limit:
            high -= 1
        # Beyond the columns of the previous row only steps to the right remain.
        while high == last and last < m - 1:
            last += 1
            for f in range(width):
                d = a[i, f] - b[f, last]
                left += d * d
            table[last] = left
            if left <= limit:
                high = last
    return table[m - 1] if high == m - 1 else np.inf


@numba.njit(cache=True, nogil=True, error_model='numpy')
def nearest_distance(
    a: np.ndarray,
    others: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    weights: np.ndarray,
) -> float:
    """Minimum over several series of a weighted sum of DTW distances of groups of channels.

    Args:
        a: (T, F) float64.
        others: (J, F, T) float64, transposed series of the same length.
        starts: (G,) int64, first channel of each group.
        stops: (G,) int64, one past the last channel.
        weights: (G,) float64, above 0.

    Returns:
        float: min over j of sum over g of weights[g] * DTW(a[:, g], others[j][g]).
    """
    count, _, frames = others.shape
    groups = len(starts)
    euclid = np.zeros((count, groups))  # squared
    bound = np.zeros(count)
    for j in range(count):
        for g in range(groups):
            total = 0.0
            for f in range(starts[g], stops[g]):
                for t in range(frames):
                    d = a[t, f] - others[j, f, t]
                    total += d * d
            euclid[j, g] = total
            bound[j] += weights[g] * np.sqrt(total)
    best = bound.min()
    scratch = np.empty((3, frames))
    for j in np.argsort(bound):
        total = 0.0
        for g in range(groups):
            spare = max(best - total, 0.0) / weights[g]
            limit = min(euclid[j, g], spare * spare) * _SLACK
            squared = accumulated_cost(
                np.ascontiguousarray(a[:, starts[g] : stops[g]]),
                others[j, starts[g] : stops[g]],
                limit,
                scratch,
            )
            total += weights[g] * np.sqrt(squared)
            if total == np.inf:
                break
        best = min(best, total)
    return best


def partial_distance(
    a: np.ndarray, b: np.ndarray, starts: np.ndarray, stops: np.ndarray, weights: np.ndarray
) -> float:
    """A weighted sum of DTW distances of two series of which not everything was seen.

    In each group the channels that both have in at least half of the frames with any value are
    compared, over the frames that have all of them. A group's squared cost is scaled by the share
    of frames and channels that were compared, and the sum by that of the groups: a series with
    gaps is as far away as a complete one.

    Args:
        a: (T, F) float64, NaN where a value was not seen.
        b: (F, T) float64, the other series, transposed.
        starts: of the groups, see `nearest_distance`.
        stops: see there.
        weights: see there.

    Returns:
        float: NaN if no group can be compared.
    """
    total, compared = 0.0, 0
    seen = ~np.isnan(a + b.T)
    for start, stop, weight in zip(starts, stops, weights, strict=True):
        known = seen[:, start:stop]
        if not known.any():
            continue
        channels = known.sum(axis=0) * 2 >= known.any(axis=1).sum()
        frames = known[:, channels].all(axis=1)
        if not channels.any() or not frames.any():
            continue
        x = np.ascontiguousarray(a[frames, start:stop][:, channels])
        y = np.ascontiguousarray(b[start:stop][channels][:, frames])
        limit = np.square(x - y.T).sum() * _SLACK
        cost = accumulated_cost(x, y, limit, np.empty((3, len(x))))
        total += weight * np.sqrt(cost * known.size / x.size)
        compared += 1
    return total * len(starts) / compared if compared else float('nan')


def dtw(a: np.ndarray, b: np.ndarray) -> float:
    """The DTW distance between two series; lengths may differ.

    Args:
        a: (n, F).
        b: (m, F).

    Returns:
        float: square root of the least accumulated squared distance.

    Raises:
        ValueError: a series is empty or not 2-D, or the widths differ.
    """
    a = np.ascontiguousarray(a, dtype=np.float64)
    b = np.ascontiguousarray(np.asarray(b, dtype=np.float64).T)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0] or 0 in a.shape + b.shape:
        raise ValueError(f'dtw: expected (n, F) and (m, F), got {a.shape} and {b.T.shape}')
    return float(np.sqrt(accumulated_cost(a, b, np.inf, np.empty((3, b.shape[1])))))
