# SPDX-License-Identifier: Apache-2.0
"""What a step is made of: operators that ONNX Runtime has built in, and fused weights."""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .components import CausalLayer, SlidingWindowAttention
from .config import BRANCHES


class _Operator(torch.autograd.Function):
    """An operator that is exported as one ONNX node (`symbolic`)."""

    @classmethod
    def call(cls, *inputs: Tensor) -> Any:
        """Run it; `apply` costs 10 us and is only needed for the export."""
        if torch.onnx.is_in_onnx_export():
            return cls.apply(*inputs)
        return cls.forward(None, *inputs)


class Rotary(_Operator):
    """`components.rotate`: x (rows, heads, 1, width), at (rows, 1), tables (cycle, width / 2)."""

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

    Args:
        branches: the networks.
        shared_input: all have the same input; otherwise their inputs are side by side.
        more: weights (outputs, n) of the first layer for n more inputs.
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
