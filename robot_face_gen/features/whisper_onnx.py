# SPDX-License-Identifier: Apache-2.0
"""Exports Whisper's encoder for ONNX Runtime: one context at a time, equal to 1e-4."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from whisper.model import AudioEncoder, MultiHeadAttention, ResidualAttentionBlock

from robot_face_gen.models.onnx_export import export


def export_encoder(encoder: AudioEncoder, frames: int, path: Path, *, int8: bool) -> None:
    """Write an encoder for contexts of so many log-mel frames of 10 ms as one ONNX file.

    Its inputs are `mel` (1, n_mels, frames) and `kept` (0, dim); or, where the context is one that
    was encoded before, moved on: its two ends (2, n_mels, n), and `kept`, the positions of the
    earlier `stem` between those that the ends give (all of the first end's but the first one, and
    the second end's first one, are not used). And `span`: the first embedding wanted and the one
    after the last. Its outputs are `embeddings` (wanted, dim), and `stem` (frames / 2, dim): what
    the convolutions gave.
    """
    inputs = {
        'mel': torch.zeros(2, encoder.conv1.in_channels, 8),
        'kept': torch.zeros(frames // 2 - 4, encoder.positional_embedding.shape[1]),
        'span': torch.tensor([frames // 2 - 2, frames // 2]),
    }
    with torch.no_grad():
        graph = EncoderGraph(encoder, frames)
    axes = {'mel': {0: 'pieces', 2: 'frames'}, 'kept': {0: 'kept'}, 'embeddings': {0: 'wanted'}}
    export(graph, inputs, ['embeddings', 'stem'], axes, path, int8=int8)


class EncoderGraph(nn.Module):
    """The encoder over one context of fixed length, all in products of matrices.

    Queries, keys and values come from one product. The last layer answers the wanted positions
    alone: with the newest two of a hundred that is a fifth of the whole less.
    """

    def __init__(self, encoder: AudioEncoder, frames: int) -> None:
        super().__init__()
        encoder = copy.deepcopy(encoder).requires_grad_(False)
        self.convolutions = nn.ModuleList((_as_product(encoder.conv1), _as_product(encoder.conv2)))
        self.blocks, self.norm = encoder.blocks, encoder.ln_post
        *lower, last = (_joined(block.attn) for block in encoder.blocks)
        self.qkv = nn.ModuleList(lower)
        self.heads = encoder.blocks[0].attn.n_head
        self.last = FewQueries(last, self.heads)
        self.positions = nn.Parameter(encoder.positional_embedding[: frames // 2])

    def forward(self, mel: Tensor, kept: Tensor, span: Tensor) -> tuple[Tensor, Tensor]:
        """See `export_encoder`."""
        x = mel.transpose(1, 2)
        for stride, product in zip((1, 2), self.convolutions, strict=True):
            padded = nn.functional.pad(x, (0, 0, 1, 1))
            taps = [padded[:, tap : padded.shape[1] - 2 + tap : stride] for tap in range(3)]
            x = nn.functional.gelu(product(torch.cat(taps, dim=2)))
        stem = torch.cat((x[0, :1], kept, x[-1, 1:]))
        x = stem + self.positions
        for index, block in enumerate(self.blocks):
            x = self._block(cast(ResidualAttentionBlock, block), index, x, span)
        return self.norm(x), stem

    def _block(self, block: ResidualAttentionBlock, index: int, x: Tensor, span: Tensor) -> Tensor:
        width = self.positions.shape[1]
        split = (-1, self.heads, width // self.heads)
        seen = block.attn_ln(x)
        if index < len(self.qkv):
            q, k, v = (part.view(split) for part in self.qkv[index](seen).chunk(3, dim=-1))
            scores = torch.matmul(q.transpose(0, 1), k.permute(1, 2, 0))
            heads = torch.matmul(torch.softmax(scores, dim=-1), v.transpose(0, 1))
            attended = heads.transpose(0, 1).reshape(-1, width)
        else:
            attended, x = self.last(seen, span), x[span[0] : span[1]]
        x = x + block.attn.out(attended)
        assert block.mlp is not None
        return x + block.mlp(block.mlp_ln(x))


class FewQueries(nn.Module):
    """Attention of few positions to many, which makes no keys and values of the many.

    A query times a key, q . (K x), is (K^T q) . x, and a weighted sum of values is the values'
    projection of the weighted sum: products with a row for each query and head in place of those
    with a row for each position. A head's row is as long as that of all heads, with zeros where
    the others are. `joined` are queries, keys and values in one projection.
    """

    def __init__(self, joined: nn.Linear, heads: int) -> None:
        super().__init__()
        query, key, value = joined.weight.chunk(3)
        bias, _, value_bias = joined.bias.chunk(3)  # Whisper's keys have none
        self.query, self.key = _linear(query, bias), _linear(key.T, None)
        self.value, self.out_bias = _linear(value, None), value_bias
        own = torch.eye(heads).repeat_interleave(len(bias) // heads, dim=1)
        self.own = nn.Parameter(own, requires_grad=False)  # (heads, width)

    def forward(self, seen: Tensor, span: Tensor) -> Tensor:
        """Positions (n, width) and the span of those that ask: (asking, width)."""
        heads, width = self.own.shape
        q = self.query(seen[span[0] : span[1]])[:, None] * self.own
        scores = torch.matmul(self.key(q.view(-1, width)), seen.transpose(0, 1))
        mixed = torch.matmul(torch.softmax(scores, dim=-1), seen)
        return (self.value(mixed).view(-1, heads, width) * self.own).sum(dim=1) + self.out_bias


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    linear.weight.copy_(weight)
    if bias is not None:
        linear.bias.copy_(bias)
    return linear.requires_grad_(False)


def _as_product(convolution: nn.Conv1d) -> nn.Linear:
    """A convolution over three frames as a product with the three joined."""
    return _linear(convolution.weight.permute(0, 2, 1).flatten(1), convolution.bias)


def _joined(attention: MultiHeadAttention) -> nn.Linear:
    """Queries, keys and values as one projection, the queries already scaled."""
    query, key, value = attention.query, attention.key, attention.value
    width = query.in_features
    scale = 1 / math.sqrt(width // attention.n_head)
    return _linear(
        torch.cat((scale * query.weight, key.weight, value.weight)),
        torch.cat((scale * query.bias, torch.zeros(width), value.bias)),
    )
