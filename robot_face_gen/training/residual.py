# SPDX-License-Identifier: Apache-2.0
"""Cuts the residual of `facial_reaction_model.events` from real listeners."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from robot_face_gen.facial_reaction_model.events import (
    COMPONENTS,
    PEOPLE,
    SEGMENT_FRAMES,
    SEGMENTS,
)
from robot_face_gen.layout import AU, BRANCH_SLICES, FACE_DIM, INTENSITIES, RX

from .events import smoothed

_STEP = SEGMENT_FRAMES // 3  # between the beginnings of possible segments
_CALM = 0.7  # share of the segments that is used: those with the smallest jolts of the head
_RX = BRANCH_SLICES['pose'].start + RX
# Share of a listener's offsets: FRDist pays for wrong ones; the two-sample test hardly sees them.
_OFFSET = 0.15
_INTENSITIES = slice(BRANCH_SLICES['au'].start, BRANCH_SLICES['au'].start + INTENSITIES)
_HIGHEST_REST, _SLOW = 0.25, 12  # of action units; times that `smoothed` gives the slow part
_NOISE, _LEAST_NOISE = 4.0, 0.05  # of the fast part: in robust standard deviations, intensity
_DAMPED = 0.02  # share of `smoothed`: about as much power above 6 Hz as network and events add
_LARGEST = 10.0
_LANDMARKS = BRANCH_SLICES['landmarks']
_AU28 = BRANCH_SLICES['au'].start + AU['AU28']


def residual_of(left: Sequence[np.ndarray], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The residual of real listeners.

    Args:
        left: of each clip, what the network's face and events do not explain, (T, 160), NaN where
            a value was not seen.
        seed: of the choice of segments.

    Returns:
        tuple: segments (SEGMENTS, SEGMENT_FRAMES, 160) without the mean of their clip, the fewest
        missing values first (these are 0), and offsets (PEOPLE, 160), a share of the means of
        clips. The levels of action units stay in the segments: their lowest value is 0 for
        everybody.
    """
    rng = np.random.default_rng(seed)
    offsets, segments, missing, jolts = [], [], [], []
    for x in left:
        count = np.isfinite(x).sum(axis=0)
        mean = np.where(count > 0, np.nansum(x, axis=0) / np.maximum(count, 1), 0.0)
        mean[BRANCH_SLICES['au']] = 0.0
        offsets.append(_OFFSET * mean)
        x = _at_rest(x - mean)
        x = np.pad(x, ((0, max(0, SEGMENT_FRAMES - len(x))), (0, 0)), 'symmetric')
        for begin in range(0, len(x) - SEGMENT_FRAMES + 1, _STEP):
            part = x[begin : begin + SEGMENT_FRAMES]
            missing.append(np.isnan(part).sum())
            # The largest of so many values of noise is about five times their median.
            steps = np.abs(np.diff(part[:, _RX], n=2))
            jolt = steps.max() - 5 * np.median(steps)
            part = np.nan_to_num(part)
            segments.append(part + _DAMPED * (smoothed(part) - part))
            jolts.append(jolt if np.isfinite(jolt) else np.inf)
    residual = np.zeros((SEGMENTS, SEGMENT_FRAMES, FACE_DIM), np.float32)
    offset = np.zeros((PEOPLE, FACE_DIM), np.float32)
    if segments:
        # Parts of nods that were not found as events would look like twitches.
        calm = np.argsort(jolts, kind='stable')[: max(1, round(_CALM * len(segments)))]
        order = rng.permutation(calm)
        order = order[np.argsort(np.array(missing)[order], kind='stable')]
        residual[:] = [segments[i] for i in np.resize(order[:SEGMENTS], SEGMENTS)]
        offset[:] = [offsets[i] for i in np.resize(rng.permutation(len(offsets)), PEOPLE)]
    # It is 0 or 1: no noise, and no trace of what the network is unsure of.
    residual[..., _AU28], offset[:, _AU28] = 0.0, -0.05
    return np.clip(residual, -_LARGEST, _LARGEST), np.clip(offset, -_LARGEST, _LARGEST)


def residual_weights(residual: np.ndarray, offset: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of `events.Motion`; the landmarks of segments (..., 160) become components."""
    points = residual[..., _LANDMARKS].reshape(-1, _LANDMARKS.stop).astype(np.float64)
    components = np.linalg.eigh(points.T @ points)[1][:, : -COMPONENTS - 1 : -1].T
    parts = residual[..., _LANDMARKS] @ components.T, residual[..., _LANDMARKS.stop :]
    out = {'residual': np.concatenate(parts, axis=-1), 'components': components, 'offset': offset}
    return {name: np.clip(x, -_LARGEST, _LARGEST).astype(np.float32) for name, x in out.items()}


def _at_rest(left: np.ndarray) -> np.ndarray:
    """Without expressions (T, 160): they are the network's and the events'.

    What is left of a smile that the network expected, or expected weaker, is no smile at another
    time. The slow part of action units is limited to near its median, and the fast part to a
    tracker's noise, without the beginnings and ends of expressions.
    """
    x = np.nan_to_num(left[:, _INTENSITIES])
    slow, level = smoothed(x, _SLOW), np.median(x, axis=0)
    fast = x - slow
    lowest, highest = np.minimum(level, 0) - 0.02, np.maximum(level, 0) + _HIGHEST_REST
    noise = np.maximum(_NOISE * 1.48 * np.median(np.abs(fast), axis=0), _LEAST_NOISE)
    out = left.copy()
    out[:, _INTENSITIES] += np.clip(slow, lowest, highest) + np.clip(fast, -noise, noise) - x
    return out
