# SPDX-License-Identifier: Apache-2.0
"""Fits the last layers of the face heads after training, in closed form.

Training balances many losses. What the robot shows is better if, in the end, the last layers fit
the faces without events, move as calmly as these, and show only what holds for other speakers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from robot_face_gen.facial_reaction_model import FacialReactionModel
from robot_face_gen.layout import BRANCH_SLICES, BRANCHES

# Shares of a listener's latents, of which the features are decoded, and the weight of each.
SHARES = {0.0: 1.0, 0.5: 0.5, 1.0: 0.5}
_RIDGE = 1e-3  # of the mean square of a feature
# Weight of second differences, relative to those of the faces.
_CALM = {'landmarks': 0.05, 'au': 0.3, 'pose': 2.5, 'gaze': 0.2}
_LEAST_EXPLAINED = {'landmarks': 0.03, 'au': 0.1, 'pose': 0.03, 'gaze': 0.03}  # else: constant
_QUIET = 0.4  # weight of an expression where the listener has none
_AT_REST = 0.25  # standard deviations
_ROUNDS = 6


@dataclass(frozen=True)
class Decoded:
    """What the network knows of a clip.

    Attributes:
        base: the listener's face without events (T, 160), NaN where it was not seen.
        features: input of the heads for each of `SHARES` (shares, T, feature_dim), float16.
        deviation: how far the means of the listener's latents are from the prior's (W,
            latent_dim), in standard deviations of the prior.
    """

    base: np.ndarray
    features: np.ndarray
    deviation: Tensor


def fit_heads(
    model: FacialReactionModel, clips: Sequence[Decoded], others: Sequence[Decoded]
) -> None:
    """Fit the last layer of each branch.

    Action units become 0 at rest: the level at rest, which is a person's, is in the residual.

    Args:
        model: changed in place.
        clips: of training.
        others: of validation; a channel is reduced to what it explains of them.
    """
    for branch in BRANCHES:
        _BranchFit(model, branch).fit(clips, others)


class _BranchFit:
    """The fit of one branch; all values are standardised."""

    def __init__(self, model: FacialReactionModel, branch: str) -> None:
        heads = model.decoder.heads
        self.branch, self.statistics = branch, heads.statistics
        net = cast(nn.Sequential, heads.branches[branch])
        self.hidden, self.last = net[:2], cast(nn.Linear, net[2])
        zero = torch.zeros(BRANCHES[branch], device=self.last.weight.device)
        self.zero = self.statistics.standardise(branch, zero).cpu().numpy()

    @torch.no_grad()
    def inputs(self, clip: Decoded) -> np.ndarray:
        """Input of the last layer, with a 1 for the bias: (shares, T, K + 1)."""
        x = self.hidden(torch.from_numpy(clip.features).float().to(self.last.weight.device))
        return torch.cat((x, torch.ones_like(x[..., :1])), dim=-1).cpu().numpy()

    def example(self, clip: Decoded, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and target (T, F); what was not seen is as these weights show it.

        Of action units, the target is the rise above the level at rest.
        """
        x = self.inputs(clip)
        base = clip.base[:, BRANCH_SLICES[self.branch]]
        given = torch.from_numpy(base).float().to(self.last.weight.device)
        y = self.statistics.standardise(self.branch, given).cpu().numpy()
        y = np.where(np.isfinite(base), y, x[0] @ weights.T)
        return x, np.maximum(y - np.median(y, axis=0), 0.0) if self.branch == 'au' else y

    def fit(self, clips: Sequence[Decoded], others: Sequence[Decoded]) -> None:
        """Fit, reduce and set the weights."""
        layer = self.last
        before = torch.cat((layer.weight, layer.bias[:, None]), dim=1).detach().cpu().numpy()
        (xs, ys), held = (
            ([x for x, _ in found], [y for _, y in found])
            for found in (
                [self.example(clip, before) for clip in part] for part in (clips, others)
            )
        )
        weights = self.solve(xs, ys)
        if self.branch == 'au':
            used = self.slopes(weights, *held)[0] > 0
            some = [y[:, used] for y in ys]
            for _ in range(_ROUNDS if used.any() else 0):
                weights[used] = (weights[used] + self.solve(xs, some, weights[used])) / 2
        slope, mean = self.slopes(weights, *held)
        weights *= slope[:, None]
        weights[:, -1] += self.zero if self.branch == 'au' else (1 - slope) * mean
        with torch.no_grad():
            both = torch.from_numpy(weights).to(layer.weight)
            layer.weight.copy_(both[:, :-1])
            layer.bias.copy_(both[:, -1])

    def solve(
        self,
        xs: Sequence[np.ndarray],
        ys: Sequence[np.ndarray],
        current: np.ndarray | None = None,
    ) -> np.ndarray:
        """Weights (F, K + 1) of a ridge regression with a penalty on second differences.

        Args:
            xs: inputs of each clip.
            ys: targets of each clip.
            current: weights of a face that the limits cut at 0 (an active-set step): what is cut
                has no error where the target is 0, and no second differences. An expression where
                the target is at rest costs more than its square.
        """
        channels, width = ys[0].shape[1], xs[0].shape[-1]
        same = current is None  # for all channels
        count = 1 if same else channels
        squares, jolts = np.zeros((2, count, width, width))
        products, roughness = np.zeros((channels, width)), np.zeros(channels)
        total = sum(SHARES.values()) * sum(len(y) for y in ys)
        for x, y in zip(xs, ys, strict=True):
            roughness += np.square(np.diff(y, n=2, axis=0)).sum(axis=0)
            for part, weight in zip(x, SHARES.values(), strict=True):
                if current is None:
                    squares += weight * (part.T @ part)
                    jolts += weight * _square(np.diff(part, n=2, axis=0))
                    products += weight * (y.T @ part)
                    continue
                shown = part @ current.T > 0
                for channel in range(channels):
                    mine = part[shown[:, channel] | (y[:, channel] > 0)]
                    squares[channel] += weight * (mine.T @ mine)
                    jolts[channel] += weight * _square(
                        np.diff(part * shown[:, channel, None], n=2, axis=0)
                    )
                quiet = _QUIET / 2 * (shown & (y < _AT_REST))
                products += weight * ((y - quiet).T @ part)
        roughness = np.maximum(roughness / sum(len(y) for y in ys), 1e-6)
        ridge = _RIDGE * np.trace(squares[0]) / total / width * np.eye(width)
        ridge[-1, -1] *= 1e-6  # the bias is free
        return np.stack(
            [
                np.linalg.solve(
                    squares[0 if same else c] / total
                    + ridge
                    + _CALM[self.branch] / roughness[c] * jolts[0 if same else c] / total,
                    products[c] / total,
                )
                for c in range(channels)
            ]
        )

    def slopes(
        self, weights: np.ndarray, xs: Sequence[np.ndarray], ys: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of each channel: slope of what it explains within clips, 0 if that is little; mean."""
        covariance, variance, whole = np.zeros((3, len(weights)))
        means = []
        for x, y in zip(xs, ys, strict=True):
            face = x[0] @ weights.T
            if self.branch == 'au':
                face = np.maximum(face, 0.0)
            means.append(face.mean(axis=0))
            moved, real = face - means[-1], y - y.mean(axis=0)
            covariance += (moved * real).sum(axis=0)
            variance += np.square(moved).sum(axis=0)
            whole += np.square(real).sum(axis=0)
        slope = covariance / np.maximum(variance, 1e-9)
        explained = slope * covariance / np.maximum(whole, 1e-9)
        slope = np.where(explained < _LEAST_EXPLAINED[self.branch], 0.0, slope.clip(0.0, 1.0))
        return slope, np.mean(means, axis=0)


def _square(x: np.ndarray) -> np.ndarray:
    return x.T @ x
