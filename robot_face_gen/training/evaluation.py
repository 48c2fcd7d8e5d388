# SPDX-License-Identifier: Apache-2.0
"""All metrics of a set of reactions, per branch and in total, with confidence intervals."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from robot_face_gen.layout import BRANCH_SLICES, FACE_DIM

from . import metrics
from .plain_metrics import seen_mean, seen_std
from .reactions import Clips

METRICS = ('frcorr', 'frdist', 'frdiv', 'frvar', 'frdvs', 'frsyn')
_RESAMPLES = 1000
_PARTS = {'all': slice(0, FACE_DIM), **BRANCH_SLICES}


def _number(value: Any) -> float | None:
    """None instead of NaN, which JSON does not have."""
    return None if np.isnan(value) else float(value)


def speaker_weights(test: Clips) -> np.ndarray | None:
    """How often each clip is drawn in each resample of the speakers: (R, N).

    Clips of one speaker are not independent, so all of them are drawn together (cluster bootstrap,
    Efron & Tibshirani 1993). None if there are fewer than two speakers.
    """
    numbers = test.speaker_numbers
    count = int(numbers.max()) + 1
    if count < 2:
        return None
    draws = np.random.default_rng(0).integers(count, size=(_RESAMPLES, count))
    return np.stack([np.bincount(draw, minlength=count)[numbers] for draw in draws]).astype(float)


def _interval(values: np.ndarray, weights: np.ndarray | None) -> list[float] | None:
    """95 % interval of the mean of (N,) values; clips without a value do not count."""
    known = np.isfinite(values)
    if weights is None or known.sum() < 2:
        return None
    total = weights[:, known].sum(axis=1)
    means = (weights[:, known] @ values[known])[total > 0] / total[total > 0]
    return [float(x) for x in np.percentile(means, (2.5, 97.5))]


def _frdvs_interval(P: np.ndarray, weights: np.ndarray | None) -> list[float] | None:
    """95 % interval of `frdvs`; a clip that is drawn twice is not compared with itself."""
    if weights is None:
        return None
    clips, samples = P.shape[:2]
    distance = np.zeros((clips, clips))
    for i in range(samples):
        flat = P[:, i].reshape(clips, -1)
        squares = np.square(flat).sum(axis=1)
        distance += squares[:, None] + squares - 2 * flat @ flat.T
    distance /= samples * P[0, 0].size
    np.fill_diagonal(distance, 0.0)
    pairs = weights.sum(axis=1) ** 2 - np.square(weights).sum(axis=1)
    sums = np.einsum('ri,ij,rj->r', weights, distance, weights, optimize=True)
    return [float(x) for x in np.percentile(sums[pairs > 0] / pairs[pairs > 0], (2.5, 97.5))]


def _set_metrics(
    P: np.ndarray, test: Clips, columns: slice, threads: int, weights: np.ndarray | None
) -> dict[str, Any]:
    Y, X = test.listeners[..., columns], test.speakers[..., columns]
    part = P[..., columns]
    groups = list(metrics.BRANCH_GROUPS) if part.shape[-1] == P.shape[-1] else None
    clip_wise = {
        'frcorr': metrics.frcorr(part, Y, test.appropriate, per_clip=True, partial=True),
        'frdist': metrics.frdist(
            part, Y, test.appropriate, groups, threads=threads, per_clip=True, partial=True
        ),
        'frdiv': metrics.frdiv(part, per_clip=True, partial=True),
        'frvar': metrics.frvar(part, per_clip=True, partial=True),
    }
    out: dict[str, Any] = {}
    for name, values in clip_wise.items():
        out[name] = _number(seen_mean(values))
        out[f'{name}_ci95'] = _interval(values, weights)
    out['frdvs'] = _number(metrics.frdvs(part, partial=True))
    # Reactions made of recorded faces may have missing values: those count as equal there.
    out['frdvs_ci95'] = _frdvs_interval(np.nan_to_num(part), weights)
    lag = metrics.synchrony(part, X, partial=True)
    out['frsyn'] = _number(lag.mean_abs_lag)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # clips without a lag
        out['frsyn_ci95'] = _interval(np.nanmean(np.abs(lag.lags), axis=1), weights)
    out['frsyn_left_out_channels'] = lag.left_out
    out['frsyn_channels'] = lag.channels
    out['frsyn_median_lag'] = (
        float(np.nanmedian(lag.lags)) if np.isfinite(lag.lags).any() else None
    )
    return out


def _plain_metrics(
    P: np.ndarray, test: Clips, columns: slice, weights: np.ndarray | None
) -> dict[str, Any]:
    Y, part = test.listeners[..., columns], P[..., columns]
    both = {
        name: getattr(metrics, name)(part, Y, partial=True)
        for name in ('mse', 'mae', 'rmse', 'pearson')
    }
    motion = {
        f'{name}{suffix}': getattr(metrics, name)(x, partial=True)
        for name in ('frame_difference', 'acceleration')
        for suffix, x in (('', part), ('_real', Y))
    }
    values = {**both, 'sample_distance': metrics.sample_distance(part, partial=True), **motion}
    clips = [slice(k, k + 1) for k in range(len(Y))]
    intervals = {
        f'{name}_ci95': _interval(
            np.array([getattr(metrics, name)(part[k], Y[k], partial=True) for k in clips]), weights
        )
        for name in ('mse', 'pearson')
    }
    return {**{name: _number(value) for name, value in values.items()}, **intervals}


def measure(P: np.ndarray, test: Clips, threads: int = 1) -> dict[str, dict[str, Any]]:
    """Compute all metrics of reactions P (N, M, T, 160) to the speakers of `test`.

    Values that were not seen, NaN, are left out as each metric describes.

    Returns:
        dict: `all` and each branch -> metric -> value; `..._ci95` is the interval over speakers.
            None if there is no value (lag and correlation of a constant face, a branch that was
            never seen).
    """
    copies = P.shape[1] if P.strides[1] == 0 else 1  # identical samples are measured once
    one = P[:, :1] if copies > 1 else P
    weights = speaker_weights(test)
    out = {
        name: {
            **_set_metrics(one, test, columns, threads, weights),
            **_plain_metrics(one, test, columns, weights),
        }
        for name, columns in _PARTS.items()
    }
    for measured in out.values():
        for name in ('frcorr', 'frdist'):  # sums over the samples
            interval = measured[f'{name}_ci95']
            measured[name] = measured[name] and copies * measured[name]
            measured[f'{name}_ci95'] = interval and [copies * x for x in interval]
        for name in ('frsyn_left_out_channels', 'frsyn_channels'):
            measured[name] *= copies
    return out


def standardised(test: Clips, *reactions: np.ndarray) -> tuple[Clips, list[np.ndarray]]:
    """Standardise by the real listeners' mean and standard deviation."""
    mean = np.nan_to_num(seen_mean(test.listeners, (0, 1)))
    std = seen_std(test.listeners, (0, 1))
    std = np.where(std > 1e-3, std, 1.0)  # constant values and unseen ones keep their units

    def scaled(P: np.ndarray) -> np.ndarray:
        if P.strides[1] == 0:  # keep identical samples as views
            return np.broadcast_to((P[:, :1] - mean) / std, P.shape)
        return (P - mean) / std

    return (
        replace(
            test, speakers=(test.speakers - mean) / std, listeners=(test.listeners - mean) / std
        ),
        [scaled(P) for P in reactions],
    )


def root_mean_square_distance(P: np.ndarray, other: np.ndarray) -> float:
    """Distance between two sets of reactions (N, M, T, F) to the same speakers."""
    squares = [float(seen_mean(np.square(p - q))) for p, q in zip(P, other, strict=True)]
    return float(np.sqrt(seen_mean(np.array(squares))))


HOW_TO_READ = (
    'Values are standardised by the real listeners. FRCorr and FRDist are sums over the samples.\n'
    'Better: higher FRCorr and Pearson; lower FRDist and MSE; FRDiv, FRVar, FRDvs and FRSyn\n'
    'close to those of `real`. After ±: half the width of the 95 % interval over\nspeakers.'
)


def table(results: dict[str, dict[str, dict[str, Any]]], part: str = 'all') -> str:
    """Format a table: one row per source of reactions, one column per metric."""
    head = ['', *(name[:2].upper() + name[2:].capitalize() for name in METRICS), 'MSE', 'Pearson']
    rows = [head]
    for source, measured in results.items():
        row = [source]
        for name in (*METRICS, 'mse', 'pearson'):
            value = measured[part].get(name)
            interval = measured[part].get(f'{name}_ci95')
            text = '-' if value is None else f'{round(value, 3) + 0.0:.3f}'  # no -0.000
            row.append(
                f'{text} ± {(interval[1] - interval[0]) / 2:.3f}'
                if interval and value is not None
                else text
            )
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return '\n'.join(
        '  '.join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
