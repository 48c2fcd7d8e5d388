# SPDX-License-Identifier: Apache-2.0
"""The speaker's face and voice to one vector per frame; frame t depends on frames <= t only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..layout import VALUE_MASK_SLICES, VALUE_MASK_WIDTH
from .components import CausalStack, Geometry
from .config import BRANCHES, EMBEDDINGS_PER_FRAME, TYPICAL, ModelConfig

Face = dict[str, Tensor]


class FeatureStatistics(nn.Module):
    """Mean and standard deviation of each value of a face; part of the checkpoint.

    An untrained network has those of a typical face, so its output looks like a face.
    """

    def __init__(self) -> None:
        super().__init__()
        for branch in BRANCHES:
            mean, std = TYPICAL[branch]
            self.register_buffer(f'{branch}_mean', torch.tensor(mean))
            self.register_buffer(f'{branch}_std', torch.tensor(std))

    def set(self, branch: str, mean: Tensor, std: Tensor) -> None:
        """Set the mean and standard deviation (width,) of a branch."""
        getattr(self, f'{branch}_mean').copy_(mean)
        getattr(self, f'{branch}_std').copy_(std)

    def standardise(self, branch: str, x: Tensor) -> Tensor:
        """Take x (..., width) from its own units to mean 0 and standard deviation 1."""
        return (x - getattr(self, f'{branch}_mean')) / getattr(self, f'{branch}_std')

    def restore(self, branch: str, x: Tensor) -> Tensor:
        """The inverse of `standardise`."""
        return x * getattr(self, f'{branch}_std') + getattr(self, f'{branch}_mean')

    def standardise_face(self, face: Mapping[str, Tensor]) -> Face:
        """`standardise` each branch; 0, the mean, where `face_mask` is false."""
        scaled = {name: self.standardise(name, face[name]) for name in BRANCHES}
        if 'face_mask' not in face:
            return scaled
        # `where`, not a product: a missing value may be NaN.
        return {
            name: torch.where(valid, scaled[name], scaled[name].new_zeros(()))
            for name, valid in split_mask(face['face_mask']).items()
        }


def split_mask(mask: Tensor) -> Face:
    """A mask (..., 25) branch by branch: landmarks (..., 1), the others as wide as the branch."""
    return {name: mask[..., place] for name, place in VALUE_MASK_SLICES.items()}


def seen_values(face: Mapping[str, Tensor]) -> Face:
    """Which values of a face were seen: those of `face_mask`, in frames with `face_valid`.

    Returns:
        dict: landmarks (..., T, 1), the other branches (..., T, width), bool.
    """
    valid = face['face_valid'][..., None]
    mask = face.get('face_mask')
    return split_mask(
        valid.expand(*valid.shape[:-1], VALUE_MASK_WIDTH) if mask is None else mask & valid
    )


class FacialFeatureEncoder(nn.Module):
    """A standardised face (landmarks, AU, pose, gaze) to (B, T, feature_dim), frame by frame.

    Attributes:
        missing: (width of all branches' layers, 25), weights of the flags of missing values;
            zeros at first.
    """

    # Share of the width that each branch gets.
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
        width = unit * sum(self.SHARES.values())
        self.merge = nn.Linear(width, feature_dim)
        self.missing = nn.Parameter(torch.zeros(width, VALUE_MASK_WIDTH))

    def forward(self, face: Face, mask: Tensor) -> Tensor:
        """Dict of (B, T, 136 | 18 | 4 | 2), standardised, and its mask to (B, T, feature_dim)."""
        parts = [cast(nn.Sequential, net)[0](face[name]) for name, net in self.branches.items()]
        flags = F.linear((~mask).to(self.missing.dtype), self.missing)
        return self.merge(F.gelu(torch.cat(parts, dim=-1) + flags))


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
        return self.net(self.norm(audio).flatten(-2))


class MultiModalFusion(nn.Module):
    """Face and voice to one vector; a learned vector replaces what is missing."""

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        self.no_face = nn.Parameter(torch.zeros(feature_dim))
        self.no_audio = nn.Parameter(torch.zeros(feature_dim))
        self.feature_dim = feature_dim
        self.merge = nn.Linear(2 * feature_dim, 2 * feature_dim)

    def forward(
        self, face: Tensor, audio: Tensor, face_valid: Tensor, audio_valid: Tensor
    ) -> Tensor:
        """Two (..., feature_dim) with their masks (...) to one (..., feature_dim)."""
        # `where`, not a product: masked values never reach the output, not even NaN.
        face = torch.where(face_valid[..., None], face, self.no_face)
        audio = torch.where(audio_valid[..., None], audio, self.no_audio)
        both = self.merge(torch.cat((face, audio), dim=-1))
        value, gate = both.split(self.feature_dim, dim=-1)
        return value * gate.sigmoid()  # a gated linear unit (Dauphin et al. 2017)


class SpeakerEncoder(nn.Module):
    """Face and voice of the speaker to (B, T, feature_dim)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.statistics = FeatureStatistics()
        self.face = FacialFeatureEncoder(config.feature_dim)
        self.audio = AudioFeatureEncoder(config)
        self.fusion = MultiModalFusion(config.feature_dim)
        self.stack = CausalStack(config, config.encoder_layers)

    def forward(self, speaker: Face, geometry: Geometry) -> Tensor:
        """Encode a whole sequence, in its own units, as `check_speaker` returns it."""
        embedded = self.fusion(
            self.face(self.statistics.standardise_face(speaker), speaker['face_mask']),
            self.audio(speaker['audio']),
            speaker['face_valid'],
            speaker['audio_valid'],
        )
        return self.stack(embedded, geometry)
