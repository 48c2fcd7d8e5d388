# SPDX-License-Identifier: Apache-2.0
"""What a training run writes and shows: checkpoints, its state, curves and progress."""

from __future__ import annotations

import csv
import errno
import signal
import sys
import time
from io import FileIO
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.utilities.exceptions import SIGTERMException
from tqdm import tqdm

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model import CheckpointInfo, save_checkpoint
from robot_face_gen.files import atomic_file

from .config import TrainingConfig
from .module import ReactionTraining
from .run_folder import RunFolder

_VALIDATION_LOSS = 'validation/loss'


def checkpoint_info(config: TrainingConfig, data: ClipDataset) -> CheckpointInfo:
    """Metadata of the checkpoints of a run."""
    described: dict[str, Any] = data.description
    # Checkpoints are shared: paths of the training machine are left out.
    used = {n: v for n, v in config.to_dict().items() if n not in ('data', 'output', 'start_from')}
    return CheckpointInfo(
        trained_on=described.get('name', str(config.data)),
        audio_encoder=described['audio_encoder'],
        audio=described.get('audio', {}),
        face_crop=described.get('face_crop', {}),
        training={'clips': len(data), **used},
    )


class ExportCheckpoints(Callback):
    """Writes `best.safetensors` at each new minimum of the validation loss, `last` each epoch."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder, self.best = folder, float('inf')

    def state_dict(self) -> dict[str, Any]:
        """State for resuming."""
        return {'best': self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best loss of the interrupted run."""
        self.best = state_dict['best']

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Write the weights if they are the best."""
        assert isinstance(pl_module, ReactionTraining)
        loss = float(trainer.callback_metrics[_VALIDATION_LOSS])
        pl_module.model.info.training.update(validation_loss=loss)
        if loss < self.best:
            self.best = loss
            self._write(trainer, pl_module, self.folder.best)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Write the newest weights."""
        assert isinstance(pl_module, ReactionTraining)
        self._write(trainer, pl_module, self.folder.last)

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        """Write usable weights when Ctrl-C or a scheduler stops the run."""
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


class CtrlC(Callback):
    """Stops the run between two steps after Ctrl-C; a second Ctrl-C interrupts at once.

    A context manager. An exception at any place can be lost in a library, leave a lock taken (the
    writer of TensorBoard then waits for ever), or meet a loop of Lightning that is half set up.
    """

    def __init__(self) -> None:
        self.came = False

    def __enter__(self) -> None:
        self._previous = signal.getsignal(signal.SIGINT)
        if self._previous is signal.default_int_handler:  # `nohup` and `&` ignore it
            signal.signal(signal.SIGINT, self._handle)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Lightning ignores Ctrl-C once it has been interrupted.
        if self._previous is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._previous)
        if self.came and kind is None:  # it came in or after the last step
            raise KeyboardInterrupt

    def _handle(self, *_: object) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True

    def on_train_batch_start(self, *_: Any) -> None:
        """Stop before the next step."""
        if self.came:
            raise KeyboardInterrupt

    def on_validation_batch_start(self, *_: Any) -> None:
        """Stop before the next batch."""
        self.on_train_batch_start()


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes the state of a run completely or not at all.

    Lightning writes to the temporary folder first; moving from there to another disk can be
    interrupted, and the state would be lost.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a new file, then replace the old one."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as partial, partial.open('wb', buffering=0) as raw:
            file = _File(raw)
            try:
                torch.save(checkpoint, file)  # type: ignore[arg-type]  # it only writes
            except RuntimeError as error:
                if isinstance(error.__context__, KeyboardInterrupt):
                    raise error.__context__ from None
                reason = ' '.join(str(error).split())[:200]
                raise file.error or OSError(errno.EIO, reason, str(path)) from None


class _File:
    """A file that keeps its first error or Ctrl-C, which torch's writer hides."""

    def __init__(self, raw: FileIO) -> None:
        self._raw = raw
        self.error: BaseException | None = None

    def write(self, data: Any) -> int:
        """All of `data`, or an OSError."""
        try:
            left = memoryview(data)
            while len(left):
                left = left[self._raw.write(left) :]
        except (OSError, KeyboardInterrupt) as error:
            self.error = self.error or error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""


def format_duration(seconds: float) -> str:
    """Format a duration: 45 s, 12 min, 5 h 32 min."""
    if seconds < 90:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    return f'{minutes} min' if minutes < 90 else f'{minutes // 60} h {minutes % 60} min'


class EpochBar(TQDMProgressBar):
    """A progress bar of the steps of an epoch; only on a terminal."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=1 if sys.stderr.isatty() else 0, leave=False)

    def init_validation_tqdm(self) -> Any:
        """No bar for validation."""
        return tqdm(disable=True)

    def on_train_epoch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Show the epoch, counted from 1, and the number of epochs."""
        super().on_train_epoch_start(trainer)
        self.train_progress_bar.set_description(
            f'epoch {trainer.current_epoch + 1}/{trainer.max_epochs}'
        )

    def get_metrics(self, *args: Any) -> dict[str, Any]:
        """The loss, without Lightning's version number."""
        metrics = super().get_metrics(*args)
        metrics.pop('v_num', None)
        return dict(metrics)


class Curves(Callback):
    """Writes `curves.csv`, one row per epoch, and prints a line.

    The rows are part of the state: a resumed run leaves the same file as an uninterrupted run.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[dict[str, float]] = []
        self._began = self._epoch_began = 0.0
        self._done_before = 0

    def state_dict(self) -> dict[str, Any]:
        """State for resuming."""
        return {'rows': self._rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the rows of the interrupted run."""
        self._rows = state_dict['rows']

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Start the clock of the run."""
        self._began, self._done_before = time.monotonic(), trainer.current_epoch
        if self._done_before and trainer.is_global_zero:
            print(f'resuming after epoch {self._done_before}', flush=True)

    def on_train_epoch_start(self, *_: Any) -> None:
        """Start the clock of the epoch."""
        self._epoch_began = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Write a row and print a line."""
        row: dict[str, float] = {'epoch': trainer.current_epoch + 1, 'step': trainer.global_step}
        row |= {n: float(v) for n, v in sorted(trainer.callback_metrics.items()) if '/' in n}
        if (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1):
            # Lightning keeps the values of an earlier validation.
            row = {n: v for n, v in row.items() if not n.startswith('validation/')}
        self._rows.append(row)
        if not trainer.is_global_zero:
            return
        self._write()
        tqdm.write(self._line(trainer))
        sys.stdout.flush()

    def _write(self) -> None:
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        with atomic_file(self.path) as partial, partial.open('w', newline='') as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self._rows)

    def _line(self, trainer: lightning.Trainer) -> str:
        now, row = time.monotonic(), self._rows[-1]
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 0
        parts = [f'epoch {done:{len(str(total))}}/{total}', f'loss {row["train/loss"]:.4f}']
        if _VALIDATION_LOSS in row:
            best = min(r[_VALIDATION_LOSS] for r in self._rows if _VALIDATION_LOSS in r)
            parts.append(f'validation {row[_VALIDATION_LOSS]:.4f} (best {best:.4f})')
        parts.append(format_duration(now - self._epoch_began))
        left = (total - done) * (now - self._began) / (done - self._done_before)
        if left > 0:
            parts.append(f'about {format_duration(left)} left')
        return '  '.join(parts)
