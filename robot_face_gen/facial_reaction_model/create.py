# SPDX-License-Identifier: Apache-2.0
"""Makes models: new ones from a configuration, trained ones from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from .checkpoint import load_checkpoint, read_config
from .config import ModelConfig
from .device import resolve_device
from .model import FacialReactionModel


def create_model(
    config: ModelConfig | Mapping[str, Any] | str | Path | None = None,
    device: str | torch.device | None = None,
    checkpoint: str | Path | None = None,
) -> FacialReactionModel:
    """Make a model, ready to answer (in evaluation mode).

    Args:
        config: a configuration, its names and values, or a YAML file of them; None is the
            default, or the checkpoint's.
        device: 'cpu', 'cuda', ..., 'auto' (CUDA where there is one); None is the CPU.
        checkpoint: a safetensors file written by `save_checkpoint`; None gives untrained weights.

    Raises:
        ValueError: an unknown or impossible value, a file that is no checkpoint, a device that is
            not there.
        OSError: a file that cannot be read.
    """
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
                f'{checkpoint}: its model is another than the configuration: {", ".join(wrong)}'
            )
    else:
        model = FacialReactionModel(wanted)
    return model.to(resolve_device(device)).eval()
