# SPDX-License-Identifier: Apache-2.0
"""Calibrates the spread of the prior after training.

The latents also contain what the network has not learned about the speaker, so its samples differ
more than real listeners do. The spread of the prior is set on validation clips so that two samples
have the distance of two real listeners of the same speaker.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model import BRANCHES, FacialReactionModel
from robot_face_gen.facial_reaction_model.encoder import Face, seen_values
from robot_face_gen.facial_reaction_model.losses import pairwise_distances

_ROUNDS = 4
_LIMITS = (0.05, 2.0)


def listeners_by_group(dataset: ClipDataset, most: int) -> dict[int, list[int]]:
    """Clips of up to `most` groups that have several listeners."""
    groups: dict[int, list[int]] = {}
    for index, clip in enumerate(dataset.clips):
        groups.setdefault(clip.group, []).append(index)
    several = [(group, clips) for group, clips in groups.items() if len(clips) > 1]
    return dict(several[:most])


def real_distance(
    model: FacialReactionModel, dataset: ClipDataset, groups: dict[int, list[int]]
) -> tuple[float, Face]:
    """Mean squared distance between two listeners of a speaker, standardised, mean of branches.

    Returns:
        tuple: the distance over the values that were seen of both, NaN if there are none; and
        which values of each branch these are, (F,) bool.
    """
    statistics = model.decoder.heads.statistics
    distances = []
    compared = {name: torch.zeros(width, dtype=torch.bool) for name, width in BRANCHES.items()}
    for clips in groups.values():
        faces = [dataset[i]['listener'] for i in clips]
        for a, b in itertools.combinations(faces, 2):
            x, y = statistics.standardise_face(a), statistics.standardise_face(b)
            seen_a, seen_b = seen_values(a), seen_values(b)
            parts = []
            for name in BRANCHES:
                both = (seen_a[name] & seen_b[name]).expand_as(x[name])
                compared[name] |= both.any(dim=0)
                if both.any():
                    parts.append((x[name] - y[name])[both].square().mean())
            if parts:
                distances.append(torch.stack(parts).mean())
    distance = float(torch.stack(distances).mean()) if distances else float('nan')
    return distance, compared


@torch.no_grad()
def sample_distance(
    model: FacialReactionModel, speakers: list[dict[str, Tensor]], samples: int, compared: Face
) -> float:
    """Mean squared distance between two samples of the model, see `real_distance`."""
    distances = []
    for number, speaker in enumerate(speakers):
        seeds = [number * samples + i for i in range(samples)]
        faces, _, _ = model(
            {name: value[None] for name, value in speaker.items()}, seed=seeds, temperature=1.0
        )
        scaled = model.decoder.heads.statistics.standardise_face(faces)
        known = {n: scaled[n][None, ..., kept] for n, kept in compared.items() if kept.any()}
        distances.append(pairwise_distances(known).mean())
    return float(torch.stack(distances).mean())


def calibrate_spread(
    model: FacialReactionModel, dataset: ClipDataset, *, speakers: int = 8, samples: int = 5
) -> dict[str, float]:
    """Set `model.vae.prior_spread`; not changed if no speaker has several listeners.

    Args:
        model: trained, in evaluation mode.
        dataset: validation clips.
        speakers: number of speakers to use.
        samples: number of samples for each.

    Returns:
        dict: `spread`, `real_distance`, `sample_distance` after calibration; empty if not changed.
    """
    groups = listeners_by_group(dataset, speakers)
    target, compared = real_distance(model, dataset, groups)
    if math.isnan(target):
        return {}
    heard = [dataset[clips[0]]['speaker'] for clips in groups.values()]
    spread = model.vae.prior_spread
    distance = sample_distance(model, heard, samples, compared)
    for _ in range(_ROUNDS):
        if distance <= 0 or abs(distance / target - 1) < 0.03:
            break
        spread.copy_((spread * (target / distance) ** 0.5).clamp(*_LIMITS))
        distance = sample_distance(model, heard, samples, compared)
    return {'spread': float(spread), 'real_distance': target, 'sample_distance': distance}
