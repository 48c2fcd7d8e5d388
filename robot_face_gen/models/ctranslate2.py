# SPDX-License-Identifier: Apache-2.0
"""Whisper models in CTranslate2's format, written in openai-whisper's.

CTranslate2 joins queries, keys and values into one projection, gives the keys a bias of zeros,
and rounds the encoder's table of positions; openai-whisper has none of this.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_VERSION = 6  # of the file format
_TYPES = {0: '<f4', 1: '<i1', 2: '<i2', 3: '<i4', 4: '<f2'}
# Of a layer: CTranslate2's part -> openai-whisper's, joined projections split into several.
_LAYER = {
    'self_attention/layer_norm': ('attn_ln',),
    'self_attention/linear_0': ('attn.query', 'attn.key', 'attn.value'),
    'self_attention/linear_1': ('attn.out',),
    'attention/layer_norm': ('cross_attn_ln',),
    'attention/linear_0': ('cross_attn.query',),
    'attention/linear_1': ('cross_attn.key', 'cross_attn.value'),
    'attention/linear_2': ('cross_attn.out',),
    'ffn/layer_norm': ('mlp_ln',),
    'ffn/linear_0': ('mlp.0',),
    'ffn/linear_1': ('mlp.2',),
}
_OTHERS = {
    'encoder/conv1': 'encoder.conv1',
    'encoder/conv2': 'encoder.conv2',
    'encoder/layer_norm': 'encoder.ln_post',
    'decoder/layer_norm': 'decoder.ln',
    'decoder/embeddings': 'decoder.token_embedding',
}
_ENDS = {'weight': 'weight', 'bias': 'bias', 'gamma': 'weight', 'beta': 'bias'}


def read_model(path: Path) -> dict[str, np.ndarray]:
    """The variables of a CTranslate2 `model.bin`.

    Raises:
        ValueError: not such a file, a damaged one, or another version of the format.
    """
    data = path.read_bytes()
    at = 0

    def take(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f'<{form}', data, at)
        at += struct.calcsize(f'<{form}')
        return int(value)

    def text() -> str:
        nonlocal at
        length = take('H')
        at += length
        return data[at - length : at - 1].decode()  # ends with a zero

    variables = {}
    try:
        if (version := take('I')) != _VERSION:
            raise ValueError(f'version {version}, expected {_VERSION}')
        text(), take('I')  # the specification's name and revision
        for _ in range(take('I')):
            name = text()
            shape = [take('I') for _ in range(take('B'))]
            kind, size = np.dtype(_TYPES[take('B')]), take('I')
            values = np.frombuffer(data, kind, size // kind.itemsize, at)
            variables[name] = values.reshape(shape)
            at += size
    except (ValueError, KeyError, struct.error) as error:
        raise ValueError(f'{path}: not a CTranslate2 model that can be read ({error})') from None
    return variables


def convert_whisper(source: Path, target: Path) -> None:
    """Write a Whisper model of CTranslate2 as a `.pt` file that `whisper.load_model` takes.

    Raises:
        ValueError: the file is no Whisper model, or parts of it are missing.
    """
    import torch
    from whisper.model import ModelDimensions, Whisper, sinusoids

    found = read_model(source)
    try:
        dims = ModelDimensions(
            n_mels=found['encoder/conv1/weight'].shape[1],
            n_audio_ctx=found['encoder/position_encodings/encodings'].shape[0],
            n_audio_state=found['encoder/conv1/weight'].shape[0],
            n_audio_head=int(found['encoder/num_heads']),
            n_audio_layer=_layers(found, 'encoder'),
            n_vocab=found['decoder/embeddings/weight'].shape[0],
            n_text_ctx=found['decoder/position_encodings/encodings'].shape[0],
            n_text_state=found['decoder/embeddings/weight'].shape[1],
            n_text_head=int(found['decoder/num_heads']),
            n_text_layer=_layers(found, 'decoder'),
        )
        state = {
            name: torch.from_numpy(values.copy())
            for ours, array in found.items()
            for name, values in _renamed(ours, array)
        }
        state['encoder.positional_embedding'] = sinusoids(dims.n_audio_ctx, dims.n_audio_state)
        Whisper(dims).load_state_dict(state)  # what `whisper.load_model` does: all fit
    except (KeyError, IndexError, RuntimeError) as error:
        text = ' '.join(str(error).split())[:300]
        raise ValueError(f'{source}: not a Whisper model ({text})') from None
    torch.save({'dims': dataclasses.asdict(dims), 'model_state_dict': state}, target)


def _layers(found: dict[str, np.ndarray], part: str) -> int:
    return sum(name.startswith(part) and name.endswith('ffn/linear_0/weight') for name in found)


def _renamed(name: str, array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Names and values for openai-whisper; none for what it does not have."""
    if name == 'decoder/position_encodings/encodings':
        yield 'decoder.positional_embedding', array
        return
    module, _, end = name.rpartition('/')
    if end not in _ENDS:
        return
    if module in _OTHERS:
        yield f'{_OTHERS[module]}.{_ENDS[end]}', array
        return
    part, layer, rest = module.split('/', 2)
    modules = _LAYER[rest]
    for each, values in zip(modules, np.split(array, len(modules)), strict=True):
        if each.endswith('key') and end == 'bias':
            if values.any():
                raise ValueError(f'{name}: a bias of keys, which openai-whisper does not have')
            continue
        yield f'{part}.blocks.{layer.removeprefix("layer_")}.{each}.{_ENDS[end]}', values
