# SPDX-License-Identifier: Apache-2.0
"""The whole network: a speaker's face and voice in, a listener's face out, frame by frame.

`FacialReactionModel.forward` is the reference: it answers whole recordings, and training calls it.
`step.py` computes the same function for the next frames of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from .components import Geometry
from .config import BRANCHES, CheckpointInfo, ModelConfig, check_temperature
from .decoder import EventHead, FaceHeads, ListenerReactionDecoder
from .encoder import Face, SpeakerEncoder, seen_values
from .events import LiveMotion, Motion
from .inputs import Seeds, check_face, check_speaker, resolve_seeds
from .vae import FacialVAE


@dataclass
class LatentDistributions:
    """Distributions (B, W, latent_dim) of the windows' latents, and the latents that were used."""

    prior: Normal  # p
    posterior: Normal | None  # q; None without a listener
    latents: Tensor  # (S, W, latent_dim), in the order of the predictions
    events: Tensor  # (B, T, E) logits of events, see `events`
    # the real listener's face, standardised, 0 where a value is missing; None without a listener
    listener: Face | None = None
    # which of its values are valid: landmarks (B, T, 1), the others (B, T, width) bool
    seen: Face | None = None


def torch_seed() -> int:
    """A seed from torch's global generator."""
    return int(torch.randint(2**62, ()))


class FacialReactionModel(nn.Module):
    """A causal, conditional VAE that predicts an attentive listener's face."""

    def __init__(
        self, config: ModelConfig | None = None, info: CheckpointInfo | None = None
    ) -> None:
        super().__init__()
        self.config = config or ModelConfig()
        self.info = info or CheckpointInfo()
        self.geometry = Geometry(self.config)
        self.encoder = SpeakerEncoder(self.config)
        self.vae = FacialVAE(self.config)
        self.decoder = ListenerReactionDecoder(self.config)
        self.motion = EventHead(self.config.feature_dim)
        self.reconstruction = (
            FaceHeads(self.config.feature_dim) if self.config.speaker_reconstruction else None
        )

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.vae.beginning.device

    def live_motion(self) -> Motion:
        """Events and residual, as sessions use them."""
        weights = {
            n: t.detach().float().cpu().numpy() for n, t in self.motion.state_dict().items()
        }
        return Motion(weights, self.config.window_size)

    def forward(
        self,
        speaker_data: Mapping[str, Any],
        listener: Mapping[str, Any] | None = None,
        *,
        seed: Seeds = None,
        temperature: float | None = None,
        moving: bool = True,
    ) -> tuple[Face, LatentDistributions, Face | None]:
        """React to whole recordings of B speakers, from their first frame.

        Args:
            speaker_data: see `check_speaker`.
            listener: for training: the real listener's four branches, `face_valid` (B, T) bool
                and, where values are missing, `face_mask` (B, T, 25) bool.
            seed: see `resolve_seeds`; several for one speaker give several reactions. With a
                listener: 1 + M seeds for each speaker, side by side (an int or None: 2 each).
            temperature: scale of the noise; 0 is deterministic, None the configuration's.
            moving: add events and residual (never with a listener).

        Returns:
            tuple: the predictions, dict of (S, T, 136 | 18 | 4 | 2) in the branches' own units;
            the distributions of the latents; the speaker's face reconstructed, or None if the
            model was not made for it. With a listener, both faces are standardised, as the losses
            compare them, and the predictions are (B, 2 + M, T, ...): a sample of the posterior,
            the prior's mean, M samples of the prior.

        Raises:
            ValueError: bad input; the message names it.
        """
        speaker = self._tensors(check_speaker(speaker_data, self.config))
        batch, frames = speaker['au'].shape[:2]
        temperature = check_temperature(temperature, self.config)
        encoded = self.encoder(speaker, self.geometry)
        events = self.motion(encoded)
        prior = self.vae.prior(encoded)
        if listener is None:
            seeds = resolve_seeds(seed, batch, torch_seed)
            noise = self._noise(seeds, prior)
            latents = prior.mean + prior.stddev * self.vae.mixed(temperature * noise)
            distributions = LatentDistributions(prior, None, latents, events)
        else:
            seeds = _training_seeds(seed, batch)
            noise = self._noise(seeds, prior).unflatten(0, (batch, -1))
            face, seen, posterior = self._posterior(encoded, listener)
            rebuilt = posterior.mean + posterior.stddev * noise[:, 0]
            samples = prior.mean[:, None] + prior.stddev[:, None] * self.vae.mixed(
                temperature * noise[:, 1:]
            )
            latents = torch.cat((rebuilt[:, None], prior.mean[:, None], samples), dim=1)
            distributions = LatentDistributions(prior, posterior, latents, events, face, seen)
            latents = latents.flatten(0, 1)
        each = encoded[:, None].expand(-1, len(latents) // batch, -1, -1).flatten(0, 1)
        predictions = self.decoder(each, self.vae.spread(latents, frames), self.geometry)
        heads, extra = self.decoder.heads, self.reconstruction
        speaker_face = None if extra is None else extra(encoded)
        if listener is not None:
            predictions = {name: x.unflatten(0, (batch, -1)) for name, x in predictions.items()}
            return predictions, distributions, speaker_face
        if extra is not None and speaker_face is not None:
            speaker_face = extra.restore(speaker_face)
        face = heads.restore(predictions)
        if moving:
            face = self.add_motion(face, events, seeds, temperature)
        return face, distributions, speaker_face

    def add_motion(self, face: Face, events: Tensor, seeds: list[int], temperature: float) -> Face:
        """Add events and residual to the network's face (S, T, ...) of new sessions."""
        sessions, frames = face['au'].shape[:2]
        live, size = LiveMotion(self.live_motion(), sessions), self.config.window_size
        arrays = {n: x.detach().float().cpu().numpy() for n, x in face.items()}
        logits = events.detach().float().expand(sessions, -1, -1).cpu().numpy()
        parts = [
            live.add(
                {name: x[:, begin : begin + size] for name, x in arrays.items()},
                logits[:, begin : begin + size],
                range(sessions), seeds, [begin] * sessions, temperature,
            )
            for begin in range(0, frames, size)
        ]  # fmt: skip
        moving = {n: torch.from_numpy(np.concatenate([p[n] for p in parts], 1)) for n in face}
        # What was added is a constant: gradients are those of the network's face.
        return {n: x + (moving[n].to(x) - x.detach()) for n, x in face.items()}

    def _posterior(
        self, encoded: Tensor, listener: Mapping[str, Any]
    ) -> tuple[Face, Face, Normal]:
        """The listener's standardised face, its valid values, and the posterior that saw it."""
        data = self._tensors(check_face(listener, 'listener'))
        valid = torch.as_tensor(listener['face_valid'], device=self.device)
        if data['au'].shape[:2] != encoded.shape[:2] or valid.shape != encoded.shape[:2]:
            raise ValueError(
                f'listener: {tuple(data["au"].shape[:2])} frames, face_valid '
                f'{tuple(valid.shape)}: expected {tuple(encoded.shape[:2])}, as the speaker has'
            )
        face = self.decoder.heads.statistics.standardise_face(data)
        joined = torch.cat([face[name] for name in BRANCHES], dim=-1)
        seen = seen_values({**data, 'face_valid': valid})
        return face, seen, self.vae.posterior(encoded, joined, valid)

    def _noise(self, seeds: list[int], prior: Normal) -> Tensor:
        return self.vae.noise(seeds, prior.mean.shape[1]).to(prior.mean)

    def _tensors(self, data: Mapping[str, Any]) -> Face:
        """Arrays and tensors to the device; floating-point ones in the weights' type."""
        tensors = {name: torch.as_tensor(value) for name, value in data.items()}
        return {
            name: t.to(self.device, None if t.dtype == torch.bool else self.vae.beginning.dtype)
            for name, t in tensors.items()
        }


def _training_seeds(seed: Seeds, batch: int) -> list[int]:
    """At least two for each speaker."""
    if seed is None or isinstance(seed, (int, np.integer)):
        return resolve_seeds(seed, 2 * batch, torch_seed)
    seeds = [int(s) for s in seed]
    if not seeds or len(seeds) % batch:
        raise ValueError(
            f'seed holds {len(seeds)} seeds: expected the same number for each of the {batch} '
            'speakers'
        )
    return seeds
