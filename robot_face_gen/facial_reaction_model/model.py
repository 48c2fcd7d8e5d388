# SPDX-License-Identifier: Apache-2.0
"""The whole network: a speaker's face and voice in, a listener's face out, frame by frame.

`FacialReactionModel.forward` answers a whole recording in parallel; `step` answers the next
frames of an endless stream from an explicit `SessionState`. Both are one function: however a
stream is cut, the joined answers are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from .components import Geometry
from .config import ModelConfig, check_temperature
from .decoder import FaceHeads, ListenerReactionDecoder
from .encoder import Face, SpeakerEncoder
from .inputs import check_speaker
from .metadata import CheckpointInfo
from .noise import fresh_noise
from .state import SessionState
from .vae import FacialVAE

Seeds = int | Sequence[int] | None


@dataclass
class LatentDistributions:
    """Distributions of the windows' latents, (B, W, latent_dim), and the latents used."""

    prior: Normal
    posterior: Normal | None
    latents: Tensor


def resolve_seeds(seed: Seeds, batch: int) -> list[int]:
    """One seed a session.

    An int gives its own seed to each session of the batch (seed, seed + 1, ...); a sequence holds
    one for each speaker, or any number for one speaker; None draws them from torch's global
    generator.
    """
    if seed is None:
        return [int(s) for s in torch.randint(2**62, (batch,))]
    if isinstance(seed, int):
        return [seed + i for i in range(batch)]
    seeds = [int(s) for s in seed]
    if not seeds or (batch != 1 and len(seeds) != batch):
        raise ValueError(
            f'seed holds {len(seeds)} seeds: expected one for each of the {batch} speakers'
        )
    return seeds


class FacialReactionModel(nn.Module):
    """A causal, conditional VAE that predicts an attentive listener's face.

    Args:
        config: shape of the network.
        info: what goes with the weights beside it (encoder of the sound, face crop, training).
    """

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
        self.reconstruction = (
            FaceHeads(self.config.feature_dim) if self.config.speaker_reconstruction else None
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.vae.beginning.device

    def forward(
        self,
        speaker_data: Mapping[str, Any],
        seed: Seeds = None,
        temperature: float | None = None,
    ) -> tuple[Face, LatentDistributions, Face | None]:
        """Answer a whole recording, from its first frame.

        Args:
            speaker_data: see `check_speaker`.
            seed: see `resolve_seeds`; several for one speaker give several reactions.
            temperature: scale of the noise; 0 is deterministic, None the configuration's.

        Returns:
            tuple: predictions, a dict of (S, T, 136 | 18 | 4 | 2); the distributions of the
            latents; the speaker's face given back, or None where the model was not made for it.
        """
        speaker = check_speaker(speaker_data, self.config, self.device, self.vae.beginning.dtype)
        batch = speaker['au'].shape[0]
        seeds, temperature = (
            resolve_seeds(seed, batch),
            check_temperature(temperature, self.config),
        )
        encoded = self.encoder(speaker, self.geometry)
        prior = self.vae.prior(self.vae.window_contexts(encoded))
        noise = self.vae.noise(seeds, prior.mean.shape[1]).to(prior.mean)
        latents = prior.mean + prior.stddev * (temperature * noise)
        predictions = self.decode(encoded.expand(len(seeds), -1, -1), latents)
        rebuilt = None if self.reconstruction is None else self.reconstruction(encoded)
        return predictions, LatentDistributions(prior, None, latents), rebuilt

    def decode(self, encoded: Tensor, latents: Tensor) -> Face:
        """The listener's face: encoded speaker (B, T, feature_dim), latents (B, W, latent_dim)."""
        return self.decoder(encoded, self.vae.spread(latents, encoded.shape[1]), self.geometry)

    def make_state(self, speakers: int = 1, seed: Seeds = None) -> SessionState:
        """State of new sessions: one a speaker, or one a seed where there is one speaker."""
        seeds = resolve_seeds(seed, speakers)
        sessions, weight = len(seeds), self.vae.beginning
        return SessionState(
            clock=0,
            seeds=seeds,
            starts=torch.zeros(sessions, dtype=torch.int64),
            encoder=self.encoder.stack.make_rings(speakers, self.geometry),
            decoder=self.decoder.stack.make_rings(sessions, self.geometry),
            context=weight.new_zeros(sessions, self.config.feature_dim),
            noise=weight.new_zeros(sessions, self.config.latent_dim),
            last=weight.new_zeros(sessions, self.config.latent_dim),
            own=weight.new_zeros(sessions, self.config.latent_dim),
        )

    @torch.no_grad()
    def step(self, speaker: Face, state: SessionState, temperature: float) -> Face:
        """Answer the next frames of a stream, at most `window_size` of them; moves `state` on.

        Args:
            speaker: what `check_speaker` gave, (B, n, ...).
            state: of the same number of speakers.
            temperature: scale of the noise of windows that begin here.

        Returns:
            dict: (S, n, 136 | 18 | 4 | 2).
        """
        frames = speaker['au'].shape[1]
        mask = self.geometry.ring_mask(state.clock, frames, state.starts)
        encoded = self.encoder.step(speaker, state.encoder, self.geometry, state.clock, mask)
        encoded = encoded.expand(state.sessions, -1, -1)
        latents = self._advance(encoded, state, temperature)
        face = self.decoder.step(encoded, latents, state.decoder, self.geometry, state.clock, mask)
        state.clock += frames
        return face

    def _advance(self, encoded: Tensor, state: SessionState, temperature: float) -> Tensor:
        """Latents (S, n, latent_dim + 2) of the next frames; draws those of new windows."""
        frames, size = encoded.shape[1], self.config.window_size
        place = torch.arange(frames)
        seen = state.frames
        phase = (seen[:, None] + place) % size
        begins = (-seen) % size  # at most one window begins in a block of window_size frames
        starting = begins < frames
        last, own = state.last[:, None], state.own[:, None]
        if bool(starting.any()):
            rows = starting.nonzero()[:, 0]
            at = begins[rows]
            first = (seen[rows] + at == 0).to(encoded.device)[:, None]
            windows = ((seen[rows] + at) // size).tolist()
            before = torch.cat((state.context[:, None], encoded[:, :-1]), dim=1)
            context = torch.where(first, self.vae.beginning, before[rows, at])
            prior = self.vae.prior(context)
            seeds = [state.seeds[row] for row in rows.tolist()]
            drawn = fresh_noise(seeds, windows, self.config.latent_dim)
            fresh = torch.from_numpy(drawn).to(context)
            noise = torch.where(first, fresh, self.vae.correlate(state.noise[rows], fresh))
            latent = prior.mean + prior.stddev * (temperature * noise)
            previous = torch.where(first, latent, state.own[rows])
            new = (place >= begins[:, None])[..., None].to(encoded.device)
            last_new, own_new = state.last.clone(), state.own.clone()
            last_new[rows], own_new[rows] = previous, latent
            last = torch.where(new, last_new[:, None], last)
            own = torch.where(new, own_new[:, None], own)
            state.last, state.own = last_new, own_new
            state.noise[rows] = noise
        state.context = encoded[:, -1].clone()
        return self.vae.blend(last, own, phase.to(encoded.device))
