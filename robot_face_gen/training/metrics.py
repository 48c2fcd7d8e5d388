# SPDX-License-Identifier: Apache-2.0
"""The metrics of the REACT challenge, implemented from their definitions, and plain metrics.

The set metrics compare M sampled reactions with all appropriate listeners of a speaker. Arrays:

    P (N, M, T, F)  predictions: N clips, M samples, T frames, F values
    Y (N, T, F)     the real listeners
    X (N, T, F)     the speakers
    A (N, N)        A[k, j] = 1 if listener j is appropriate for speaker k

All arithmetic is float64. As in the challenge's own code, so that results are comparable, FRCorr
and FRDist are sums over the M samples, not means (they grow with M), and the 25 emotion channels
have the weights `REACT_GROUPS` in FRDist.

With `partial`, NaN in P, Y or X is a value that was not seen. A metric is then over the values and
pairs of values that were seen, which each function describes; NaN where there are none. Without
NaN the result is the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from robot_face_gen.layout import BRANCH_SLICES

from .dtw import dtw, nearest_distance, partial_distance
from .plain_metrics import (
    Group,
    acceleration,
    appropriate,
    finite,
    frame_difference,
    mae,
    mse,
    pearson,
    predictions_and_real,
    resolve_groups,
    rmse,
    sample_distance,
    seen_mean,
    seen_std,
)
from .synchrony import MAX_LAG, Synchrony, lagged_synchrony

__all__ = [
    'BRANCH_GROUPS',
    'REACT_GROUPS',
    'Synchrony',
    'acceleration',
    'ccc',
    'dtw',
    'frame_difference',
    'frcorr',
    'frdist',
    'frdiv',
    'frdvs',
    'frsyn',
    'frvar',
    'mae',
    'mse',
    'pearson',
    'rmse',
    'sample_distance',
    'synchrony',
]

# The challenge's 25 channels with its weights: 15 action units, valence and arousal (weight 1, not
# 1/2), 8 expressions.
REACT_GROUPS: tuple[Group, ...] = (
    (slice(0, 15), 1 / 15),
    (slice(15, 17), 1.0),
    (slice(17, 25), 1 / 8),
)
# All branches concatenated.
BRANCH_GROUPS: tuple[Group, ...] = tuple(BRANCH_SLICES.values())


def ccc(y: ArrayLike, x: ArrayLike) -> np.ndarray:
    """Lin's concordance correlation along the first axis, with population variances.

    2 cov / (var_y + var_x + (mean_y - mean_x)^2 + 1e-8); 0 if one of the two is constant. Frames
    in which one of the two is NaN do not count; NaN if fewer than 2 remain.

    Args:
        y: (T, ...).
        x: (T, ...), same shape or broadcastable.

    Returns:
        np.ndarray: (...), float64, -1..1.
    """
    real, other = np.asarray(y, dtype=np.float64), np.asarray(x, dtype=np.float64)
    mean: Any = np.mean
    few: Any = False
    if np.isnan(real).any() or np.isnan(other).any():
        real, other = real + 0 * other, other + 0 * real  # NaN in both where it is in one
        mean, few = seen_mean, (~np.isnan(real)).sum(axis=0) < 2
    mean_y, mean_x = mean(real, axis=0), mean(other, axis=0)
    dy, dx = real - mean_y, other - mean_x
    covariance = mean(dy * dx, axis=0)
    spread = mean(dy * dy, axis=0) + mean(dx * dx, axis=0)
    found = 2 * covariance / (spread + (mean_y - mean_x) ** 2 + 1e-8)
    return np.where(few, np.nan, found)


def frcorr(
    P: ArrayLike, Y: ArrayLike, A: ArrayLike, *, per_clip: bool = False, partial: bool = False
):
    """Appropriateness by correlation: (1/N) sum_k sum_i max_j mean_f ccc(Y_j, P_ki).

    Args:
        P: (N, M, T, F).
        Y: (N, T, F).
        A: (N, N) of 0 and 1.
        per_clip: return the sum of each clip instead of the mean.
        partial: see the module; the mean is over channels with 2 frames in which both were seen.

    Returns:
        float: at most M; higher is better. Or (N,) float64.

    Raises:
        ValueError: a wrong shape or value; the message names the array.
    """
    P, Y = predictions_and_real(P, Y, partial=partial)
    sums = np.empty(len(P))
    for k, listeners in enumerate(appropriate(A, len(P))):
        prediction = P[k].transpose(1, 0, 2)  # (T, M, F)
        agreement = [seen_mean(ccc(Y[j][:, None], prediction), -1) for j in listeners]
        sums[k] = np.fmax.reduce(agreement, axis=0).sum()
    return sums if per_clip else float(seen_mean(sums))


def frdist(
    P: ArrayLike,
    Y: ArrayLike,
    A: ArrayLike,
    groups: Sequence[Group] | None = None,
    *,
    threads: int = 1,
    per_clip: bool = False,
    partial: bool = False,
):
    """Appropriateness by DTW distance: (1/N) sum_k sum_i min_j sum_g DTW_g(P_ki, Y_j) / size_g.

    Exact: no band, no approximation. 100 clips of 10 samples and 750 frames with ten appropriate
    listeners each and 25 channels take one to two minutes on one core.

    Args:
        P: (N, M, T, F).
        Y: (N, T, F).
        A: (N, N) of 0 and 1.
        groups: slices of channels, each weighted by 1/size, or pairs (slice, weight). Default: one
            group of all channels; for exactly 25 channels the challenge's `REACT_GROUPS`.
        threads: number of threads.
        per_clip: return the sum of each clip instead of the mean.
        partial: see the module, and `dtw.partial_distance` for what is compared.

    Returns:
        float: lower is better; grows with M. Or (N,) float64.

    Raises:
        ValueError: a wrong array or group; the message names it.
    """
    P, Y = predictions_and_real(P, Y, partial=partial)
    width = P.shape[-1]
    if groups is None:
        groups = REACT_GROUPS if width == 25 else (slice(0, width),)
    starts, stops, weights = resolve_groups(groups, width)
    transposed = np.ascontiguousarray(Y.transpose(0, 2, 1))
    listeners = appropriate(A, len(P))

    def clip(k: int) -> float:
        others = np.ascontiguousarray(transposed[listeners[k]])
        return sum(nearest(np.ascontiguousarray(sample), others) for sample in P[k])

    def nearest(sample: np.ndarray, others: np.ndarray) -> float:
        gaps = np.isnan(others).any(axis=(1, 2)) | np.isnan(sample).any()
        found = [partial_distance(sample, other, starts, stops, weights) for other in others[gaps]]
        if not gaps.all():
            found.append(nearest_distance(sample, others[~gaps], starts, stops, weights))
        return float(np.fmin.reduce(found))

    with ThreadPoolExecutor(max(1, threads)) as pool:
        sums = np.array(list(pool.map(clip, range(len(P)))))
    return sums if per_clip else float(seen_mean(sums))


def _pairwise_squared(x: np.ndarray) -> tuple[float, int]:
    """Sum of the squared differences of all ordered pairs of rows of x (n, D), and how many."""
    seen = ~np.isnan(x)
    count = seen.sum(axis=0)
    centred = np.where(seen, x - seen_mean(x, 0), 0.0)
    # sum_ij (x_i - x_j)^2 = 2 n sum_i (x_i - mean)^2
    return float(2 * count @ np.square(centred).sum(axis=0)), int(count @ (count - 1))


def frdiv(P: ArrayLike, *, per_clip: bool = False, partial: bool = False):
    """Diversity: mean squared distance between two samples for the same speaker.

    Args:
        P: (N, M, T, F).
        per_clip: return the value of each clip instead of the mean.
        partial: see the module; the mean is over values that were seen of both samples.

    Returns:
        float: in squared units of F; 0 if M is 1. Or (N,) float64.
    """
    P = finite('P', P, 4, partial)
    values = np.zeros(len(P))
    if P.shape[1] > 1:
        pairs = [_pairwise_squared(p.reshape(len(p), -1)) for p in P]
        values = np.array([total / count if count else np.nan for total, count in pairs])
    return values if per_clip else float(seen_mean(values))


def frvar(P: ArrayLike, *, per_clip: bool = False, partial: bool = False):
    """Variance of a reaction over time (unbiased), averaged over clips, samples and channels.

    Args:
        P: (N, M, T, F), at least 2 frames.
        per_clip: return the value of each clip instead of the mean.
        partial: see the module; channels with at least 2 frames count.

    Returns:
        float: in squared units of F. Or (N,) float64.
    """
    P = finite('P', P, 4, partial)
    if P.shape[2] < 2:
        raise ValueError(f'P: a variance over time needs 2 frames, got shape {P.shape}')
    values = np.array([seen_mean(_variance(p)) for p in P])
    return values if per_clip else float(seen_mean(values))


def _variance(x: np.ndarray) -> np.ndarray:
    """Unbiased variance of x (M, T, F) over time; NaN for fewer than 2 frames."""
    count = (~np.isnan(x)).sum(axis=1)
    with np.errstate(invalid='ignore', divide='ignore'):
        return np.where(count > 1, seen_std(x, 1) ** 2 * count / (count - 1), np.nan)


def frdvs(P: ArrayLike, *, partial: bool = False) -> float:
    """Diversity between speakers: mean squared distance of the reactions to two speakers.

    Args:
        P: (N, M, T, F).
        partial: see the module; the mean is over values that were seen of both reactions.

    Returns:
        float: in squared units of F; 0 if N is 1.
    """
    P = finite('P', P, 4, partial)
    if len(P) == 1:
        return 0.0
    pairs = [_pairwise_squared(P[:, i].reshape(len(P), -1)) for i in range(P.shape[1])]
    total, count = np.sum(pairs, axis=0)
    return float(total / count) if count else float('nan')


def synchrony(P: ArrayLike, X: ArrayLike, *, partial: bool = False) -> Synchrony:
    """The lag of each prediction behind its speaker, and the number of constant channels.

    Args:
        P: (N, M, T, F).
        X: (N, T, F).
        partial: see the module, and `lagged_synchrony` for the channels that count.

    Returns:
        Synchrony: `.lags` (N, M) in frames, `.mean_abs_lag`, `.left_out` of `.channels`.
    """
    P, X = predictions_and_real(P, X, real_name='X', partial=partial)
    if P.shape[2] < MAX_LAG + 2:
        raise ValueError(
            f'P: lags of {MAX_LAG} frames need at least {MAX_LAG + 2} frames, got {P.shape[2]}'
        )
    return lagged_synchrony(P, X)


def frsyn(P: ArrayLike, X: ArrayLike) -> float:
    """Synchrony: mean |lag| at the peak of the channel-mean Pearson correlation, lags -49 .. 49.

    Constant channels are left out; a warning says how many (`synchrony` returns the number).

    Args:
        P: (N, M, T, F), at least 51 frames.
        X: (N, T, F).

    Returns:
        float: frames; NaN if everything is constant.
    """
    result = synchrony(P, X)
    if result.left_out:
        warnings.warn(
            f'frsyn: {result.left_out} of {result.channels} channels are constant: left out',
            stacklevel=2,
        )
    return result.mean_abs_lag
