# SPDX-License-Identifier: Apache-2.0
"""Calibrates the spread of the prior and the residual motion after training.

The latents also contain what the network has not learned about the speaker, so its samples differ
more than real listeners do. The spread of the prior is set on validation clips so that two samples
have the distance of two real listeners of the same speaker.
"""

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
from robot_face_gen.facial_reaction_model.losses import pairwise_distances
from robot_face_gen.layout import BRANCH_SLICES, FACE_DIM, INTENSITIES

from .listener_motion import separate
from .plain_metrics import seen_mean
from .reactions import joined, seen
from .residual import correlation_factors, fit_variances, power_spectra, process_spectra

_ROUNDS = 3
_FAST = slice(24, None)  # of the frequencies of `power_spectra`: above 4.7 Hz
_LIMITS = (0.7, 1.4)  # of the change in a round
_INTENSITIES = slice(BRANCH_SLICES['au'].start, BRANCH_SLICES['au'].start + INTENSITIES)


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


def calibrate(
    model: FacialReactionModel, dataset: ClipDataset, *, clips: int = 24, samples: int = 3
) -> dict[str, float]:
    """Set the residual, and `prior_spread` if a speaker has several listeners.

    The residual gives samples the power spectra of real listeners, and the mean of action units,
    which their limits would change. The spread then makes two samples as different as two
    listeners of a speaker.

    Args:
        model: trained, in evaluation mode; changed in place.
        dataset: validation clips.
        clips: number of clips to use.
        samples: number of samples for each.

    Returns:
        dict: `spread`, `real_distance`, `sample_distance` after calibration (the last two only
            with several listeners), `residual`, the mean variance of its standardised channels.
    """
    groups = listeners_by_group(dataset, clips)
    target, compared = real_distance(model, dataset, groups)
    used = [int(i) for i in np.unique(np.linspace(0, len(dataset) - 1, min(clips, len(dataset))))]
    items = [dataset[i] for i in used]
    real = [seen(item['listener']) for item in items]
    speakers = [item['speaker'] for item in items]
    statistics, spread = model.decoder.heads.statistics, model.vae.prior_spread
    wanted, factors = power_spectra(real), correlation_factors(separate(x).base for x in real)
    mean = seen_mean(np.stack(real), (0, 1))
    gain, offset = np.ones_like(wanted), np.zeros(FACE_DIM)
    out: dict[str, float] = {}
    spread.copy_(latent_covariance(model, items))
    for _ in range(_ROUNDS):
        set_residual(model, np.zeros_like(factors), np.zeros(FACE_DIM))
        quiet = power_spectra(sample_faces(model, speakers, samples))
        variance = fit_variances(wanted, quiet, gain)
        residual = np.sqrt(variance)[:, None] * factors
        set_residual(model, residual, offset)
        faces = sample_faces(model, speakers, samples)
        expected = process_spectra().T @ variance
        added = (power_spectra(faces) - quiet) / np.maximum(expected, 1e-12)
        gain[:, _INTENSITIES] = np.clip(np.nan_to_num(added, nan=1.0), 0.2, 3.0)[:, _INTENSITIES]
        error = np.nan_to_num(mean - np.mean(faces, axis=(0, 1)))
        offset[_INTENSITIES] = np.clip(offset + error, -0.1, 0.1)[_INTENSITIES]
        set_residual(model, residual, offset)
        if not math.isnan(target):
            heard = [dataset[members[0]]['speaker'] for members in groups.values()]
            distance = sample_distance(model, heard, samples, compared)
            out = {'real_distance': target, 'sample_distance': distance}
            if abs(distance / target - 1) > 0.03:
                factor = np.clip((target / distance) ** 0.5, *_LIMITS)
                spread.mul_(float(factor))
    for _ in range(2):  # no more fast motion than real listeners have
        full = power_spectra(sample_faces(model, speakers, samples))
        excess = full[_FAST].mean(axis=0) / np.maximum(
            np.nan_to_num(wanted[_FAST]).mean(axis=0), 1e-12
        )
        residual = residual / np.sqrt(np.clip(np.nan_to_num(excess, nan=1.0), 1.0, 100.0))
        set_residual(model, residual, offset)
    scale = np.concatenate([getattr(statistics, f'{n}_std').cpu().numpy() for n in BRANCHES])
    out |= {
        'spread': float(spread.diagonal().square().mean().sqrt()),
        'residual': float((variance.sum(axis=0) / scale**2).mean()),
    }
    return out


def set_residual(model: FacialReactionModel, residual: np.ndarray, offset: np.ndarray) -> None:
    """Set the residual's weights (POLES, FACTORS, 160) and offset (160,)."""
    for place, value in ((model.motion.residual, residual), (model.motion.offset, offset)):
        place.copy_(torch.from_numpy(value.astype(np.float32)))


@torch.no_grad()
def latent_covariance(model: FacialReactionModel, items: list[dict[str, Any]]) -> Tensor:
    """Cholesky factor (latent_dim, latent_dim) of the posterior means' covariance under the prior.

    In standard deviations of the prior. The prior's dimensions are independent and fitted one by
    one; those of the latents that real listeners have are not.
    """
    found = []
    for item in items:
        speaker = {n: x[None] for n, x in item['speaker'].items()}
        apart = separate(seen(item['listener']))
        base = torch.from_numpy(np.nan_to_num(apart.base).astype(np.float32))
        listener = {n: x[None] for n, x in item['listener'].items()}
        listener |= {n: base[None, :, columns] for n, columns in BRANCH_SLICES.items()}
        _, given, _ = model(speaker, listener, seed=0)
        assert given.posterior is not None
        found.append(((given.posterior.mean - given.prior.mean) / given.prior.stddev)[0])
    x = torch.cat(found).double()
    x = x - x.mean(dim=0)
    covariance = x.T @ x / len(x)
    covariance += 1e-4 * torch.eye(len(covariance), dtype=x.dtype, device=x.device)
    return torch.linalg.cholesky(covariance).float()


@torch.no_grad()
def sample_faces(
    model: FacialReactionModel, speakers: list[dict[str, Tensor]], samples: int
) -> list[np.ndarray]:
    """Reactions (T, 160) to each speaker, `samples` of each."""
    faces: list[np.ndarray] = []
    for number, speaker in enumerate(speakers):
        seeds = [number * samples + i for i in range(samples)]
        face, _, _ = model({n: x[None] for n, x in speaker.items()}, seed=seeds, temperature=1.0)
        faces.extend(joined({name: x.cpu() for name, x in face.items()}))
    return faces
