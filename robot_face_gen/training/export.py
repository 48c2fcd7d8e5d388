"""While a run goes on: its best and its last weights, each as one safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model import CheckpointInfo, save_checkpoint

from .config import TrainingConfig
from .module import ReactionTraining


def checkpoint_info(config: TrainingConfig, data: ClipDataset) -> CheckpointInfo:
    """What a checkpoint of this run says of itself."""
    described: dict[str, Any] = data.description
    # Where things lay on the machine that trained is nobody else's business.
    used = {n: v for n, v in config.to_dict().items() if n not in ('data', 'output', 'start_from')}
    return CheckpointInfo(
        trained_on=described.get('name', str(config.data)),
        audio_encoder=described['audio_encoder'],
        audio=described.get('audio', {}),
        face_crop=described.get('face_crop', {}),
        training={'clips': len(data), **used},
    )


class ExportCheckpoints(Callback):
    """Writes `best.safetensors` at each least validation loss, `last.safetensors` always."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.best = folder, float('inf')

    def state_dict(self) -> dict[str, Any]:
        """What must be known after a resumption."""
        return {'best': self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the best of the interrupted run."""
        self.best = state_dict['best']

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Write what has become better."""
        if trainer.sanity_checking:
            return
        loss = float(trainer.callback_metrics['validation/loss'])
        better = loss < self.best
        self.best = min(loss, self.best)
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, ReactionTraining)
        model = pl_module.model
        model.info.training.update(epoch=trainer.current_epoch + 1, validation_loss=loss)
        if better:
            save_checkpoint(model, self.folder / 'best.safetensors')
        save_checkpoint(model, self.folder / 'last.safetensors')
