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
    from .checkpoint import create_model, load_checkpoint, resolve_device, save_checkpoint  # noqa: F401
    from .config import BRANCHES, CheckpointInfo, ModelConfig  # noqa: F401
    from .model import FacialReactionModel, LatentDistributions  # noqa: F401
    from .online import OnlineInferenceManager, make_runner  # noqa: F401
    from .onnx_runner import ExportedModel  # noqa: F401
    from .sessions import Sessions  # noqa: F401

_PLACES = {
    'checkpoint': ('create_model', 'load_checkpoint', 'resolve_device', 'save_checkpoint'),
    'config': ('BRANCHES', 'CheckpointInfo', 'ModelConfig'),
    'model': ('FacialReactionModel', 'LatentDistributions'),
    'online': ('OnlineInferenceManager', 'make_runner'),
    'onnx_runner': ('ExportedModel',),
    'sessions': ('Sessions',),
}
__all__ = [name for names in _PLACES.values() for name in names]


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            found = getattr(importlib.import_module(f'{__name__}.{module}'), name)
            globals()[name] = found
            return found
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
