# SPDX-License-Identifier: Apache-2.0
"""From the speaker's face and voice to one vector a frame that knows the past and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from .components import CausalStack, Geometry, Ring
from .config import BRANCHES, EMBEDDINGS_PER_FRAME, ModelConfig
from .typical_face import TYPICAL

Face = dict[str, Tensor]


class FeatureStatistics(nn.Module):
    """Mean and spread of each value of a face; they travel with the weights.

    A network that has not been trained has those of a typical face: it moves a face, not a tangle.
    """

    def __init__(self) -> None:
        super().__init__()
        for branch in BRANCHES:
            mean, std = TYPICAL[branch]
            self.register_buffer(f'{branch}_mean', torch.tensor(mean))
            self.register_buffer(f'{branch}_std', torch.tensor(std))

    def set(self, branch: str, mean: Tensor, std: Tensor) -> None:
        """Take over the mean and standard deviation (width,) of a branch."""
        getattr(self, f'{branch}_mean').copy_(mean)
        getattr(self, f'{branch}_std').copy_(std)

    def standardise(self, branch: str, x: Tensor) -> Tensor:
        """Take x (..., width) in its own units to mean 0 and spread 1."""
        return (x - getattr(self, f'{branch}_mean')) / getattr(self, f'{branch}_std')

    def restore(self, branch: str, x: Tensor) -> Tensor:
        """The inverse of `standardise`."""
        return x * getattr(self, f'{branch}_std') + getattr(self, f'{branch}_mean')


class FacialFeatureEncoder(nn.Module):
    """A standardised face (landmarks, AU, pose, gaze) to (B, T, feature_dim), frame by frame."""

    # A share of the width for each branch; the landmarks carry most.
    SHARES: ClassVar[dict[str, int]] = {'landmarks': 4, 'au': 2, 'pose': 1, 'gaze': 1}

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        unit = max(feature_dim // sum(self.SHARES.values()), 4)
        self.branches = nn.ModuleDict(
            {
                branch: nn.Sequential(nn.Linear(width, unit * self.SHARES[branch]), nn.GELU())
                for branch, width in BRANCHES.items()
            }
        )
        self.merge = nn.Linear(unit * sum(self.SHARES.values()), feature_dim)

    def forward(self, face: Face) -> Tensor:
        """Dict of (B, T, 136 | 18 | 4 | 2), standardised, to (B, T, feature_dim)."""
        return self.merge(
            torch.cat([net(face[name]) for name, net in self.branches.items()], dim=-1)
        )


class AudioFeatureEncoder(nn.Module):
    """The embeddings of one frame's sound (B, T, 2, audio_dim) to (B, T, feature_dim)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.audio_dim)
        self.net = nn.Sequential(
            nn.Linear(EMBEDDINGS_PER_FRAME * config.audio_dim, config.feature_dim),
            nn.GELU(),
            nn.Linear(config.feature_dim, config.feature_dim),
        )

    def forward(self, audio: Tensor) -> Tensor:
        """(B, T, 2, audio_dim) to (B, T, feature_dim)."""
        return self.net(self.norm(audio).flatten(2))


class MultiModalFusion(nn.Module):
    """Face and voice to one vector; a learned stand-in takes the place of what is missing."""

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        self.no_face = nn.Parameter(torch.zeros(feature_dim))
        self.no_audio = nn.Parameter(torch.zeros(feature_dim))
        self.feature_dim = feature_dim
        self.merge = nn.Linear(2 * feature_dim, 2 * feature_dim)

    def forward(
        self, face: Tensor, audio: Tensor, face_valid: Tensor, audio_valid: Tensor
    ) -> Tensor:
        """Two (B, T, feature_dim) with their masks (B, T) to one (B, T, feature_dim)."""
        # where, not a product: what is behind a mask never reaches the output, whatever it holds.
        face = torch.where(face_valid[..., None], face, self.no_face)
        audio = torch.where(audio_valid[..., None], audio, self.no_audio)
        both = self.merge(torch.cat((face, audio), dim=-1))
        value, gate = both.split(self.feature_dim, dim=-1)
        return value * gate.sigmoid()  # a gated linear unit (Dauphin et al. 2017)


class SpeakerEncoder(nn.Module):
    """Face and voice of the speaker to (B, T, feature_dim); frame t knows frames <= t alone."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.statistics = FeatureStatistics()
        self.face = FacialFeatureEncoder(config.feature_dim)
        self.audio = AudioFeatureEncoder(config)
        self.fusion = MultiModalFusion(config.feature_dim)
        self.stack = CausalStack(config, config.encoder_layers)

    def embed(self, speaker: Face) -> Tensor:
        """Each frame on its own: checked speaker data to (B, T, feature_dim)."""
        face = {name: self.statistics.standardise(name, speaker[name]) for name in BRANCHES}
        return self.fusion(
            self.face(face),
            self.audio(speaker['audio']),
            speaker['face_valid'],
            speaker['audio_valid'],
        )

    def forward(self, speaker: Face, geometry: Geometry) -> Tensor:
        """A whole sequence, parallel over time."""
        return self.stack(self.embed(speaker), geometry)

    def step(
        self, speaker: Face, rings: Sequence[Ring], geometry: Geometry, clock: int, mask: Tensor
    ) -> Tensor:
        """The next frames of a stream."""
        return self.stack.step(self.embed(speaker), rings, geometry, clock, mask)
