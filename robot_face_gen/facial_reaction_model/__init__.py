# SPDX-License-Identifier: Apache-2.0
"""The network that answers a speaker's face and voice with a listener's face.

model = create_model(device='cpu')
predictions, distributions, _ = model(speaker_data)
manager = OnlineInferenceManager(model)
listener = manager.process_window(window_data)

Names are imported when they are first used: an `ExportedModel` runs without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoint import create_model, load_checkpoint, resolve_device, save_checkpoint
    from .config import BRANCHES, CheckpointInfo, ModelConfig
    from .model import FacialReactionModel, LatentDistributions
    from .online import OnlineInferenceManager, make_runner
    from .onnx_runner import ExportedModel
    from .sessions import Sessions

__all__ = [
    'BRANCHES',
    'CheckpointInfo',
    'ExportedModel',
    'FacialReactionModel',
    'LatentDistributions',
    'ModelConfig',
    'OnlineInferenceManager',
    'Sessions',
    'create_model',
    'load_checkpoint',
    'make_runner',
    'resolve_device',
    'save_checkpoint',
]

_PLACES = {
    'checkpoint': ('create_model', 'load_checkpoint', 'resolve_device', 'save_checkpoint'),
    'config': ('BRANCHES', 'CheckpointInfo', 'ModelConfig'),
    'model': ('FacialReactionModel', 'LatentDistributions'),
    'online': ('OnlineInferenceManager', 'make_runner'),
    'onnx_runner': ('ExportedModel',),
    'sessions': ('Sessions',),
}


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            found = getattr(importlib.import_module(f'{__name__}.{module}'), name)
            globals()[name] = found
            return found
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
