# SPDX-License-Identifier: Apache-2.0
"""The model's weights as a step wants them: fewer and larger matrices, heads in another order."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from .components import CausalLayer, SlidingWindowAttention
from .config import BRANCHES


def merged_qkv(layer: CausalLayer) -> nn.Linear:
    """The projection to (group, kv_heads, width) queries, then keys and values.

    In this order a frame's queries are rows of the matrix that looks into each key head: nothing
    has to be moved about.
    """
    attention = layer.attention
    qkv = copy.deepcopy(attention.qkv).requires_grad_(False)
    for part in (qkv.weight, qkv.bias):
        queries = part[: attention.heads * attention.head_dim]
        queries.copy_(_by_group(queries, attention))
    return qkv


def merged_out(layer: CausalLayer) -> nn.Linear:
    """The projection of what heads in that order have found."""
    out = copy.deepcopy(layer.attention.out).requires_grad_(False)
    out.weight.copy_(_by_group(out.weight.T, layer.attention).T)
    return out


def _by_group(rows: Tensor, attention: SlidingWindowAttention) -> Tensor:
    """Rows (kv_heads x group x width, ...) in the order (group, kv_heads, width)."""
    heads = rows.unflatten(0, (attention.kv_heads, attention.group, attention.head_dim))
    return heads.transpose(0, 1).flatten(0, 2).clone()


class Together(nn.Module):
    """Networks of the four branches, each Linear, GELU or two Linear around it, as one.

    The branches' weights lie on the diagonal of one matrix: a few zeros more to read, and a
    quarter of the operators, each of which costs some microseconds.
    """

    def __init__(self, branches: nn.ModuleDict, *, shared_input: bool) -> None:
        super().__init__()
        nets = [cast(nn.Sequential, branches[name]) for name in BRANCHES]
        layers = [
            [cast(nn.Linear, net[place]) for net in nets]
            for place, layer in enumerate(nets[0])
            if isinstance(layer, nn.Linear)
        ]
        self.layers = nn.ModuleList(
            _joined(parts, shared_input=shared_input and not place)
            for place, parts in enumerate(layers)
        )
        self.ends_with_gelu = isinstance(nets[0][-1], nn.GELU)

    def forward(self, x: Tensor) -> Tensor:
        """Rows (n, width) of all branches beside each other, or of what they share, to as many."""
        for place, layer in enumerate(self.layers):
            x = layer(x)
            if self.ends_with_gelu or place + 1 < len(self.layers):
                x = nn.functional.gelu(x)
        return x


def _joined(parts: list[nn.Linear], *, shared_input: bool) -> nn.Linear:
    """Several projections as one, of the same input or each of a part of it."""
    weights = [part.weight for part in parts]
    weight = torch.cat(weights) if shared_input else torch.block_diag(*weights)
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight.copy_(weight)
    linear.bias.copy_(torch.cat([part.bias for part in parts]))
    return linear.requires_grad_(False)
