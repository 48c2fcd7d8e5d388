# SPDX-License-Identifier: Apache-2.0
"""Operators of a step that ONNX Runtime has as one each, beside what they are in torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class Rotary(torch.autograd.Function):
    """`components.rotate`: x (rows, heads, 1, width), at (rows, 1), tables (cycle, width / 2)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, at: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Turn every head of a frame by the frame's angles."""
        cos, sin = cos[at][:, None], sin[at][:, None]
        a, b = x.chunk(2, dim=-1)
        return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)

    @staticmethod
    def symbolic(g: Any, x: Any, at: Any, cos: Any, sin: Any) -> Any:
        """As one node."""
        return g.op('com.microsoft::RotaryEmbedding', x, at, cos, sin).setType(x.type())


class Write(torch.autograd.Function):
    """Put rows (rows, kv_heads, 1, width) into rings, at `places` (rows, kv_heads, 1, 3)."""

    @staticmethod
    def forward(ctx: Any, ring: Tensor, places: Tensor, new: Tensor) -> Tensor:
        """The rings (B, kv_heads, ring_size, width) themselves."""
        return ring.index_put_(places.unbind(-1), new)

    @staticmethod
    def symbolic(g: Any, ring: Any, places: Any, new: Any) -> Any:
        """As one node."""
        return g.op('ScatterND', ring, places, new).setType(ring.type())


class Attend(torch.autograd.Function):
    """Queries (B, rows, kv_heads x width) look into keys and values (B, kv_heads, slots, width).

    The mask (B, 1, rows, slots) is added to the scores.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """What they find, (B, rows, kv_heads x width)."""
        q = q.unflatten(-1, (keys.shape[1], -1)).transpose(1, 2)
        found = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        return found.transpose(1, 2).flatten(2)

    @staticmethod
    def symbolic(g: Any, q: Any, keys: Any, values: Any, mask: Any) -> Any:
        """As one node; the two inputs between are biases and a padding mask."""
        none = g.op('prim::Constant').setType(torch._C.OptionalType.ofTensor())
        return g.op(
            'com.microsoft::MultiHeadAttention', q, keys, values, none, none, mask,
            num_heads_i=keys.type().sizes()[1],
        ).setType(q.type())  # fmt: skip
