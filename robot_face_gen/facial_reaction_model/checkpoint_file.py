# SPDX-License-Identifier: Apache-2.0
"""Reads a checkpoint file: one safetensors file; nothing of it is executed. No torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from .config import CheckpointInfo, ModelConfig

FORMAT = 'robot_face_gen/1'


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
    for name in weights:
        array = weights[name] = weights[name].astype(np.float32, copy=False)
        if not np.isfinite(array).all():
            raise ValueError(f'{path}: {name} holds values that are not finite')
        if name.endswith('_std') and not (array > 0).all():
            raise ValueError(f'{path}: {name} holds {array.min()}: expected above 0')
    return config, info, weights
