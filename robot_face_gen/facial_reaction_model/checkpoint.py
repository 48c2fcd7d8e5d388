# SPDX-License-Identifier: Apache-2.0
"""Make models, and save and load them with their configuration in one safetensors file.

Nothing in a file is executed. `read_checkpoint`, `read_info` and `read_config` need no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from ..files import atomic_file, parse_json
from ..yaml_file import parse_yaml
from .config import CheckpointInfo, ModelConfig
from .events import PREFIX, check_weights

if TYPE_CHECKING:
    import torch

    from .model import FacialReactionModel

FORMAT = 'robot_face_gen/2'  # 1: before events


def read_checkpoint(
    path: str | Path,
) -> tuple[ModelConfig, CheckpointInfo, dict[str, np.ndarray]]:
    """Configuration, description and weights (as float32) of a checkpoint.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a checkpoint of this format, or damaged; the message says where.
    """
    config, info, weights = _read(Path(path), with_weights=True)
    for name in weights:
        array = weights[name] = weights[name].astype(np.float32, copy=False)
        if not np.isfinite(array).all():
            raise ValueError(f'{path}: {name} holds values that are not finite')
        if name.endswith('_std') and not (array > 0).all():
            raise ValueError(f'{path}: {name} holds {array.min()}: expected above 0')
    try:
        check_weights({n.removeprefix(PREFIX): x for n, x in weights.items()})
    except KeyError as error:
        raise ValueError(f'{path}: {PREFIX}{error.args[0]} is missing') from None
    except ValueError as error:
        raise ValueError(f'{path}: {PREFIX}{error}') from None
    return config, info, weights


def read_info(path: str | Path) -> CheckpointInfo:
    """What a checkpoint says about its training and its inputs; the weights are not read.

    Raises:
        OSError, ValueError: as `read_checkpoint`.
    """
    return _read(Path(path), with_weights=False)[1]


def _read(
    path: Path, *, with_weights: bool
) -> tuple[ModelConfig, CheckpointInfo, dict[str, np.ndarray]]:
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint')
    try:
        with safe_open(path, framework='np') as file:
            metadata = file.metadata() or {}
            names = file.keys() if with_weights else ()
            weights = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, TypeError) as error:  # TypeError: a type that numpy does not have
        raise ValueError(f'{path}: not a safetensors file, or damaged ({error})') from None
    if metadata.get('format') != FORMAT:
        raise ValueError(
            f'{path}: format {metadata.get("format")!r}: expected {FORMAT!r} (weights of an '
            'earlier version have to be trained again)'
        )
    try:
        config = ModelConfig.from_mapping(parse_json(metadata['config']))
        info = CheckpointInfo.from_dict(parse_json(metadata['info']))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f'{path}: its description is damaged: {error}') from None
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
        return ModelConfig.from_mapping(parse_yaml(Path(config).read_text(encoding='utf-8')) or {})
    except ValueError as error:
        raise ValueError(f'{config}: {" ".join(str(error).split())}') from None


def resolve_device(device: str | torch.device | None) -> torch.device:
    """The device of a name; 'auto' is CUDA where available, None the CPU.

    Raises:
        ValueError: the name is unknown or the device is not available.
    """
    import torch

    if device is None:
        return torch.device('cpu')
    if device == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ValueError(f'device = {device!r}: expected auto, cpu, cuda or cuda:N') from None
    if chosen.type == 'cuda' and not torch.cuda.is_available():
        raise ValueError(
            f'device = {device!r}: this machine has no CUDA device (or torch was built without it)'
        )
    return chosen


def create_model(
    config: ModelConfig | Mapping[str, Any] | str | Path | None = None,
    device: str | torch.device | None = None,
    checkpoint: str | Path | None = None,
) -> FacialReactionModel:
    """Make a model in evaluation mode.

    Args:
        config: a configuration, its names and values, or a YAML file of them; None is the
            default, or the checkpoint's.
        device: 'cpu', 'cuda', ..., 'auto' (CUDA where available); None is the CPU.
        checkpoint: a file written by `save_checkpoint`; None gives untrained weights.

    Raises:
        ValueError: an unknown or impossible value, an invalid checkpoint, a device that is not
            available.
        OSError: a file cannot be read.
    """
    from .model import FacialReactionModel

    wanted = None if config is None else read_config(config)
    if checkpoint:
        model = load_checkpoint(checkpoint)
        if wanted is not None and wanted != model.config:
            theirs = model.config.to_dict()
            wrong = [
                f'{name} = {value!r} (the checkpoint has {theirs[name]!r})'
                for name, value in wanted.to_dict().items()
                if value != theirs[name]
            ]
            raise ValueError(
                f'{checkpoint}: the configuration differs from its model: {", ".join(wrong)}'
            )
    else:
        model = FacialReactionModel(wanted)
    return model.to(resolve_device(device)).eval()


def save_checkpoint(model: FacialReactionModel, path: str | Path, *, half: bool = False) -> None:
    """Write a model with its `config` and `info` to one file, completely or not at all.

    With `half`, the weights are stored in half precision (loading widens them again).

    Raises:
        OSError: the disk is full, or the folder cannot be written; it names `path`.
    """
    from safetensors.torch import save

    tensors = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    if half:
        for name, t in tensors.items():
            if t.is_floating_point() and '_mean' not in name and '_std' not in name:
                tensors[name] = t.half()
    metadata = {
        'format': FORMAT,
        'config': json.dumps(model.config.to_dict()),
        'info': json.dumps(model.info.to_dict()),
    }
    with atomic_file(Path(path)) as partial:
        partial.write_bytes(save(tensors, metadata))  # save_file does not say which file


def load_checkpoint(path: str | Path) -> FacialReactionModel:
    """Read a model from a file that `save_checkpoint` wrote.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a valid checkpoint; see `read_checkpoint`; or a tensor is missing,
            unknown or of the wrong shape.
    """
    import torch

    from .model import FacialReactionModel

    config, info, weights = read_checkpoint(path)
    with torch.device('meta'):  # shapes only: a wrong configuration costs no memory
        expected = FacialReactionModel(config, info).state_dict()
    for name in (*expected.keys() - weights.keys(), *weights.keys() - expected.keys()):
        raise ValueError(f'{path}: {name} is {"missing" if name in expected else "unknown"}')
    for name, array in weights.items():
        if array.shape != tuple(expected[name].shape):
            raise ValueError(
                f'{path}: {name} has shape {array.shape}: expected {tuple(expected[name].shape)}'
            )
    model = FacialReactionModel(config, info)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return model
