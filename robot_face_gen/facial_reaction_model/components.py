# SPDX-License-Identifier: Apache-2.0
"""Building blocks: rotary positions, sliding-window attention with a ring for streaming, a layer.

The same weights run in two ways. `forward` takes a whole sequence from its first frame and is
parallel over time (training, evaluation). `step` takes the next few frames of an endless stream
and keeps what attention needs of the past in a ring of fixed size. Both compute one function.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import ModelConfig


class Geometry(nn.Module):
    """Tables of positions and masks that all attention layers share; built once.

    Positions are rotary (Su et al. 2021, RoFormer). Each wheel makes a whole number of turns in
    `cycle` frames, so that positions can be counted modulo `cycle`: the code stays exact however
    long a session lasts, and attention depends on distances in time alone.
    """

    cos: Tensor
    sin: Tensor
    band: Tensor
    slots: Tensor
    nothing: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.window = config.max_seq_len
        self.group = config.num_heads // config.num_kv_heads
        self.block = config.window_size
        # A block of new frames is written before it is read: the ring also holds what the first
        # frame of a block sees.
        self.ring_size = self.window + self.block - 1
        # At least eight windows, so that no two frames in sight share a position.
        self.cycle = config.period * 2 ** math.ceil(math.log2(8 * self.window / config.period + 1))
        wheels = config.feature_dim // config.num_heads // 2
        fastest, slowest = self.cycle / (2 * math.pi), 1.0
        ladder = torch.logspace(
            math.log10(fastest), math.log10(slowest), wheels, dtype=torch.float64
        )
        turns = ladder.round()
        turns[wheels // 2] = self.cycle // config.period  # one wheel turns once in a period
        frames = torch.arange(self.cycle, dtype=torch.float64)
        angle = 2 * math.pi * (frames[:, None] * turns[None, :]).remainder(self.cycle) / self.cycle
        # Both halves of a head turn at once: see `rotate`.
        cos, sin = angle.cos().float(), angle.sin().float()
        self.register_buffer('cos', torch.cat((cos, cos), dim=-1), persistent=False)
        self.register_buffer('sin', torch.cat((-sin, sin), dim=-1), persistent=False)
        query = torch.arange(self.window)[:, None]
        age = query - (torch.arange(2 * self.window - 1)[None, :] - (self.window - 1))
        self.register_buffer('band', (age >= 0) & (age < self.window), persistent=False)
        self.register_buffer('nothing', torch.zeros(()), persistent=False)
        self.register_buffer('slots', torch.arange(self.ring_size), persistent=False)

    def rotary(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines (count, head_dim) of frames from number `first` on."""
        start = first % self.cycle
        if start + count <= self.cycle:
            return self.cos[start : start + count], self.sin[start : start + count]
        index = torch.arange(start, start + count, device=self.cos.device) % self.cycle
        return self.cos[index], self.sin[index]

    def ring_mask(self, clock: int, count: int, starts: Tensor) -> Tensor:
        """Which slots of a ring each of `count` new frames sees, once they are written.

        Args:
            clock: number of the first new frame.
            count: new frames, at most `block`.
            starts: (B,) number of the frame at which each session of the batch began, on the CPU.

        Returns:
            Tensor: 0 where it sees and -inf elsewhere, (B or 1, 1, group x count, ring_size): the
                frames once for each head of a group; 1 where all sessions see the same.
        """
        last = clock + count - 1
        held = last - (last - self.slots) % self.ring_size  # the frame that each slot holds
        age = (clock + self.slots[:count])[:, None] - held[None, :]
        visible = (age >= 0) & (age < self.window)
        first, latest = int(starts.min()), int(starts.max())
        if first == latest:
            visible = (visible & (held >= first)[None, :])[None, None]
        else:
            begun = held[None, :] >= starts.to(held.device)[:, None]
            visible = (visible[None] & begun[:, None, :])[:, None]
        # Additive: made once a step, not once a layer.
        mask = torch.where(visible, self.nothing, self.nothing - math.inf)
        return mask.repeat(1, 1, self.group, 1)


@dataclass
class Ring:
    """Keys and values (B, kv_heads, ring_size, head_dim) of the newest frames of a stream."""

    keys: Tensor
    values: Tensor


def rotate(x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Turn x (..., T, head_dim) by the angles of its frames: channel i with i + head_dim / 2."""
    cos, sin = rotary
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)


class SlidingWindowAttention(nn.Module):
    """Causal multi-head attention over the newest `max_seq_len` frames.

    Heads of queries share keys and values in groups (Ainslie et al. 2023, GQA): what a session
    remembers, and has to read for every frame, is that much smaller.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.num_heads, config.num_kv_heads
        self.head_dim = config.feature_dim // config.num_heads
        self.group = self.heads // self.kv_heads
        self.qkv = nn.Linear(config.feature_dim, (self.heads + 2 * self.kv_heads) * self.head_dim)
        self.out = nn.Linear(config.feature_dim, config.feature_dim)

    def _project(self, x: Tensor, rotary: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        batch, frames, _ = x.shape
        qkv = self.qkv(x).view(batch, frames, -1, self.head_dim).transpose(1, 2)
        turned = self.heads + self.kv_heads
        q, k = rotate(qkv[:, :turned], rotary).split((self.heads, self.kv_heads), dim=1)
        return q, k, qkv[:, turned:]

    def _merge(self, heads: Tensor) -> Tensor:
        return self.out(heads.transpose(1, 2).flatten(2))

    def forward(self, x: Tensor, geometry: Geometry) -> Tensor:
        """Attend within a whole sequence x (B, T, feature_dim) that begins at its first frame."""
        frames, window = x.shape[1], geometry.window
        q, k, v = self._project(x, geometry.rotary(0, frames))
        k, v = (part.repeat_interleave(self.group, dim=1) for part in (k, v))
        if frames <= window:
            return self._merge(F.scaled_dot_product_attention(q, k, v, is_causal=True))
        parts = []
        for begin in range(0, frames, window):  # blocks of queries: memory grows with T, not T x T
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
        return self._merge(torch.cat(parts, dim=2))

    def step(self, x: Tensor, ring: Ring, geometry: Geometry, clock: int, mask: Tensor) -> Tensor:
        """Attend from the next frames x (B, n, feature_dim), n <= block; they enter the ring."""
        frames = x.shape[1]
        q, k, v = self._project(x, geometry.rotary(clock, frames))
        slot = clock % geometry.ring_size
        head = min(frames, geometry.ring_size - slot)  # the rest begins the ring again
        for store, new in ((ring.keys, k), (ring.values, v)):
            store[:, :, slot : slot + head] = new[:, :, :head]
            if head < frames:
                store[:, :, : frames - head] = new[:, :, head:]
        # A group of heads as one with that many times the queries: keys are read once.
        q = q.reshape(len(x), self.kv_heads, self.group * frames, self.head_dim)
        attended = F.scaled_dot_product_attention(q, ring.keys, ring.values, attn_mask=mask)
        return self._merge(attended.reshape(len(x), self.heads, frames, self.head_dim))


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

    def _finish(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + self.dropout(attended)
        return x + self.dropout(self.feedforward(x))

    def forward(self, x: Tensor, geometry: Geometry) -> Tensor:
        """Take x (B, T, feature_dim) to the same shape."""
        return self._finish(x, self.attention(self.attention_norm(x), geometry))

    def step(self, x: Tensor, ring: Ring, geometry: Geometry, clock: int, mask: Tensor) -> Tensor:
        """The next frames of a stream, x (B, n, feature_dim), to the same shape."""
        return self._finish(
            x, self.attention.step(self.attention_norm(x), ring, geometry, clock, mask)
        )


class CausalStack(nn.Module):
    """Layers one above the other and a last normalisation."""

    def __init__(self, config: ModelConfig, layers: int) -> None:
        super().__init__()
        self.kv_heads = config.num_kv_heads
        self.head_dim = config.feature_dim // config.num_heads
        self.layers = nn.ModuleList(CausalLayer(config) for _ in range(layers))
        self.norm = nn.LayerNorm(config.feature_dim)

    def make_rings(self, batch: int, geometry: Geometry) -> list[Ring]:
        """Empty rings, one a layer, for `batch` sessions."""
        weight = self.norm.weight
        shape = (batch, self.kv_heads, geometry.ring_size, self.head_dim)
        return [Ring(weight.new_zeros(shape), weight.new_zeros(shape)) for _ in self.layers]

    def forward(self, x: Tensor, geometry: Geometry) -> Tensor:
        """Take x (B, T, feature_dim) to the same shape."""
        for layer in self.layers:
            x = layer(x, geometry)
        return self.norm(x)

    def step(
        self, x: Tensor, rings: Sequence[Ring], geometry: Geometry, clock: int, mask: Tensor
    ) -> Tensor:
        """The next frames of a stream, x (B, n, feature_dim), to the same shape."""
        for layer, ring in zip(self.layers, rings, strict=True):
            assert isinstance(layer, CausalLayer)
            x = layer.step(x, ring, geometry, clock, mask)
        return self.norm(x)
