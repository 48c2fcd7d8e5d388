"""The network that answers a speaker's face and voice with a listener's face; torch alone.

model = create_model(device='cpu')
predictions, distributions, _ = model(speaker_data)
manager = OnlineInferenceManager(model)
listener = manager.process_window(window_data)
"""

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
