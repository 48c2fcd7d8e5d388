# SPDX-License-Identifier: Apache-2.0
"""The encoded speaker and the latents to the listener's face, branch by branch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .components import CausalStack, Geometry
from .config import BRANCHES, ModelConfig
from .encoder import Face, FeatureStatistics
from .events import EVENTS, age_codes, untrained_weights

# Action units are intensities from 0 to 5 and, last, the presence of AU28 from 0 to 1 (OpenFace).
_AU_HIGHEST = (5.0,) * 17 + (1.0,)


class _StraightThroughClamp(torch.autograd.Function):
    """Clamp whose gradient is 1 everywhere: a value out of range can come back."""

    @staticmethod
    def forward(ctx, x: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(x, lowest), highest)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient, None, None


class FaceHeads(nn.Module):
    """(B, T, feature_dim) to the four branches of a face, one small network each."""

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
        """Standardised dict of (B, T, 136 | 18 | 4 | 2), action units within their range."""
        face = {name: net(x) for name, net in self.branches.items()}
        lowest, highest = (
            self.statistics.standardise('au', limit)
            for limit in (torch.zeros_like(self.highest), self.highest)
        )
        face['au'] = _StraightThroughClamp.apply(face['au'], lowest, highest)
        return face

    def restore(self, face: Face) -> Face:
        """From standardised values to the branches' own units."""
        out = {name: self.statistics.restore(name, face[name]) for name in BRANCHES}
        out['au'] = self.clamp(out['au'])  # exactly: rounding may have left the range
        return out

    def clamp(self, action_units: Tensor) -> Tensor:
        """Action units (..., 18) in their own units, limited to their range."""
        return torch.minimum(action_units.clamp(min=0.0), self.highest)


class EventHead(nn.Module):
    """The encoded speaker to a logit per frame for each type of event; see `events`.

    Its other weights are what `events.Motion` reads: exemplars and the residual.

    Attributes:
        ages: (E, AGE_KNOTS + 1), what is added to a logit, by the time since the last event.
    """

    # Unusual input cannot raise or lower a rate beyond this factor, exp(reach).
    REACH = 2.5
    ages: Tensor
    bias: Tensor
    codes: Tensor
    residual: Tensor
    offset: Tensor

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(feature_dim, feature_dim // 2),
            nn.GELU(),
            nn.Linear(feature_dim // 2, len(EVENTS)),
        )
        for name, value in untrained_weights().items():
            if name in ('bias', 'ages'):
                self.register_parameter(name, nn.Parameter(torch.from_numpy(value)))
            else:
                self.register_buffer(name, torch.from_numpy(value))
        self.register_buffer('codes', torch.from_numpy(age_codes()), persistent=False)

    def forward(self, encoded: Tensor) -> Tensor:
        """(..., feature_dim) to (..., E)."""
        return self.bias + self.REACH * torch.tanh(self.net(encoded))

    def log_likelihood(self, logits: Tensor, age: Tensor, onset: Tensor) -> Tensor:
        """Of each frame; all are (B, T, E). 0 where the age is negative.

        `age` (int) is frames since the last event ended, up to MAX_AGE, or UNKNOWN_AGE; negative
        where no event can begin or it was not seen. In frames with `onset` (bool), one begins.
        """
        code = self.codes[age.clamp(min=0)]  # (B, T, E, AGE_KNOTS + 1)
        logits = logits + (code * self.ages).sum(dim=-1)
        each = nn.functional.logsigmoid(torch.where(onset, logits, -logits))
        return torch.where(age >= 0, each, each.new_zeros(()))


class ListenerReactionDecoder(nn.Module):
    """The listener's face; frame t depends on the speaker up to t and latents up to its window."""

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
        """Add the encoded speaker (..., feature_dim) and the latents (..., latent_dim + 2)."""
        return self.speaker(encoded) + self.latent(latents)

    def forward(self, encoded: Tensor, latents: Tensor, geometry: Geometry) -> Face:
        """Decode a whole sequence to a standardised face."""
        return self.heads(self.stack(self.join(encoded, latents), geometry))
