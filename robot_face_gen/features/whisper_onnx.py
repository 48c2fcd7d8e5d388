"""Whisper's encoder by ONNX Runtime: the same as `WhisperEncoder.encode`, context by context."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from whisper.model import AudioEncoder, MultiHeadAttention, ResidualAttentionBlock

from robot_face_gen.onnx_export import digest, export
from robot_face_gen.onnx_files import cached, open_session

from .whisper_exported import encode_contexts


class OnnxEncoder:
    """Encodes; a graph for each length of context is exported on first use and kept in the cache.

    Args:
        encoder: of openai-whisper, on the CPU in float32.
        int8: 8-bit weights: faster, and not quite the same embeddings.
        threads: that work on one context; None is as many as torch has.

    Raises:
        ValueError: the encoder is elsewhere.
    """

    def __init__(
        self, encoder: AudioEncoder, *, int8: bool = False, threads: int | None = None
    ) -> None:
        device = encoder.positional_embedding.device
        if device.type != 'cpu':
            raise ValueError(f'the encoder is on {device}: the backend onnx expects the CPU')
        self._encoder, self._int8 = encoder, int8
        self._threads = threads or torch.get_num_threads()
        self._sessions: dict[int, Any] = {}

    def encode(self, mel: np.ndarray, begin: int, end: int) -> np.ndarray:
        """Embeddings begin..end of contexts (B, n_mels, frames): (B, end - begin, dim) float32."""
        return encode_contexts(self._session(mel.shape[2]), mel, begin, end)

    def _session(self, frames: int) -> Any:
        session = self._sessions.get(frames)
        if session is None:
            path = exported(self._encoder, frames, int8=self._int8)
            session = open_session(path, self._threads)
            self._sessions[frames] = session
        return session


def exported(encoder: AudioEncoder, frames: int, *, int8: bool = False) -> Path:
    """The ONNX file for contexts of so many frames in the cache folder, written if missing."""
    key = digest(encoder.state_dict(), Path(__file__).read_text(encoding='utf-8'))
    name = f'whisper-{key}-{frames}{"-int8" if int8 else ""}.onnx'
    return cached(name, lambda path: export_encoder(encoder, frames, path, int8=int8))


def export_encoder(encoder: AudioEncoder, frames: int, path: Path, *, int8: bool) -> None:
    """Write an encoder for contexts of so many log-mel frames of 10 ms as one ONNX file.

    Its inputs are `mel` (n_mels, frames) and `span`, the first embedding wanted and the one after
    the last; its output is `embeddings`.
    """
    inputs = {
        'mel': torch.zeros(encoder.conv1.in_channels, frames),
        'span': torch.tensor([frames // 2 - 2, frames // 2]),
    }
    with torch.no_grad():
        graph = EncoderGraph(encoder, frames)
    axes = {'embeddings': {0: 'wanted'}}
    export(graph, inputs, ['embeddings'], axes, path, int8=int8)


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
        self.last_q, self.last_kv = _rows(last, 0, 1), _rows(last, 1, 3)
        self.heads = encoder.blocks[0].attn.n_head
        self.positions = nn.Parameter(encoder.positional_embedding[: frames // 2])

    def forward(self, mel: Tensor, span: Tensor) -> Tensor:
        """Log-mel (n_mels, frames) and the span of wanted embeddings: (wanted, dim)."""
        x = mel.transpose(0, 1)
        for stride, product in zip((1, 2), self.convolutions, strict=True):
            padded = nn.functional.pad(x, (0, 0, 1, 1))
            taps = [padded[tap : padded.shape[0] - 2 + tap : stride] for tap in range(3)]
            x = nn.functional.gelu(product(torch.cat(taps, dim=1)))
        x = x + self.positions
        for index, block in enumerate(self.blocks):
            x = self._block(cast(ResidualAttentionBlock, block), index, x, span)
        return self.norm(x)

    def _block(self, block: ResidualAttentionBlock, index: int, x: Tensor, span: Tensor) -> Tensor:
        width = self.positions.shape[1]
        split = (-1, self.heads, width // self.heads)
        seen = block.attn_ln(x)
        if index < len(self.qkv):
            q, k, v = self.qkv[index](seen).chunk(3, dim=-1)
        else:
            k, v = self.last_kv(seen).chunk(2, dim=-1)
            q, x = self.last_q(seen[span[0] : span[1]]), x[span[0] : span[1]]
        q, k, v = q.view(split), k.view(split), v.view(split)
        scores = torch.matmul(q.transpose(0, 1), k.permute(1, 2, 0))
        attended = torch.matmul(torch.softmax(scores, dim=-1), v.transpose(0, 1))
        x = x + block.attn.out(attended.transpose(0, 1).reshape(-1, width))
        assert block.mlp is not None
        return x + block.mlp(block.mlp_ln(x))


def _as_product(convolution: nn.Conv1d) -> nn.Linear:
    """A convolution over three frames as a product with the three joined."""
    weight = convolution.weight.permute(0, 2, 1).flatten(1)
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight.copy_(weight)
    assert convolution.bias is not None
    linear.bias.copy_(convolution.bias)
    return linear.requires_grad_(False)


def _rows(linear: nn.Linear, begin: int, end: int) -> nn.Linear:
    """Parts begin..end of three that one projection gives."""
    width = linear.out_features // 3
    part = nn.Linear(linear.in_features, (end - begin) * width)
    part.weight.copy_(linear.weight[begin * width : end * width])
    part.bias.copy_(linear.bias[begin * width : end * width])
    return part.requires_grad_(False)


def _joined(attention: MultiHeadAttention) -> nn.Linear:
    """Queries, keys and values as one projection, the queries already scaled."""
    query, key, value = attention.query, attention.key, attention.value
    width = query.in_features
    scale = 1 / math.sqrt(width // attention.n_head)
    linear = nn.Linear(width, 3 * width)
    linear.weight.copy_(torch.cat((scale * query.weight, key.weight, value.weight)))
    linear.bias.copy_(torch.cat((scale * query.bias, torch.zeros(width), value.bias)))
    return linear.requires_grad_(False)
