# SPDX-License-Identifier: Apache-2.0
"""A live session by ONNX Runtime alone: no torch in its process.

Torch takes most of a live process' memory and of its start. So a process of its own reads the
checkpoint, checks it and exports, once; beside the step's file it leaves a card: what the model
is, and which file its step is.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..export_process import export_elsewhere, report
from ..onnx_files import cache_path, makers, open_session
from .config import BRANCHES, EMBEDDINGS_PER_FRAME, ModelConfig, check_temperature
from .metadata import CheckpointInfo
from .noise import beginning_window, fresh_noise
from .onnx_call import OnnxCall, empty_state
from .step_names import MASKS


@dataclass(frozen=True)
class ExportedModel:
    """What stands in for a `FacialReactionModel` where its step alone is wanted, on a CPU."""

    config: ModelConfig
    info: CheckpointInfo
    step: Path  # the ONNX file
    device = 'cpu'

    @classmethod
    def of(cls, checkpoint: str | Path, *, int8: bool = False) -> ExportedModel:
        """The model of a checkpoint; exported by another process where it has not been yet.

        Raises:
            OSError: the checkpoint cannot be read, or the cache folder not be written.
            ValueError: it is no checkpoint.
            ImportError: a package is missing; it is named.
        """
        found = _read(_card(checkpoint, int8))
        if found is None:
            arguments = (str(checkpoint), *(['--int8'] if int8 else []))
            found = _read(export_elsewhere(__name__, *arguments))
        if found is None:
            raise OSError(f'{cache_path("")}: what was just exported is not there')
        return found


def is_exported(checkpoint: str | Path, *, int8: bool = False) -> bool:
    """Whether the model of a checkpoint has been exported."""
    return _read(_card(checkpoint, int8)) is not None


class ExportedManager:
    """As `OnlineInferenceManager` for one speaker and one seed, on arrays; the same answers.

    Args:
        model: an exported one.
        seed: of the session; None draws one.
        temperature: scale of the noise; can be set at any time and counts from the next window on.
        threads: that work on a step; 0 is one a core.

    Raises:
        ValueError: an impossible value.
    """

    def __init__(
        self,
        model: ExportedModel,
        seed: int | None = None,
        temperature: float | None = None,
        threads: int = 1,
    ) -> None:
        self.model = model
        self._chosen, self._seed = seed, _drawn(seed)
        self._temperature = check_temperature(temperature, model.config)
        self._session = open_session(model.step, threads)
        self._state = empty_state(self._session)
        self._calls: dict[int, OnnxCall] = {}
        self._clock = self._start = 0  # frames before the next one, and before the session

    @property
    def temperature(self) -> float:
        """Scale of the noise of windows that are still to begin."""
        return self._temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        self._temperature = check_temperature(value, self.model.config)

    def reset(self, seed: int | None = None) -> None:
        """Begin a new session; a new seed if given, otherwise the one of the last."""
        if seed is not None or self._chosen is None:
            self._seed = _drawn(seed)
        self._clock = self._start = 0
        for part in self._state.values():  # also what is not finite must go
            part.fill(0)

    def state_dict(self) -> dict[str, Any]:
        """The session as plain numbers and arrays; an `OnlineInferenceManager` can take it too."""
        return {
            'clock': self._clock,
            'seeds': [self._seed],
            'starts': np.array([self._start]),
            'temperature': self._temperature,
            **{name: part.copy() for name, part in self._state.items()},
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken, here or of an `OnlineInferenceManager`.

        Raises:
            ValueError: the saved session is of another model; the present one is kept then.
        """
        mine = self.state_dict()
        for name in (*mine.keys() - saved.keys(), *saved.keys() - mine.keys()):
            raise ValueError(
                f'saved session: {name!r} is {"missing" if name in mine else "unknown"}: '
                'it is of another model'
            )
        for name in ('starts', *self._state):
            if np.shape(saved[name]) != mine[name].shape:
                raise ValueError(
                    f'saved session: {name!r} has shape {np.shape(saved[name])}: '
                    f'expected {mine[name].shape}'
                )
        if len(saved['seeds']) != 1:
            raise ValueError(f'saved session: {len(saved["seeds"])} seeds: expected one')
        self._temperature = check_temperature(saved['temperature'], self.model.config)
        self._clock, self._start = int(saved['clock']), int(saved['starts'][0])
        self._seed = self._chosen = int(saved['seeds'][0])
        for name, part in self._state.items():
            part[...] = saved[name]

    def process_window(self, window: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answer the next frames, one for one.

        Args:
            window: `landmarks` (1, n, 136), `au` (1, n, 18), `pose` (1, n, 4), `gaze` (1, n, 2),
                `audio` (1, n, 2, audio_dim), `face_valid` and `audio_valid` (1, n) bool.

        Returns:
            dict: (1, n, 136 | 18 | 4 | 2).

        Raises:
            ValueError: bad input; the session is as it was before the call.
        """
        self._check(window)
        frames, most = window['au'].shape[1], self.model.config.window_size
        parts = [
            self._step({name: value[:, begin : begin + most] for name, value in window.items()})
            for begin in range(0, frames, most)
        ]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts], 1) for name in BRANCHES}

    def _step(self, window: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        frames = window['au'].shape[1]
        call = self._calls.get(frames)
        if call is None:
            call = self._calls[frames] = OnnxCall(self._session, self._state, frames)
        inputs, config = call.inputs, self.model.config
        for name, value in window.items():
            inputs[name][...] = value
        inputs['clock'][...], inputs['starts'][...] = self._clock, self._start
        inputs['temperature'][...] = self._temperature
        number = beginning_window(self._clock - self._start, frames, config.window_size)
        if number is not None:
            inputs['fresh'][...] = fresh_noise([self._seed], [number], config.latent_dim)
        answer = call.run()
        self._clock += frames
        return answer

    def _check(self, window: Mapping[str, np.ndarray]) -> None:
        names = (*BRANCHES, 'audio', *MASKS)
        if set(window) != set(names):
            raise ValueError(f'window of {", ".join(window)}: expected {", ".join(names)}')
        frames = window['au'].shape[1] if window['au'].ndim == 3 else 0
        shapes: dict[str, tuple[int, ...]] = {
            name: (1, frames, width) for name, width in BRANCHES.items()
        }
        shapes['audio'] = (1, frames, EMBEDDINGS_PER_FRAME, self.model.config.audio_dim)
        shapes.update(dict.fromkeys(MASKS, (1, frames)))
        for name, shape in shapes.items():
            if window[name].shape != shape or not frames:
                raise ValueError(
                    f'{name} has shape {window[name].shape}: expected one speaker, {shape}'
                )
        for name in (*BRANCHES, 'audio'):
            # One number tells nearly always; see `inputs`.
            if not math.isfinite(window[name].sum()) and not np.isfinite(window[name]).all():
                raise ValueError(f'{name} holds numbers that are not finite')


def _drawn(seed: int | None) -> int:
    return secrets.randbits(62) if seed is None else int(seed)


def _card(checkpoint: str | Path, int8: bool) -> Path:
    """Where the card of a checkpoint's model belongs; its name says what it depends on."""
    path = Path(checkpoint)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint')
    made_of = hashlib.sha256(path.read_bytes())
    made_of.update(makers().encode())
    for source in [*sorted(Path(__file__).parent.glob('*.py')), _exporter()]:
        made_of.update(source.read_bytes())
    return cache_path(f'reaction-{made_of.hexdigest()[:16]}{"-int8" if int8 else ""}.json')


def _exporter() -> Path:
    return Path(__file__).parent.parent / 'onnx_export.py'


def _read(card: Path) -> ExportedModel | None:
    """The model that a card tells of; None where there is none, or not its file."""
    try:
        told = json.loads(card.read_text(encoding='utf-8'))
        config = ModelConfig.from_mapping(told['config'])
        info, step = CheckpointInfo.from_dict(told['info']), card.with_name(told['step'])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return ExportedModel(config, info, step) if step.is_file() else None


def _write(checkpoint: str, *, int8: bool) -> Path:
    """Load and export, in a process that ends afterwards."""
    from .checkpoint import load_checkpoint
    from .onnx_backend import exported

    card = _card(checkpoint, int8)
    model = load_checkpoint(checkpoint).eval()
    step = exported(model, int8=int8)
    told = {
        'config': model.config.to_dict(), 'info': model.info.to_dict(), 'step': step.name,
    }  # fmt: skip
    part = card.with_suffix(f'.{os.getpid()}.json')
    part.write_text(json.dumps(told), encoding='utf-8')
    os.replace(part, card)
    return card


def main() -> int:
    """Export the step of a checkpoint's model; see `report`."""
    parser = argparse.ArgumentParser(description='Export a model of reactions for the live node')
    parser.add_argument('checkpoint')
    parser.add_argument('--int8', action='store_true')
    args = parser.parse_args()
    return report(lambda: _write(args.checkpoint, int8=args.int8))


if __name__ == '__main__':
    sys.exit(main())
