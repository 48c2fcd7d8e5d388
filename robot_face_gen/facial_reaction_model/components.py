# SPDX-License-Identifier: Apache-2.0
"""Building blocks of encoder and decoder: rotary positions, sliding-window attention, layers.

`forward` takes a whole sequence from its first frame, parallel over time. `step.py` computes the
same function for the next few frames of a stream, with the keys and values of the past in a ring
buffer.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import ModelConfig


class Geometry(nn.Module):
    """Position tables and masks that all attention layers share.

    Positions are rotary (Su et al. 2021, RoFormer). Every frequency makes a whole number of turns
    in `cycle` frames, so positions can be counted modulo `cycle`: they stay exact however long a
    session lasts, and attention depends on distances in time alone.

    Attributes:
        cos, sin: (cycle, head_dim), sin with the sign that `rotate` needs.
        band: (window, 2 window - 1) bool, which keys a block of queries sees.
    """

    cos: Tensor
    sin: Tensor
    band: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.window = config.max_seq_len
        self.group = config.num_heads // config.num_kv_heads
        # A block of new frames is written before it is read, so the ring also has to hold what
        # the first frame of the block sees.
        self.ring_size = self.window + config.window_size - 1
        # At least eight windows long: no two visible frames share a position.
        self.cycle = config.period * 2 ** math.ceil(math.log2(8 * self.window / config.period + 1))
        if torch.empty(0).is_meta:  # only the shapes of the weights are asked for
            return
        frequencies = config.feature_dim // config.num_heads // 2
        fastest, slowest = self.cycle / (2 * math.pi), 1.0
        ladder = torch.logspace(
            math.log10(fastest), math.log10(slowest), frequencies, dtype=torch.float64
        )
        turns = ladder.round()
        turns[frequencies // 2] = self.cycle // config.period  # one has a period of one second
        frames = torch.arange(self.cycle, dtype=torch.float64)
        angle = 2 * math.pi * (frames[:, None] * turns[None, :]).remainder(self.cycle) / self.cycle
        cos, sin = angle.cos().float(), angle.sin().float()
        self.register_buffer('cos', torch.cat((cos, cos), dim=-1), persistent=False)
        self.register_buffer('sin', torch.cat((-sin, sin), dim=-1), persistent=False)
        query = torch.arange(self.window)[:, None]
        age = query - (torch.arange(2 * self.window - 1)[None, :] - (self.window - 1))
        self.register_buffer('band', (age >= 0) & (age < self.window), persistent=False)

    def rotary(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines (count, head_dim) of the frames from number `first` on."""
        index = torch.arange(first, first + count, device=self.cos.device) % self.cycle
        return self.cos[index], self.sin[index]


def rotate(x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate x (..., T, head_dim) by its frames' angles: channel i with i + head_dim / 2."""
    cos, sin = rotary
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)


class SlidingWindowAttention(nn.Module):
    """Causal multi-head attention over the newest `max_seq_len` frames.

    Groups of query heads share a head of keys and values (Ainslie et al. 2023, GQA). That makes
    the state of a session smaller, which a step has to read for every frame.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.num_heads, config.num_kv_heads
        self.head_dim = config.feature_dim // config.num_heads
        self.group = self.heads // self.kv_heads
        self.qkv = nn.Linear(config.feature_dim, (self.heads + 2 * self.kv_heads) * self.head_dim)
        self.out = nn.Linear(config.feature_dim, config.feature_dim)

    def forward(self, x: Tensor, geometry: Geometry) -> Tensor:
        """Attend within a whole sequence x (B, T, feature_dim) from its first frame."""
        batch, frames, _ = x.shape
        qkv = self.qkv(x).view(batch, frames, -1, self.head_dim).transpose(1, 2)
        qk, v = qkv.split((self.heads + self.kv_heads, self.kv_heads), dim=1)
        q, k = rotate(qk, geometry.rotary(0, frames)).split((self.heads, self.kv_heads), dim=1)
        k, v = (part.repeat_interleave(self.group, dim=1) for part in (k, v))
        return self.out(self._attend(q, k, v, geometry).transpose(1, 2).flatten(2))

    @staticmethod
    def _attend(q: Tensor, k: Tensor, v: Tensor, geometry: Geometry) -> Tensor:
        frames, window = q.shape[2], geometry.window
        if frames <= window:
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        parts = []
        for begin in range(0, frames, window):  # in blocks: memory grows with T, not with T x T
            end = min(begin + window, frames)
            oldest = max(0, begin - window + 1)
            mask = geometry.band[
                : end - begin, window - 1 - (begin - oldest) : window - 1 + end - begin
            ]
            parts.append(
                F.scaled_dot_product_attention(
                    q[:, :, begin:end], k[:, :, oldest:end], v[:, :, oldest:end], attn_mask=mask
                )
            )
        return torch.cat(parts, dim=2)


class CausalLayer(nn.Module):
    """A pre-norm transformer layer (Xiong et al. 2020) with sliding-window attention."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.feature_dim)
        self.attention = SlidingWindowAttention(config)
        self.feedforward = nn.Sequential(
            nn.LayerNorm(config.feature_dim),
            nn.Linear(config.feature_dim, config.feedforward_dim),
            nn.GELU(),
            nn.Linear(config.feedforward_dim, config.feature_dim),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, geometry: Geometry) -> Tensor:
        """Take x (B, T, feature_dim) to the same shape."""
        x = x + self.dropout(self.attention(self.attention_norm(x), geometry))
        return x + self.dropout(self.feedforward(x))


class CausalStack(nn.Module):
    """A stack of layers and a final normalisation."""

    def __init__(self, config: ModelConfig, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(CausalLayer(config) for _ in range(layers))
        self.norm = nn.LayerNorm(config.feature_dim)

    def forward(self, x: Tensor, geometry: Geometry) -> Tensor:
        """Take x (B, T, feature_dim) to the same shape."""
        for layer in self.layers:
            x = layer(x, geometry)
        return self.norm(x)
