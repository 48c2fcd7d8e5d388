# SPDX-License-Identifier: Apache-2.0
"""Calibrates the spread of the prior after training.

The latents also contain what the network has not learned about the speaker, so its samples differ
more than real listeners do. The spread of the prior is set on validation clips so that two samples
have the distance of two real listeners of the same speaker.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model import BRANCHES, FacialReactionModel
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
) -> float:
    """Mean squared distance between two listeners of a speaker, standardised, mean of branches."""
    statistics = model.decoder.heads.statistics
    distances = []
    for clips in groups.values():
        faces = [dataset[i]['listener'] for i in clips]
        for a, b in itertools.combinations(faces, 2):
            both = a['face_valid'] & b['face_valid']
            x, y = statistics.standardise_face(a), statistics.standardise_face(b)
            parts = [(x[n] - y[n])[both].square().mean() for n in BRANCHES]
            distances.append(torch.stack(parts).mean())
    return float(torch.stack(distances).mean())


@torch.no_grad()
def sample_distance(
    model: FacialReactionModel, speakers: list[dict[str, Tensor]], samples: int
) -> float:
    """Mean squared distance between two samples of the model, standardised, mean of branches."""
    distances = []
    for number, speaker in enumerate(speakers):
        seeds = [number * samples + i for i in range(samples)]
        faces, _, _ = model(
            {name: value[None] for name, value in speaker.items()}, seed=seeds, temperature=1.0
        )
        scaled = model.decoder.heads.statistics.standardise_face(faces)
        distances.append(pairwise_distances({name: x[None] for name, x in scaled.items()}).mean())
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
    if not groups:
        return {}
    target = real_distance(model, dataset, groups)
    heard = [dataset[clips[0]]['speaker'] for clips in groups.values()]
    spread = model.vae.prior_spread
    distance = sample_distance(model, heard, samples)
    for _ in range(_ROUNDS):
        if distance <= 0 or abs(distance / target - 1) < 0.03:
            break
        spread.copy_((spread * (target / distance) ** 0.5).clamp(*_LIMITS))
        distance = sample_distance(model, heard, samples)
    return {'spread': float(spread), 'real_distance': target, 'sample_distance': distance}
