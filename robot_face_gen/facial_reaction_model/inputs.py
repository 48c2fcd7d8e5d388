# SPDX-License-Identifier: Apache-2.0
"""Checks what comes in, by name, before any of it reaches the network or its state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .config import BRANCHES, EMBEDDINGS_PER_FRAME, ModelConfig

_MASKS = ('face_valid', 'audio_valid')


def _finite(name: str, value: Tensor) -> None:
    # One number tells nearly always; a sum of finite ones that overflows is looked at closely.
    if math.isfinite(float(value.detach().sum())):
        return
    finite = torch.isfinite(value)
    if not bool(finite.all()):
        place = [int(i) for i in (~finite).nonzero()[0]]
        raise ValueError(
            f'speaker_data[{name!r}]{place} = {float(value[tuple(place)])}: '
            'expected finite numbers'
        )


def _branch(name: str, width: int, value: Any, device: torch.device, dtype: torch.dtype) -> Tensor:
    tensor = torch.as_tensor(value)
    if tensor.ndim != 3 or tensor.shape[2] != width:
        raise ValueError(
            f'speaker_data[{name!r}] has shape {tuple(tensor.shape)}: expected (B, T, {width})'
        )
    _finite(name, tensor)
    return tensor.to(device, dtype)


def _audio(
    value: Any, batch: int, frames: int, dim: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Any of the three accepted forms to (B, T, 2, dim)."""
    tensor, pair = torch.as_tensor(value), EMBEDDINGS_PER_FRAME
    shape = tuple(tensor.shape)
    if shape == (batch, frames, pair, dim):
        pass
    elif shape == (batch, frames * pair, dim):
        tensor = tensor.view(batch, frames, pair, dim)
    elif shape == (batch, frames, dim):
        tensor = tensor[:, :, None].expand(-1, -1, pair, -1)
    else:
        raise ValueError(
            f"speaker_data['audio'] has shape {shape}: "
            f'expected ({batch}, {frames}, {pair}, {dim}), '
            f'two embeddings a frame, or the same as ({batch}, {pair * frames}, {dim}), '
            f'or one a frame, ({batch}, {frames}, {dim})'
        )
    _finite('audio', tensor)
    return tensor.to(device, dtype)


def check_speaker(
    data: Mapping[str, Any],
    config: ModelConfig,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    """Bring a speaker's data into the one form that the network takes.

    Args:
        data: `landmarks` (B, T, 136), `au` (B, T, 18), `pose` (B, T, 4), `gaze` (B, T, 2);
            `audio` (B, T, 2, audio_dim), (B, 2 T, audio_dim) or, one embedding a frame, (B, T,
            audio_dim), left out where there is no sound; `face_valid` and `audio_valid` (B, T)
            bool, by default true.
        config: of the model.
        device: where to.
        dtype: of the network.

    Returns:
        dict: the four branches, `audio` (B, T, 2, audio_dim), `face_valid`, `audio_valid` (B, T).

    Raises:
        ValueError: a name is missing or unknown, a shape wrong, a number not finite.
    """
    if not isinstance(data, Mapping):
        raise ValueError(
            f'speaker_data is a {type(data).__name__}: '
            f'expected a dict of {", ".join(BRANCHES)}, audio'
        )
    known = (*BRANCHES, 'audio', *_MASKS)
    for name in data:
        if name not in known:
            raise ValueError(
                f'speaker_data has an unknown name {name!r}: expected {", ".join(known)}'
            )
    missing = [name for name in BRANCHES if name not in data]
    if missing:
        raise ValueError(f'speaker_data lacks {", ".join(missing)}: expected {", ".join(known)}')
    out = {
        name: _branch(name, width, data[name], device, dtype) for name, width in BRANCHES.items()
    }
    batch, frames = out['landmarks'].shape[:2]
    for name, tensor in out.items():
        if tensor.shape[:2] != (batch, frames):
            raise ValueError(
                f'speaker_data[{name!r}] has shape {tuple(tensor.shape)}: '
                f'expected {batch} x {frames} frames, as its landmarks have'
            )
    if batch == 0 or frames == 0:
        raise ValueError(f'speaker_data has {batch} x {frames} frames: expected at least one')
    if 'audio' in data and data['audio'] is not None:
        out['audio'] = _audio(data['audio'], batch, frames, config.audio_dim, device, dtype)
        audio_valid = torch.ones(batch, frames, dtype=torch.bool, device=device)
    else:
        out['audio'] = torch.zeros(
            batch, frames, EMBEDDINGS_PER_FRAME, config.audio_dim, device=device, dtype=dtype
        )
        audio_valid = torch.zeros(batch, frames, dtype=torch.bool, device=device)
    out['face_valid'], out['audio_valid'] = torch.ones_like(audio_valid), audio_valid
    for name in _MASKS:
        if name in data and data[name] is not None:
            mask = torch.as_tensor(data[name])
            if mask.shape != (batch, frames) or mask.dtype != torch.bool:
                raise ValueError(
                    f'speaker_data[{name!r}] is {tuple(mask.shape)} {mask.dtype}: expected '
                    f'({batch}, {frames}) torch.bool'
                )
            out[name] = out[name] & mask.to(device)
    return out
