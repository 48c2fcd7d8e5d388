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

_ROUNDS = 5
# Distance of samples, relative to that of real listeners. Latents that are less spread cost
# diversity, but mirror smiles and gaze better (`docs/metrics.md`).
_NEARER = 0.9
_LIMITED = 4  # times that its fast part is reduced to the real one
_REFITS = 3  # of the residual in a round
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
    target *= _NEARER
    used = [int(i) for i in np.unique(np.linspace(0, len(dataset) - 1, min(clips, len(dataset))))]
    items = [dataset[i] for i in used]
    real = [seen(item['listener']) for item in items]
    speakers = [item['speaker'] for item in items]
    statistics, spread = model.decoder.heads.statistics, model.vae.prior_spread
    wanted, factors = power_spectra(real), correlation_factors(separate(x).base for x in real)
    mean = seen_mean(np.stack(real), (0, 1))
    offset, residual = np.zeros(FACE_DIM), np.zeros_like(factors)
    spread.copy_(latent_covariance(model, items))
    out: dict[str, float] = {}
    for _ in range(_ROUNDS):
        own = [own_faces(model, speaker, samples, 1000 * i) for i, speaker in enumerate(speakers)]
        quiet = power_spectra(_sampled(model, own, 0 * residual, 0 * offset))
        gain, offset = np.ones_like(wanted), np.zeros(FACE_DIM)
        for _ in range(_REFITS):
            variance = fit_variances(wanted, quiet, gain)
            residual = np.sqrt(variance)[:, None] * factors
            faces = _sampled(model, own, residual, offset)
            expected = process_spectra().T @ variance
            added = (power_spectra(faces) - quiet) / np.maximum(expected, 1e-12)
            added = np.clip(np.nan_to_num(added, nan=1.0), 0.2, 3.0)
            gain[:, _INTENSITIES] = added[:, _INTENSITIES]
            error = np.nan_to_num(mean - np.mean(faces, axis=(0, 1)))
            offset[_INTENSITIES] = np.clip(offset + error, -0.1, 0.1)[_INTENSITIES]
        for _ in range(_LIMITED):  # jumps have the spectrum of noise, but are rare
            faces = _sampled(model, own, residual, offset)
            fast = power_spectra(faces)[_FAST].mean(axis=0)
            excess = np.sqrt(fast / np.maximum(wanted[_FAST].mean(axis=0), 1e-12))
            excess = np.fmax(excess, _jerk(faces) / np.maximum(_jerk(real), 1e-9))
            residual /= np.clip(np.nan_to_num(excess, nan=1.0), 1.0, 10.0)
        faces = _sampled(model, own, residual, offset)
        if not math.isnan(target):
            distance = sample_distance(model, faces, samples, compared)
            out = {'real_distance': target / _NEARER, 'sample_distance': distance}
            if abs(distance / target - 1) < 0.03:
                break
            spread.mul_(float(np.clip((target / distance) ** 0.5, *_LIMITS)))
    scale = np.concatenate([getattr(statistics, f'{n}_std').cpu().numpy() for n in BRANCHES])
    out |= {
        'spread': float(spread.diagonal().square().mean().sqrt()),
        'residual': float((np.square(residual).sum(axis=(0, 1)) / scale**2).mean()),
    }
    return out


def _jerk(faces: list[np.ndarray]) -> np.ndarray:
    """Mean absolute second differences (160,) of faces (T, 160)."""
    return seen_mean(np.abs(np.diff(np.stack(faces), n=2, axis=1)), (0, 1))


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
def own_faces(
    model: FacialReactionModel, speaker: dict[str, Tensor], samples: int, seed: int
) -> tuple[Face, Tensor, list[int]]:
    """The network's own faces without events and residual: what `add_motion` takes."""
    seeds = [seed + i for i in range(samples)]
    whole = {name: x[None] for name, x in speaker.items()}
    face, given, _ = model(whole, seed=seeds, temperature=1.0, moving=False)
    return face, given.events, seeds


def _sampled(
    model: FacialReactionModel, own: list[Any], residual: np.ndarray, offset: np.ndarray
) -> list[np.ndarray]:
    """Reactions (T, 160) of `own_faces` with this residual."""
    set_residual(model, residual, offset)
    faces: list[np.ndarray] = []
    for face, events, seeds in own:
        moving = model.add_motion(face, events, seeds, 1.0)
        faces.extend(joined({name: x.cpu() for name, x in moving.items()}))
    return faces
