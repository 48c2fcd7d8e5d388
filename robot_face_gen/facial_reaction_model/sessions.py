# SPDX-License-Identifier: Apache-2.0
"""Streaming sessions: a clock, a seed and a state for each face, on one of two runners; no torch.

A runner computes the step of `step.py`: `torch_runner` with torch, `onnx_runner` with ONNX
Runtime. It owns the memory of the state, which never grows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from .config import BRANCHES, EMBEDDINGS_PER_FRAME, CheckpointInfo, ModelConfig, check_temperature
from .events import EVENTS, LiveMotion, Motion
from .inputs import (
    MASKS,
    SPEAKER,
    Seeds,
    beginning_window,
    check_speaker,
    fresh_noise,
    random_seed,
    resolve_seeds,
)

Arrays = dict[str, np.ndarray]
CONTROLS = ('clock', 'temperature', 'fresh')  # see `step`
LATENTS = ('context', 'noise', 'last', 'own')  # the part of the state that is no ring
ANSWERS = {**BRANCHES, 'events': len(EVENTS)}  # what a step answers, and the widths


class Model(Protocol):
    """What sessions and nodes need to know of a model; torch or exported."""

    @property
    def config(self) -> ModelConfig:
        """Its sizes."""
        ...

    @property
    def info(self) -> CheckpointInfo:
        """Its description."""
        ...

    @property
    def device(self) -> object:
        """Where it runs."""
        ...

    def live_motion(self) -> Motion:
        """Its events and residual."""
        ...


class Call(Protocol):
    """A step of a fixed number of frames, with its memory allocated.

    Attributes:
        inputs: on the host, to be filled before `run`: speaker and controls, as in `step`, and
            `moves` (S,) bool, the sessions that step; the others keep their state.
    """

    inputs: Arrays

    def run(self) -> Arrays:
        """`ANSWERS` (S, n, width) of all sessions, valid until the next run."""
        ...


class Runner(ABC):
    """Computes steps for a fixed number of speakers and sessions, and holds their state.

    Attributes:
        model: whose step it is.
        state: arrays or tensors by the names in `step`; their memory is used for all steps.
    """

    def __init__(self, model: Any, state: dict[str, Any]) -> None:
        self.model, self.state = model, state
        self.speakers, self.sessions = len(state['encoder.0.keys']), len(state['context'])
        self._calls: dict[int, Call] = {}

    def call(self, frames: int) -> Call:
        """The step of so many frames."""
        if frames not in self._calls:
            self._calls[frames] = self._make_call(frames)
        return self._calls[frames]

    @abstractmethod
    def _make_call(self, frames: int) -> Call: ...

    @abstractmethod
    def read_state(self) -> Arrays:
        """A copy of the state."""

    @abstractmethod
    def write_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Set the whole state."""

    def clear(self, rows: Sequence[int]) -> None:
        """Set the state of some sessions to zero (and of their speakers)."""
        for part in self.state.values():
            part[[row for row in rows if row < len(part)]] = 0


def input_shapes(
    config: ModelConfig, speakers: int, sessions: int, frames: int
) -> dict[str, dict[str, tuple[int, ...]]]:
    """The inputs of a step without the state: type -> name -> shape."""
    return {
        'float32': {
            **{name: (speakers, frames, width) for name, width in BRANCHES.items()},
            'audio': (speakers, frames, EMBEDDINGS_PER_FRAME, config.audio_dim),
            'temperature': (),
            'fresh': (sessions, config.latent_dim),
        },
        'int64': {'clock': (sessions,)},
        'bool': {name: (speakers, frames, *rest) for name, rest in MASKS.items()},
    }


class Sessions:
    """Sessions of one model, each with its own clock: any of them can step at any time.

    One step serves all: the weights are read once. A session that has no frame in a step is
    computed too, but keeps its clock and latents; only the ring slots that its next frames will
    overwrite are written. So each session gets what it would get alone.

    Args:
        runner: for as many speakers as sessions, or for one speaker with several sessions (several
            reactions to one person), which then always step together.
        seed: see `resolve_seeds`.
        temperature: scale of the noise; None is the configuration's.
        draw: gives a seed where none was chosen.

    Raises:
        ValueError: an impossible value.
    """

    def __init__(
        self,
        runner: Runner,
        seed: Seeds = None,
        temperature: float | None = None,
        draw: Callable[[], int] = random_seed,
    ) -> None:
        self.runner, self.model, self.config = runner, runner.model, runner.model.config
        self._draw = None if seed is not None else draw
        self.seeds = resolve_seeds(seed, runner.speakers, draw)
        if len(self.seeds) != runner.sessions:
            raise ValueError(f'{len(self.seeds)} seeds: expected {runner.sessions}')
        self.clocks = np.zeros(runner.sessions, np.int64)  # frames that each session has seen
        self._motion = LiveMotion(runner.model.live_motion(), runner.sessions)
        self.temperature = temperature  # type: ignore[assignment]

    @property
    def faces(self) -> int:
        """How many sessions there are."""
        return self.runner.sessions

    @property
    def temperature(self) -> float:
        """Scale of the noise; a change takes effect when the next window begins."""
        return self._temperature

    @temperature.setter
    def temperature(self, value: float | None) -> None:
        self._temperature = check_temperature(value, self.config)

    def nbytes(self) -> int:
        """Bytes of the state."""
        parts = {**self.runner.read_state(), **self._motion.state}
        return sum(part.nbytes for part in parts.values())

    def reset(self, face: int, seed: int | None = None) -> None:
        """Begin a session again; with its old seed, or a new one if none was chosen."""
        self._restart([face])
        if seed is not None:
            self.seeds[face] = int(seed)
        elif self._draw:
            self.seeds[face] = self._draw()

    def restart(self, seeds: Sequence[int]) -> None:
        """Begin all sessions again in the same memory."""
        self._restart(range(self.faces))
        self.seeds = list(seeds)

    def _restart(self, faces: Sequence[int]) -> None:
        # A mask does not stop a value that is not finite: the state has to be cleared.
        self.runner.clear(list(faces))
        self._motion.clear(faces)
        self.clocks[list(faces)] = 0

    def step(self, windows: Mapping[int, Mapping[str, Any]]) -> dict[int, Arrays]:
        """React to the next frames of some faces.

        Args:
            windows: face -> frames of one speaker, see `check_speaker`; the same number of frames
                for all faces, at most `window_size`.

        Returns:
            dict: face -> (1, n, 136 | 18 | 4 | 2).

        Raises:
            ValueError: bad input, named with its face; no session has moved then.
        """
        return self.step_checked({face: self.check(face, w) for face, w in windows.items()})

    def step_checked(self, checked: Mapping[int, Arrays]) -> dict[int, Arrays]:
        """As `step`, for what `check` returned."""
        if not checked:
            return {}
        lengths = {speaker['au'].shape[1] for speaker in checked.values()}
        frames = lengths.pop()
        if lengths or frames > self.config.window_size:
            raise ValueError(
                f'frames of {frames} and {sorted(lengths)}: expected the same number for all '
                f'faces, at most {self.config.window_size}'
            )
        faces = list(checked)
        speaker = {n: np.concatenate([one[n] for one in checked.values()]) for n in SPEAKER}
        answer = self._step(speaker, faces)
        return {
            face: {name: part[row : row + 1] for name, part in answer.items()}
            for row, face in enumerate(faces)
        }

    def check(self, face: int, window: Mapping[str, Any]) -> Arrays:
        """A face's frames in the form that a step takes.

        Raises:
            ValueError: it names the face and what is wrong.
        """
        if not 0 <= face < self.faces:
            raise ValueError(f'face {face}: expected 0 to {self.faces - 1}')
        try:
            speaker = check_speaker(window, self.config)
            if len(speaker['au']) != 1:
                raise ValueError(f'{len(speaker["au"])} speakers: expected one')
        except ValueError as error:
            raise ValueError(f'face {face}: {error}') from None
        return {name: on_host(value) for name, value in speaker.items()}

    def process(self, speaker: Mapping[str, Any]) -> Arrays:
        """React to the next frames of all speakers together, any number of frames.

        Args:
            speaker: what `check_speaker` returned.

        Returns:
            dict: (S, n, 136 | 18 | 4 | 2).
        """
        arrays = {name: on_host(value) for name, value in speaker.items()}
        frames, most = arrays['au'].shape[1], self.config.window_size
        if frames <= most:
            return self._step(arrays, None)
        parts = [
            self._step({name: x[:, begin : begin + most] for name, x in arrays.items()}, None)
            for begin in range(0, frames, most)
        ]
        return {name: np.concatenate([part[name] for part in parts], axis=1) for name in BRANCHES}

    def _step(self, speaker: Mapping[str, np.ndarray], faces: Sequence[int] | None) -> Arrays:
        """One step of some sessions (None for all), at most `window_size` frames of each."""
        frames = speaker['au'].shape[1]
        call = self.runner.call(frames)
        inputs, rows = call.inputs, slice(None) if faces is None else list(faces)
        for name, value in speaker.items():
            inputs[name][rows] = value
        inputs['clock'][:] = self.clocks
        inputs['temperature'][...] = self._temperature
        inputs['moves'][:] = faces is None
        inputs['moves'][rows] = True
        self._draw_noise(inputs['fresh'], range(self.faces) if faces is None else faces, frames)
        answer = call.run()
        moved = list(range(self.faces)) if faces is None else list(faces)
        face = {name: answer[name][rows] for name in BRANCHES}
        seeds, clocks = [self.seeds[f] for f in moved], self.clocks[moved].tolist()
        self.clocks[rows] += frames
        return self._motion.add(
            face, answer['events'][rows], moved, seeds, clocks, self._temperature
        )

    def _draw_noise(self, fresh: np.ndarray, faces: Sequence[int], frames: int) -> None:
        """Fill the rows of the sessions in which a window begins; others are not read."""
        size, clocks = self.config.window_size, self.clocks.tolist()
        for face in faces:
            window = beginning_window(clocks[face], frames, size)
            if window is not None:
                fresh[face] = fresh_noise(self.seeds[face], window, self.config.latent_dim)

    def state_dict(self) -> dict[str, Any]:
        """A copy as plain numbers and arrays; any runner of the same sizes can load it."""
        return {
            'clock': self.clocks.copy(),
            'seeds': list(self.seeds),
            'temperature': self._temperature,
            **self.runner.read_state(),
            **{name: part.copy() for name, part in self._motion.state.items()},
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken.

        Raises:
            ValueError: a part is missing, unknown, damaged or of another size (the session of
                another model); nothing is changed then.
        """
        mine = self.state_dict()
        for name in (*mine.keys() - saved.keys(), *saved.keys() - mine.keys()):
            raise ValueError(
                f'saved session: {name!r} is {"missing" if name in mine else "unknown"}: '
                'it is of another model'
            )
        arrays = {}
        for name, part in mine.items():
            if isinstance(part, np.ndarray):
                arrays[name] = on_host(saved[name])
                if arrays[name].shape != part.shape:
                    raise ValueError(
                        f'saved session: {name!r} has shape {arrays[name].shape}: '
                        f'expected {part.shape}'
                    )
        try:
            temperature = check_temperature(saved['temperature'], self.config)
            seeds, clocks = [int(s) for s in saved['seeds']], arrays.pop('clock').astype(np.int64)
            if len(seeds) != self.faces or clocks.min() < 0:
                raise ValueError(
                    f'{len(seeds)} seeds, clocks from {clocks.min()}: expected {self.faces} and '
                    'at least 0'
                )
            self._motion.load(arrays)
        except (TypeError, ValueError) as error:
            raise ValueError(f'saved session: {error}: it is damaged') from None
        self._temperature, self.seeds, self.clocks = temperature, seeds, clocks
        self._draw = None
        self.runner.write_state(arrays)


def on_host(value: Any) -> np.ndarray:
    """An array, or a tensor from any device, as an array."""
    if hasattr(value, 'detach'):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() else value
    return np.asarray(value)
