# SPDX-License-Identifier: Apache-2.0
"""Read checkpoints (safetensors files) and configurations (YAML); nothing in them is executed.

No torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors import SafetensorError, safe_open

from ..layout import VALUE_MASK_WIDTH
from .config import CheckpointInfo, ModelConfig

FORMAT = 'robot_face_gen/1'
_MISSING, _MERGE = 'encoder.face.missing', 'encoder.face.merge.weight'


def read_checkpoint(
    path: str | Path,
) -> tuple[ModelConfig, CheckpointInfo, dict[str, np.ndarray]]:
    """Configuration, description and weights (as float32) of a checkpoint.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a checkpoint of this format, or damaged; the message says where.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint')
    try:
        with safe_open(path, framework='np') as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, TypeError) as error:  # TypeError: a type that numpy does not have
        raise ValueError(f'{path}: not a safetensors file, or damaged ({error})') from None
    if metadata.get('format') != FORMAT:
        raise ValueError(f'{path}: format {metadata.get("format")!r}: expected {FORMAT!r}')
    try:
        config = ModelConfig.from_mapping(json.loads(metadata['config']))
        info = CheckpointInfo.from_dict(json.loads(metadata['info']))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f'{path}: its description is damaged: {error}') from None
    if _MERGE in weights and _MISSING not in weights:  # saved before there were masks
        width = weights[_MERGE].shape[-1]
        weights[_MISSING] = np.zeros((width, VALUE_MASK_WIDTH), np.float32)
    for name in weights:
        array = weights[name] = weights[name].astype(np.float32, copy=False)
        if not np.isfinite(array).all():
            raise ValueError(f'{path}: {name} holds values that are not finite')
        if name.endswith('_std') and not (array > 0).all():
            raise ValueError(f'{path}: {name} holds {array.min()}: expected above 0')
    return config, info, weights


def read_config(config: ModelConfig | Mapping[str, Any] | str | Path) -> ModelConfig:
    """A configuration from itself, from names and values, or from a YAML file.

    Raises:
        OSError: the file cannot be read.
        ValueError: an unknown name, an impossible value or invalid YAML; the file is named.
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
