# SPDX-License-Identifier: Apache-2.0
"""The folder of a training run: its files, and whether an interrupted run can be resumed."""

from __future__ import annotations

import csv
import pickle
import shutil
from pathlib import Path
from typing import Any

import yaml

from robot_face_gen.files import write_text
from robot_face_gen.yaml_file import parse_yaml

from .config import TrainingConfig

# Options that may differ between an interrupted run and its continuation.
_FREE = ('output', 'resume', 'workers', 'devices', 'num_nodes', 'accelerator', 'data')


class RunFolder:
    """The files of a run.

    Args:
        folder: `output` of the configuration.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.state = self.folder / 'last.ckpt'  # complete state for resuming
        self.config = self.folder / 'training_config.yaml'
        self.best = self.folder / 'best.safetensors'
        self.last = self.folder / 'last.safetensors'
        self.curves = self.folder / 'curves.csv'
        self.tensorboard = 'tensorboard'

    def interrupted(self, config: TrainingConfig) -> dict[str, Any] | None:
        """Read the state of the interrupted run to resume; None for a new run.

        Raises:
            ValueError: the folder contains a run of another configuration, or is damaged.
            OSError: a file cannot be read.
        """
        if not (config.resume and self.state.is_file()):
            return None
        self._same_run(config)
        import torch

        try:
            state = torch.load(self.state, map_location='cpu', weights_only=True)
            missing = {'epoch', 'state_dict', 'optimizer_states', 'callbacks'} - state.keys()
        except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError, AttributeError) as e:
            raise self._damaged(str(e).split('\n')[0]) from None
        if missing:
            raise self._damaged(f'{", ".join(sorted(missing))} missing')
        return state

    def _damaged(self, why: str) -> ValueError:
        return ValueError(
            f'{self.state}: damaged, or not the state of a training run ({why}): remove it, or '
            'start a new run with resume=false'
        )

    def _same_run(self, config: TrainingConfig) -> None:
        try:
            before = parse_yaml(self.config.read_text(encoding='utf-8'))
        except ValueError as error:
            raise ValueError(f'{self.config}: {" ".join(str(error).split())}') from None
        if not isinstance(before, dict):
            raise ValueError(f'{self.config}: expected a mapping, got {before!r}')
        after = config.to_dict()
        changed = [
            f'{name} = {after[name]!r} (was {before.get(name)!r})'
            for name in after
            if name not in _FREE and after[name] != before.get(name)
        ]
        if changed:
            raise ValueError(
                f'{self.folder}: contains an interrupted run of another configuration: '
                f'{"; ".join(changed)}. Choose another output, or resume=false for a new run'
            )

    def begin(self, config: TrainingConfig) -> None:
        """Create the folder of a new run, and delete the state and curves of an earlier run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state.unlink(missing_ok=True)
        self.curves.unlink(missing_ok=True)
        shutil.rmtree(self.folder / self.tensorboard, ignore_errors=True)
        write_text(self.config, yaml.safe_dump(config.to_dict(), sort_keys=False))


def stopped_early(state: dict[str, Any]) -> bool:
    """Whether the run of this state was ended by early stopping."""
    return any(part.get('stopped_epoch') for part in state['callbacks'].values())


def read_curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Read the curves of a run: name -> list of (epoch, value); a run of 0 epochs has none."""
    out: dict[str, list[tuple[int, float]]] = {}
    if not path.is_file():
        return out
    with path.open(newline='', encoding='utf-8') as file:
        for row in csv.DictReader(file):
            for name, text in row.items():
                if '/' in name and text:
                    out.setdefault(name, []).append((int(row['epoch']), float(text)))
    return out
