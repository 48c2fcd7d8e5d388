# SPDX-License-Identifier: Apache-2.0
"""Weights, configuration and origin in one safetensors file; reading it runs nothing of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .config import ModelConfig
from .metadata import CheckpointInfo
from .model import FacialReactionModel

FORMAT = 'robot_face_gen/1'


def read_config(config: ModelConfig | Mapping[str, Any] | str | Path) -> ModelConfig:
    """A configuration from itself, from names and values, or from a YAML file.

    Raises:
        ValueError: unknown name, impossible value or broken YAML; the file is named.
    """
    if isinstance(config, ModelConfig):
        return config
    if isinstance(config, Mapping):
        return ModelConfig.from_mapping(config)
    try:
        return ModelConfig.from_mapping(
            yaml.safe_load(Path(config).read_text(encoding='utf-8')) or {}
        )
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f'{config}: {" ".join(str(error).split())}') from None


def save_checkpoint(model: FacialReactionModel, path: str | Path, *, half: bool = False) -> None:
    """Write a model to one file, at once or not at all.

    Args:
        model: to be written; its `config` and `info` go along.
        path: of the safetensors file.
        half: store the weights in half precision (they are widened again when read).
    """
    path = Path(path)
    tensors = {
        name: (
            t.half()
            if half and t.is_floating_point() and '_mean' not in name and '_std' not in name
            else t
        )
        .detach()
        .cpu()
        .contiguous()
        for name, t in model.state_dict().items()
    }
    metadata = {
        'format': FORMAT,
        'config': json.dumps(model.config.to_dict()),
        'info': json.dumps(model.info.to_dict()),
    }
    partial = path.with_name(path.name + '.partial')
    save_file(tensors, partial, metadata=metadata)
    os.chmod(partial, 0o644)  # readable as any other file; the writer makes it private
    os.replace(partial, path)


def load_checkpoint(path: str | Path) -> FacialReactionModel:
    """Read a model from a file that `save_checkpoint` wrote.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no checkpoint of ours, or a part of it is missing, damaged or not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint')
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except SafetensorError as error:
        raise ValueError(f'{path}: no safetensors file, or a damaged one ({error})') from None
    if metadata.get('format') != FORMAT:
        raise ValueError(f'{path}: format {metadata.get("format")!r}: expected {FORMAT!r}')
    try:
        config = ModelConfig.from_mapping(json.loads(metadata['config']))
        info = CheckpointInfo.from_dict(json.loads(metadata['info']))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f'{path}: its description is damaged: {error}') from None
    model = FacialReactionModel(config, info)
    expected = model.state_dict()
    for name in (*expected.keys() - tensors.keys(), *tensors.keys() - expected.keys()):
        raise ValueError(f'{path}: {name} is {"missing" if name in expected else "unknown"}')
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise ValueError(
                f'{path}: {name} has shape {tuple(tensor.shape)}: '
                f'expected {tuple(expected[name].shape)}'
            )
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f'{path}: {name} holds numbers that are not finite')
    model.load_state_dict(
        {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()
        }
    )
    return model
