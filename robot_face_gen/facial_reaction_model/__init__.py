# SPDX-License-Identifier: Apache-2.0
"""The network that answers a speaker's face and voice with a listener's face.

model = create_model(device='cpu')
predictions, distributions, _ = model(speaker_data)
manager = OnlineInferenceManager(model)
listener = manager.process_window(window_data)

Names are imported when they are first used: `exported` needs no torch, and nobody who uses it
alone shall wait for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoint import load_checkpoint, save_checkpoint
    from .config import BRANCHES, ModelConfig
    from .create import create_model
    from .device import resolve_device
    from .face_batch import FaceBatch
    from .metadata import CheckpointInfo
    from .model import FacialReactionModel, LatentDistributions
    from .online import OnlineInferenceManager
    from .state import SessionState

__all__ = [
    'BRANCHES',
    'CheckpointInfo',
    'FaceBatch',
    'FacialReactionModel',
    'LatentDistributions',
    'ModelConfig',
    'OnlineInferenceManager',
    'SessionState',
    'create_model',
    'load_checkpoint',
    'resolve_device',
    'save_checkpoint',
]

_PLACES = {
    'BRANCHES': 'config',
    'CheckpointInfo': 'metadata',
    'FaceBatch': 'face_batch',
    'FacialReactionModel': 'model',
    'LatentDistributions': 'model',
    'ModelConfig': 'config',
    'OnlineInferenceManager': 'online',
    'SessionState': 'state',
    'create_model': 'create',
    'load_checkpoint': 'checkpoint',
    'resolve_device': 'device',
    'save_checkpoint': 'checkpoint',
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    found = getattr(importlib.import_module(f'{__name__}.{_PLACES[name]}'), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
