# SPDX-License-Identifier: Apache-2.0
"""How far a run is: a bar while an epoch goes on, a line when it is over, and its curves."""

from __future__ import annotations

import csv
import os
import sys
import time
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from tqdm import tqdm

_HELD_OUT = 'validation/loss'


def readable(seconds: float) -> str:
    """A duration as a person says it: 45 s, 12 min, 5 h 32 min."""
    if seconds < 90:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    return f'{minutes} min' if minutes < 90 else f'{minutes // 60} h {minutes % 60} min'


class EpochBar(TQDMProgressBar):
    """A bar of the steps of an epoch, gone when it is over; nothing where no person looks on."""

    def __init__(self) -> None:
        super().__init__(refresh_rate=1 if sys.stderr.isatty() else 0, leave=False)

    def init_validation_tqdm(self) -> Any:
        """No bar of its own for held-out clips."""
        return tqdm(disable=True)

    def on_train_epoch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Epochs count from 1, and a person wants to know how many there will be."""
        super().on_train_epoch_start(trainer)
        self.train_progress_bar.set_description(
            f'epoch {trainer.current_epoch + 1}/{trainer.max_epochs}'
        )

    def get_metrics(self, *args: Any) -> dict[str, Any]:
        """The loss, without the number of the run, which has none."""
        metrics = super().get_metrics(*args)
        metrics.pop('v_num', None)
        return dict(metrics)


class Curves(Callback):
    """Writes `curves.csv`, a row an epoch, and says a line of it.

    Its rows travel in the checkpoint: a resumed run leaves the file of one never interrupted.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[dict[str, float]] = []
        self._began = self._epoch_began = 0.0
        self._done_before = 0

    def state_dict(self) -> dict[str, Any]:
        """What must be known after a resumption."""
        return {'rows': self._rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the rows of the interrupted run."""
        self._rows = state_dict['rows']

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Remember when."""
        self._began, self._done_before = time.monotonic(), trainer.current_epoch
        if self._done_before and trainer.is_global_zero:
            print(f'going on after epoch {self._done_before}', flush=True)

    def on_train_epoch_start(self, *_: Any) -> None:
        """Remember when."""
        self._epoch_began = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """A row and a line."""
        row: dict[str, float] = {'epoch': trainer.current_epoch + 1, 'step': trainer.global_step}
        row |= {n: float(v) for n, v in sorted(trainer.callback_metrics.items()) if '/' in n}
        if (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1):
            # Lightning still has the figures of the last validation: not of this epoch.
            row = {n: v for n, v in row.items() if not n.startswith('validation/')}
        self._rows.append(row)
        if not trainer.is_global_zero:
            return
        self._write()
        tqdm.write(self._line(trainer))
        sys.stdout.flush()

    def _write(self) -> None:
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        partial = self.path.with_name(self.path.name + '.partial')
        with partial.open('w', newline='', encoding='utf-8') as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self._rows)
        os.replace(partial, self.path)

    def _line(self, trainer: lightning.Trainer) -> str:
        now, row = time.monotonic(), self._rows[-1]
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 0
        parts = [f'epoch {done:{len(str(total))}}/{total}', f'loss {row["train/loss"]:.4f}']
        if _HELD_OUT in row:
            best = min(r[_HELD_OUT] for r in self._rows if _HELD_OUT in r)
            parts.append(f'held out {row[_HELD_OUT]:.4f} (best {best:.4f})')
        parts.append(readable(now - self._epoch_began))
        left = (total - done) * (now - self._began) / (done - self._done_before)
        if left > 0:
            parts.append(f'about {readable(left)} left')
        return '  '.join(parts)


def read_curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    """The curves of a run: name -> (epoch, value) points."""
    out: dict[str, list[tuple[int, float]]] = {}
    with path.open(newline='', encoding='utf-8') as file:
        for row in csv.DictReader(file):
            for name, text in row.items():
                if '/' in name and text:
                    out.setdefault(name, []).append((int(row['epoch']), float(text)))
    return out
