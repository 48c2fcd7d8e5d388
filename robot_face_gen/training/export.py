# SPDX-License-Identifier: Apache-2.0
"""What a run writes while it goes on: its state, and its best and last weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model import CheckpointInfo, save_checkpoint

from .config import TrainingConfig
from .module import ReactionTraining
from .run_folder import RunFolder


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
    """Writes `best.safetensors` at each least validation loss, `last.safetensors` every epoch."""

    def __init__(self, folder: RunFolder) -> None:
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
        assert isinstance(pl_module, ReactionTraining)
        loss = float(trainer.callback_metrics['validation/loss'])
        pl_module.model.info.training.update(validation_loss=loss)
        if loss < self.best:
            self.best = loss
            self._write(trainer, pl_module, self.folder.best)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Write what there is."""
        assert isinstance(pl_module, ReactionTraining)
        self._write(trainer, pl_module, self.folder.last)

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        """Leave usable weights where a person or a scheduler stops the run."""
        assert isinstance(pl_module, ReactionTraining)
        if not isinstance(exception, (KeyboardInterrupt, SIGTERMException)):
            return
        self._write(trainer, pl_module, self.folder.last)
        if self.best == float('inf'):  # stopped before the first validation
            self._write(trainer, pl_module, self.folder.best)
        if trainer.is_global_zero:
            print(
                f'stopped in epoch {trainer.current_epoch + 1}: best weights {self.folder.best}, '
                f'newest {self.folder.last}; the same command continues after the last complete '
                'epoch',
                flush=True,
            )

    @staticmethod
    def _write(trainer: lightning.Trainer, module: ReactionTraining, path: Path) -> None:
        if trainer.is_global_zero:
            module.model.info.training.update(epoch=trainer.current_epoch + 1)
            save_checkpoint(module.model, path)


class WholeFileIO(TorchCheckpointIO):
    """Writes a run's state at once or not at all.

    Lightning's own way goes through the folder of temporary files, from where a move to another
    disk can be interrupted half-way: the state of hours would be lost.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write beside the old file, then take its place."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + '.partial')
        with partial.open('wb') as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
