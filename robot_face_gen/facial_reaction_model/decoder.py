# SPDX-License-Identifier: Apache-2.0
"""From the encoded speaker and a latent to the listener's face, branch by branch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .components import CausalStack, Geometry, Ring
from .config import BRANCHES, ModelConfig
from .encoder import Face, FeatureStatistics

# Action units are intensities from 0 to 5 and, last, the presence of AU28 from 0 to 1 (OpenFace).
_AU_HIGHEST = (5.0,) * 17 + (1.0,)


class _PassGradient(torch.autograd.Function):
    """Clamp whose gradient is one everywhere: a value that left the range can come back."""

    @staticmethod
    def forward(ctx, x: Tensor, highest: Tensor) -> Tensor:
        return torch.minimum(x.clamp(min=0.0), highest)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class FaceHeads(nn.Module):
    """(B, T, feature_dim) to the four branches of a face, in their own units."""

    highest: Tensor

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        self.statistics = FeatureStatistics()
        self.branches = nn.ModuleDict(
            {
                branch: nn.Sequential(
                    nn.Linear(feature_dim, feature_dim // 2),
                    nn.GELU(),
                    nn.Linear(feature_dim // 2, width),
                )
                for branch, width in BRANCHES.items()
            }
        )
        self.register_buffer('highest', torch.tensor(_AU_HIGHEST), persistent=False)

    def forward(self, x: Tensor) -> Face:
        """Dict of (B, T, 136 | 18 | 4 | 2)."""
        face = {name: self.statistics.restore(name, net(x)) for name, net in self.branches.items()}
        if torch.is_grad_enabled():
            face['au'] = _PassGradient.apply(face['au'], self.highest)
        else:
            face['au'] = torch.minimum(face['au'].clamp(min=0.0), self.highest)
        return face


class ListenerReactionDecoder(nn.Module):
    """The listener's face; frame t knows the speaker up to t and the latents up to its window."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.latent = nn.Sequential(
            nn.Linear(config.latent_dim + 2, config.feature_dim),
            nn.GELU(),
            nn.Linear(config.feature_dim, config.feature_dim),
        )
        self.speaker = nn.Linear(config.feature_dim, config.feature_dim)
        self.stack = CausalStack(config, config.decoder_layers)
        self.heads = FaceHeads(config.feature_dim)

    def join(self, encoded: Tensor, latents: Tensor) -> Tensor:
        """Encoded speaker (B, T, feature_dim) and latents (B, T, latent_dim + 2) to one input."""
        return self.speaker(encoded) + self.latent(latents)

    def forward(self, encoded: Tensor, latents: Tensor, geometry: Geometry) -> Face:
        """A whole sequence, parallel over time."""
        return self.heads(self.stack(self.join(encoded, latents), geometry))

    def step(
        self,
        encoded: Tensor,
        latents: Tensor,
        rings: Sequence[Ring],
        geometry: Geometry,
        clock: int,
        mask: Tensor,
    ) -> Face:
        """The next frames of a stream."""
        return self.heads(
            self.stack.step(self.join(encoded, latents), rings, geometry, clock, mask)
        )
