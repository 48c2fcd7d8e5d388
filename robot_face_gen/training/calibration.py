# SPDX-License-Identifier: Apache-2.0
"""Fits what is not learned by gradient descent to real listeners, after training."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model import BRANCHES, FacialReactionModel
from robot_face_gen.facial_reaction_model.encoder import Face, seen_values
from robot_face_gen.facial_reaction_model.events import EVENTS
from robot_face_gen.facial_reaction_model.inputs import SPEAKER
from robot_face_gen.facial_reaction_model.losses import pairwise_distances
from robot_face_gen.layout import BRANCH_SLICES

from .events import smoothed
from .heads import SHARES, Decoded, fit_heads
from .liveliness import Liveliness
from .mirrored import Mirrored, separate_clip
from .reactions import joined, seen
from .residual import residual_of, residual_weights

# Of the deviations of latents from the prior's mean. What they leave is part of the residual.
LATENTS = 0.2
_RATES = (0.5, 2.0)  # limits of the change of a rate
_SMOOTHED = 8  # times, see `smoothed`
_SAMPLED = 24  # clips of training and of validation for which samples are drawn


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
    compared = {
        name: torch.zeros(width, dtype=torch.bool, device=model.device)
        for name, width in BRANCHES.items()
    }
    for clips in groups.values():
        faces = [{n: x.to(model.device) for n, x in dataset[i]['listener'].items()} for i in clips]
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


def sample_distance(
    model: FacialReactionModel, faces: list[np.ndarray], samples: int, compared: Face
) -> float:
    """Mean squared distance between two samples of a speaker, see `real_distance`.

    Args:
        model: its statistics are the scale.
        faces: (T, 160) each, `samples` of each speaker side by side.
        samples: number of samples of each speaker.
        compared: the values that count.
    """
    statistics = model.decoder.heads.statistics
    distances = []
    for begin in range(0, len(faces), samples):
        x = torch.from_numpy(np.stack(faces[begin : begin + samples])).float().to(model.device)
        split = {name: x[..., columns] for name, columns in BRANCH_SLICES.items()}
        scaled = statistics.standardise_face(split)
        known = {n: scaled[n][None, ..., kept] for n, kept in compared.items() if kept.any()}
        distances.append(pairwise_distances(known).mean())
    return float(torch.stack(distances).mean())


def calibrate(
    model: FacialReactionModel,
    training: ClipDataset,
    validation: ClipDataset,
    mirrored: Mirrored | None = None,
    *,
    clips: int = 144,
    samples: int = 3,
) -> dict[str, float]:
    """Fit the last layers, the residual, the spread of the prior and the rates of events.

    The latents of real listeners, of which samples keep the share `LATENTS`, have the covariance
    of their posterior. What the network's mean face does not explain of listeners is the residual.
    So both together have the distribution of real listeners.

    Args:
        model: trained, in evaluation mode; changed in place.
        training: clips of which the heads and, with those of validation, the residual are made.
        validation: clips that show what holds for other speakers.
        mirrored: fitted to the training clips, as in training.
        clips: the most that are used of either.
        samples: number of samples for each, to measure their distance.

    Returns:
        dict: `spread`; `residual`, its mean variance in standardised channels; with several
            listeners of a speaker `real_distance` and `sample_distance`.
    """
    known, others = (
        [decode(model, dataset[i], mirrored) for i in spaced(len(dataset), clips)]
        for dataset in (training, validation)
    )
    spread = LATENTS * latent_covariance([x.deviation for x in others])
    model.vae.prior_spread.copy_(spread)
    fit_heads(model, known, others)
    # The network's own jitter is not missing in its samples.
    left = [x.base - smoothed(mean_face(model, x), _SMOOTHED) for x in (*others, *known)]
    residual, offset = residual_of(left)
    for name, value in residual_weights(residual, offset).items():
        getattr(model.motion, name).copy_(torch.from_numpy(value))
    statistics = model.decoder.heads.statistics
    scale = np.concatenate([getattr(statistics, f'{n}_std').cpu().numpy() for n in BRANCHES])
    out = {
        'spread': float(spread.diagonal().square().mean().sqrt()),
        'residual': float((residual.var(axis=(0, 1)) / scale**2).mean()),
    }
    places = [(d, i) for d in (validation, training) for i in spaced(len(d), _SAMPLED)]
    items = [d[i] for d, i in places]
    faces = sample_faces(model, [item['speaker'] for item in items], samples)
    correct_rates(model, faces, [seen(item['listener']) for item in items])
    distance, compared = real_distance(model, validation, listeners_by_group(validation, _SAMPLED))
    if not math.isnan(distance):
        out['real_distance'] = distance
        own = faces[: samples * len(spaced(len(validation), _SAMPLED))]
        out['sample_distance'] = sample_distance(model, own, samples, compared)
    return out


def spaced(count: int, most: int) -> list[int]:
    """Up to `most` of `count` numbers, evenly spaced."""
    return [int(i) for i in np.unique(np.linspace(0, count - 1, min(most, count)).astype(int))]


def correct_rates(
    model: FacialReactionModel, faces: list[np.ndarray], real: list[np.ndarray]
) -> None:
    """Change the mean hazards by the ratio of the rates in real listeners and samples (T, 160).

    An exemplar may contain several nods, and a weak smile may be missed on one of the two sides.
    """
    ours, theirs = (Liveliness().measure(np.stack(x)[:, None]) for x in (faces, real))
    for kind, event in enumerate(EVENTS):
        own, wanted = (x[f'{event.name}s_per_min'] for x in (ours, theirs))
        if isinstance(own, float) and isinstance(wanted, float) and own and wanted:
            model.motion.bias.data[kind] += math.log(float(np.clip(wanted / own, *_RATES)))


@torch.no_grad()
def decode(
    model: FacialReactionModel, item: dict[str, Any], mirrored: Mirrored | None = None
) -> Decoded:
    """What the network knows of a real listener."""
    speaker = model._tensors({n: x[None] for n, x in item['speaker'].items() if n in SPEAKER})
    base = separate_clip(item, mirrored).base
    known = torch.from_numpy(np.nan_to_num(base).astype(np.float32))
    listener = {n: x[None] for n, x in item['listener'].items()}
    listener |= {n: known[None, :, columns] for n, columns in BRANCH_SLICES.items()}
    encoded = model.encoder(speaker, model.geometry)
    prior = model.vae.prior(encoded)
    apart = model._posterior(encoded, listener)[2].mean - prior.mean
    features = []
    for share in SHARES:
        latents = model.vae.spread(prior.mean + share * apart, encoded.shape[1])
        joint = model.decoder.join(encoded, latents)
        features.append(model.decoder.stack(joint, model.geometry)[0].cpu().numpy())
    return Decoded(base, np.stack(features).astype(np.float16), (apart / prior.stddev)[0])


@torch.no_grad()
def mean_face(model: FacialReactionModel, clip: Decoded) -> np.ndarray:
    """The network's face (T, 160) at the mean of the prior."""
    heads = model.decoder.heads
    face = heads.restore(heads(torch.from_numpy(clip.features[0]).float().to(model.device)))
    return joined({n: x.cpu() for n, x in face.items()})


def latent_covariance(deviations: list[Tensor]) -> Tensor:
    """Cholesky factor (latent_dim, latent_dim) of the covariance of deviations (W, latent_dim).

    The prior's dimensions are independent and fitted one by one; those of the latents that real
    listeners have are not.
    """
    x = torch.cat(deviations).double()
    x = x - x.mean(dim=0)
    covariance = x.T @ x / len(x)
    covariance += 1e-4 * torch.eye(len(covariance), dtype=x.dtype, device=x.device)
    return torch.linalg.cholesky(covariance).float()


@torch.no_grad()
def sample_faces(
    model: FacialReactionModel, speakers: list[dict[str, Tensor]], samples: int
) -> list[np.ndarray]:
    """Reactions (T, 160), `samples` to each speaker, side by side."""
    faces: list[np.ndarray] = []
    for number, speaker in enumerate(speakers):
        seeds = [1000 * number + i for i in range(samples)]
        face, _, _ = model({n: x[None] for n, x in speaker.items()}, seed=seeds, temperature=1.0)
        faces.extend(joined({name: x.cpu() for name, x in face.items()}))
    return faces
