# SPDX-License-Identifier: Apache-2.0
"""Building blocks of encoder and decoder: rotary positions, sliding-window attention, layers.

`forward` takes a whole sequence from its first frame, parallel over time. `step.py` computes the
same function for the next few frames of a stream, with the keys and values of the past in a ring
buffer. Its operators, which ONNX Runtime has built in, and its fused weights come last.
"""

from __future__ import annotations

import copy
import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import BRANCHES, ModelConfig


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


class _Operator(torch.autograd.Function):
    """An operator that is exported as one ONNX node (`symbolic`)."""

    @classmethod
    def call(cls, *inputs: Tensor) -> Any:
        """Run it; `apply` costs 10 us and is only needed for the export."""
        if torch.onnx.is_in_onnx_export():
            return cls.apply(*inputs)
        return cls.forward(None, *inputs)


class Rotary(_Operator):
    """`rotate`: x (rows, heads, 1, width), at (rows, 1), tables (cycle, width / 2)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, at: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Rotate all heads of a frame by the frame's angles."""
        cos, sin = cos[at][:, None], sin[at][:, None]
        a, b = x.chunk(2, dim=-1)
        return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)

    @staticmethod
    def symbolic(g: Any, x: Any, at: Any, cos: Any, sin: Any) -> Any:
        """Export as one node."""
        return g.op('com.microsoft::RotaryEmbedding', x, at, cos, sin).setType(x.type())


class Write(_Operator):
    """Write rows (rows, kv_heads, 1, width) into rings, at `places` (rows, kv_heads, 1, 3)."""

    @staticmethod
    def forward(ctx: Any, ring: Tensor, places: Tensor, new: Tensor) -> Tensor:
        """Return the rings (B, kv_heads, ring_size, width), changed in place."""
        return ring.index_put_(places.unbind(-1), new)

    @staticmethod
    def symbolic(g: Any, ring: Any, places: Any, new: Any) -> Any:
        """Export as one node."""
        return g.op('ScatterND', ring, places, new).setType(ring.type())


class Attend(_Operator):
    """Attention of queries (B, rows, kv_heads x width) over rings (B, kv_heads, slots, width).

    The mask (B, 1, rows, slots) is added to the scores.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Return (B, rows, kv_heads x width)."""
        q = q.unflatten(-1, (keys.shape[1], -1)).transpose(1, 2)
        found = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        return found.transpose(1, 2).flatten(2)

    @staticmethod
    def symbolic(g: Any, q: Any, keys: Any, values: Any, mask: Any) -> Any:
        """Export as one node; the two empty inputs are biases and a padding mask."""
        none = g.op('prim::Constant').setType(torch._C.OptionalType.ofTensor())
        return g.op(
            'com.microsoft::MultiHeadAttention', q, keys, values, none, none, mask,
            num_heads_i=keys.type().sizes()[1],
        ).setType(q.type())  # fmt: skip


def regrouped_qkv(layer: CausalLayer) -> nn.Linear:
    """The projection with the queries in the order (group, kv_heads, width), then keys, values.

    In this order a frame's queries are rows of the matrix that attends to each key head, so no
    transposition is needed.
    """
    attention = layer.attention
    qkv = copy.deepcopy(attention.qkv).requires_grad_(False)
    for part in (qkv.weight, qkv.bias):
        queries = part[: attention.heads * attention.head_dim]
        queries.copy_(_by_group(queries, attention))
    return qkv


def regrouped_out(layer: CausalLayer) -> nn.Linear:
    """The output projection for heads in the order of `regrouped_qkv`."""
    out = copy.deepcopy(layer.attention.out).requires_grad_(False)
    out.weight.copy_(_by_group(out.weight.T, layer.attention).T)
    return out


def _by_group(rows: Tensor, attention: SlidingWindowAttention) -> Tensor:
    """Rows (kv_heads x group x width, ...) in the order (group, kv_heads, width)."""
    heads = rows.unflatten(0, (attention.kv_heads, attention.group, attention.head_dim))
    return heads.transpose(0, 1).flatten(0, 2).clone()


class FusedBranches(nn.Module):
    """The networks of the four branches (Linear, GELU or Linear, GELU, Linear) as one network.

    The branches' weights are blocks on the diagonal of one matrix: some zeros to multiply, but a
    quarter of the operators, each of which has a fixed cost of some microseconds.

    With `shared_input`, all have the same input; otherwise their inputs are side by side. `more`
    are weights (outputs, n) of the first layer for n more inputs.
    """

    def __init__(
        self, branches: nn.ModuleDict, *, shared_input: bool, more: Tensor | None = None
    ) -> None:
        super().__init__()
        nets = [cast(nn.Sequential, branches[name]) for name in BRANCHES]
        layers = [
            [cast(nn.Linear, net[index]) for net in nets]
            for index, layer in enumerate(nets[0])
            if isinstance(layer, nn.Linear)
        ]
        self.layers = nn.ModuleList(
            _fused(parts, shared_input and not index, more if index == 0 else None)
            for index, parts in enumerate(layers)
        )
        self.ends_with_gelu = isinstance(nets[0][-1], nn.GELU)

    def forward(self, x: Tensor) -> Tensor:
        """Rows (n, width) of all branches side by side, or of their shared input."""
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if self.ends_with_gelu or index + 1 < len(self.layers):
                x = F.gelu(x)
        return x


def _fused(parts: list[nn.Linear], shared_input: bool, more: Tensor | None) -> nn.Linear:
    """Several projections as one, of a shared input or each of its own part of the input."""
    weights = [part.weight for part in parts]
    weight = torch.cat(weights) if shared_input else torch.block_diag(*weights)
    if more is not None:
        weight = torch.cat((weight, more), dim=1)
    linear = nn.Linear(weight.shape[1], weight.shape[0]).to(weight)
    linear.weight.copy_(weight)
    linear.bias.copy_(torch.cat([part.bias for part in parts]))
    return linear.requires_grad_(False)
