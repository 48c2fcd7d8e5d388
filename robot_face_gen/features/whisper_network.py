# SPDX-License-Identifier: Apache-2.0
"""Whisper's encoder as a torch module: the layers and weight names of openai-whisper's files.

Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", section 2.2.
Only the encoder is here, so neither training nor the robot needs openai-whisper and what it needs;
the tests compare both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention


@dataclass(frozen=True)
class ModelDimensions:
    """Sizes of a Whisper model, with the names in its files."""

    n_mels: int
    n_audio_ctx: int  # positions
    n_audio_state: int  # width
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int


def sinusoids(length: int, channels: int) -> Tensor:
    """Table of positions (length, channels): sines, then cosines, of periods up to 10,000."""
    half = channels // 2
    step = math.log(10_000) / (half - 1)
    angles = torch.arange(length)[:, None] * torch.exp(-step * torch.arange(half))
    return torch.cat((angles.sin(), angles.cos()), dim=1)


class MultiHeadAttention(nn.Module):
    """Attention of some positions to others; keys have no bias."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.n_head = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, asking: Tensor, seen: Tensor) -> Tensor:
        """Positions (B, n, width) that ask and (B, m, width) that are seen: (B, n, width)."""
        q, k, v = (
            project(x).unflatten(-1, (self.n_head, -1)).transpose(1, 2)
            for project, x in ((self.query, asking), (self.key, seen), (self.value, seen))
        )
        return self.out(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class ResidualAttentionBlock(nn.Module):
    """One layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn, self.attn_ln = MultiHeadAttention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.mlp_ln = nn.LayerNorm(width)

    def forward(self, x: Tensor, begin: int = 0, end: int | None = None) -> Tensor:
        """Positions (B, n, width) as this layer sees them: those from `begin` to `end`."""
        seen, x = self.attn_ln(x), x[:, begin:end]
        x = x + self.attn(seen[:, begin:end], seen)
        return x + self.mlp(self.mlp_ln(x))


class AudioEncoder(nn.Module):
    """Log-mel frames in, embeddings out.

    Args:
        dims: of the model.
    """

    positional_embedding: Tensor

    def __init__(self, dims: ModelDimensions) -> None:
        super().__init__()
        width = dims.n_audio_state
        self.conv1 = nn.Conv1d(dims.n_mels, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=2, padding=1)
        self.register_buffer('positional_embedding', sinusoids(dims.n_audio_ctx, width))
        self.blocks = nn.ModuleList(
            ResidualAttentionBlock(width, dims.n_audio_head) for _ in range(dims.n_audio_layer)
        )
        self.ln_post = nn.LayerNorm(width)

    def forward(self, mel: Tensor, begin: int = 0, end: int | None = None) -> Tensor:
        """Embeddings of contexts shorter than the table of positions.

        Args:
            mel: (B, n_mels, frames), an even number of frames of 10 ms.
            begin: the first embedding that is wanted.
            end: the one after the last; None: frames / 2.

        Returns:
            Tensor: (B, end - begin, width).
        """
        x = gelu(self.conv2(gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.positional_embedding[: x.shape[1]]
        *lower, last = self.blocks
        for block in lower:
            x = block(x)
        # The last layer sees all positions, and computes the wanted ones alone.
        return self.ln_post(last(x, begin, end))
