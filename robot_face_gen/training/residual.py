# SPDX-License-Identifier: Apache-2.0
"""Cuts the residual of `facial_reaction_model.events` from real listeners."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from robot_face_gen.facial_reaction_model.events import PEOPLE, SEGMENT_FRAMES, SEGMENTS
from robot_face_gen.layout import AU, BRANCH_SLICES, FACE_DIM, RX

_STEP = SEGMENT_FRAMES // 3  # between the beginnings of possible segments
_CALM = 0.35  # share of the segments that is used: those with the smallest jolts of the head
_RX = BRANCH_SLICES['pose'].start + RX
_AU28 = BRANCH_SLICES['au'].start + AU['AU28']


def residual_weights(left: Sequence[np.ndarray], seed: int = 0) -> dict[str, np.ndarray]:
    """The residual of real listeners, as weights of `events.Motion`.

    Args:
        left: of each clip, what the network's face and events do not explain, (T, 160), NaN where
            a value was not seen.
        seed: of the choice of segments.

    Returns:
        dict: `residual`, segments without the mean of their clip, the fewest missing values first
            (these are 0); `offset`, the means of clips. The levels of action units stay in the
            segments: their lowest value is 0 for everybody.
    """
    rng = np.random.default_rng(seed)
    offsets, segments, missing, jolts = [], [], [], []
    for x in left:
        count = np.isfinite(x).sum(axis=0)
        mean = np.where(count > 0, np.nansum(x, axis=0) / np.maximum(count, 1), 0.0)
        mean[BRANCH_SLICES['au']] = 0.0
        offsets.append(mean)
        x = np.pad(x - mean, ((0, max(0, SEGMENT_FRAMES - len(x))), (0, 0)), 'symmetric')
        for begin in range(0, len(x) - SEGMENT_FRAMES + 1, _STEP):
            part = x[begin : begin + SEGMENT_FRAMES]
            missing.append(np.isnan(part).sum())
            segments.append(np.nan_to_num(part))
            jolt = np.abs(np.diff(part[:, _RX], n=2)).max()
            jolts.append(jolt if np.isfinite(jolt) else np.inf)
    out = {
        'residual': np.zeros((SEGMENTS, SEGMENT_FRAMES, FACE_DIM), np.float32),
        'offset': np.zeros((PEOPLE, FACE_DIM), np.float32),
    }
    if segments:
        # Parts of nods that were not found as events would look like twitches.
        calm = np.argsort(jolts, kind='stable')[: max(1, round(_CALM * len(segments)))]
        order = rng.permutation(calm)
        order = order[np.argsort(np.array(missing)[order], kind='stable')]
        out['residual'][:] = [segments[i] for i in np.resize(order[:SEGMENTS], SEGMENTS)]
        out['offset'][:] = [offsets[i] for i in np.resize(rng.permutation(len(offsets)), PEOPLE)]
    # It is 0 or 1: no noise, and no trace of what the network is unsure of.
    out['residual'][..., _AU28], out['offset'][:, _AU28] = 0.0, -0.05
    return {name: np.clip(x, -10.0, 10.0) for name, x in out.items()}
