# SPDX-License-Identifier: Apache-2.0
"""A live session: windows of any length in, the listener's face out. Torch only if it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..models.backends import CUDA_GRAPH, EAGER, ONNX, ONNX_INT8, resolve_backend
from .config import check_temperature
from .inputs import Seeds, check_speaker, random_seed, resolve_seeds
from .onnx_runner import ExportedModel, OnnxRunner
from .sessions import Runner, Sessions

if TYPE_CHECKING:
    from .model import FacialReactionModel


def make_runner(
    model: FacialReactionModel | ExportedModel,
    speakers: int = 1,
    sessions: int | None = None,
    *,
    backend: str = EAGER,
    threads: int | None = None,
) -> Runner:
    """The runner of a model's step, see `OnlineInferenceManager`.

    `sessions` are as many as speakers (None), or several of one speaker.

    Raises:
        ValueError: an impossible number, an unknown backend or one that does not run here.
        ImportError: the backend's package is missing; it is named.
    """
    sessions = speakers if sessions is None else sessions
    if speakers < 1 or sessions < 1:
        raise ValueError(f'{speakers} speakers, {sessions} sessions: expected at least 1')
    if isinstance(model, ExportedModel):
        if (speakers, sessions) != (1, 1):
            raise ValueError(
                f'{speakers} speakers, {sessions} sessions: an exported model has one of each'
            )
        return OnnxRunner(model.step, model, 1 if threads is None else threads)
    backend = resolve_backend(backend, model.device)
    if backend in (ONNX, ONNX_INT8):
        import torch

        from .onnx_runner import exported_step

        path = exported_step(model, speakers, sessions, int8=backend == ONNX_INT8)
        return OnnxRunner(path, model, torch.get_num_threads() if threads is None else threads)
    from .torch_runner import TorchRunner

    return TorchRunner(model, speakers, sessions, record=backend == CUDA_GRAPH)


class OnlineInferenceManager:
    """Passes the windows of a stream to a model and keeps the session's state.

    The joined answers equal `model(whole)` for the same seed and temperature, however the stream
    is cut.

    Args:
        model: a `FacialReactionModel`, shared by any number of managers and never changed; or an
            `ExportedModel`, which needs no torch and answers one speaker with one seed.
        device: where to run; None is where the model is.
        seed: see `resolve_seeds`; several seeds and one speaker give several reactions.
        temperature: scale of the noise; it can be set at any time and takes effect when the next
            window begins.
        backend: what computes a step: `eager` is torch; `cuda-graph` is torch on a CUDA device,
            recorded and replayed; `onnx` is ONNX Runtime on a CPU, equal to 1e-4 and faster;
            `onnx-int8` is faster still, with 8-bit weights, and not quite equal. An exported model
            has its own. A saved session can continue on any of them.
        threads: of ONNX Runtime for one step; 0 is one per core, None as many as torch uses (one
            for an exported model).

    Raises:
        ValueError: an impossible value, an unknown backend or one that does not run on the device.
        ImportError: the backend's package is missing; it is named.
    """

    def __init__(
        self,
        model: FacialReactionModel | ExportedModel,
        device: Any = None,
        seed: Seeds = None,
        temperature: float | None = None,
        backend: str = EAGER,
        threads: int | None = None,
    ) -> None:
        self._torch = not isinstance(model, ExportedModel)
        if isinstance(model, ExportedModel):
            self.model: Any = model
            self._draw: Any = random_seed
        else:
            from .checkpoint import resolve_device
            from .model import torch_seed
            from .onnx_runner import check_exportable

            self.model = (model if device is None else model.to(resolve_device(device))).eval()
            self._draw = torch_seed
            backend = resolve_backend(backend, model.device)
            if backend in (ONNX, ONNX_INT8):
                check_exportable(model)
        self._seed, self._backend, self._threads = seed, backend, threads
        self._temperature = check_temperature(temperature, model.config)
        self._sessions: Sessions | None = None  # kept by `reset`: its memory is used again
        self._running: Sessions | None = None
        self._weights: Any = None  # what identifies the weights that the sessions' runner uses

    @property
    def temperature(self) -> float:
        """Scale of the noise of windows that are still to begin."""
        return self._temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        self._temperature = check_temperature(value, self.model.config)
        if self._sessions is not None:
            self._sessions.temperature = self._temperature

    @property
    def state(self) -> Sessions | None:
        """The running session; None before its first frame."""
        running = self._running
        return running if running is not None and running.clocks[0] else None

    def process_window(self, window: Mapping[str, Any]) -> dict[str, Any]:
        """React to the next frames, one for one.

        Args:
            window: any number of frames, see `check_speaker`.

        Returns:
            dict: (S, n, 136 | 18 | 4 | 2), S sessions: tensors on the model's device (on the CPU
            with `cuda-graph`), or arrays for an exported model.

        Raises:
            ValueError: bad input; the session is as it was before the call.
        """
        speaker = check_speaker(window, self.model.config)
        speakers = len(speaker['au'])
        running = self.state
        if running is not None and running.runner.speakers != speakers:
            raise ValueError(
                f'window of {speakers} speakers: this session has {running.runner.speakers} '
                '(reset() begins another)'
            )
        answer = (running or self._begin(speakers)).process(speaker)
        if not self._torch:
            return answer
        import torch

        device = 'cpu' if self._backend == CUDA_GRAPH else self.model.device
        return {name: torch.from_numpy(part).to(device) for name, part in answer.items()}

    def reset(self, seed: Seeds = None) -> None:
        """Begin a new session, with a new seed if one is given, else with that of the last.

        Where no seed was chosen, the new session draws another.
        """
        if seed is not None:
            self._seed = seed
        self._running = None

    def state_dict(self) -> dict[str, Any]:
        """A copy of the session as plain numbers and tensors (arrays for an exported model)."""
        saved = (self._running or self._begin(1)).state_dict()
        if not self._torch:
            return saved
        import torch

        return {
            name: torch.from_numpy(part) if isinstance(part, np.ndarray) else part
            for name, part in saved.items()
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken, with any backend; empty: a new session.

        Raises:
            ValueError: the saved session is damaged or of another model; the present one is kept.
        """
        if not saved:
            self.reset()
            return
        try:
            speakers, seeds = len(saved['encoder.0.keys']), [int(s) for s in saved['seeds']]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'saved session: {error} is missing or damaged') from None
        sessions = self._fitting(speakers, seeds)
        sessions.load_state_dict(saved)
        self._sessions = self._running = sessions
        self._seed, self._temperature = seeds, sessions.temperature

    def _begin(self, speakers: int) -> Sessions:
        """A new session of so many speakers."""
        seeds = resolve_seeds(self._seed, speakers, self._draw)
        sessions = self._fitting(speakers, seeds)
        sessions.restart(seeds)
        sessions.temperature = self._temperature
        self._sessions = self._running = sessions
        return sessions

    def _fitting(self, speakers: int, seeds: list[int]) -> Sessions:
        """The present sessions if their sizes fit and the weights are the same, or new ones."""
        held, weights = self._sessions, self._identify_weights()
        wanted = (speakers, len(seeds), weights)
        if held is not None and (held.runner.speakers, held.faces, self._weights) == wanted:
            return held
        runner = make_runner(
            self.model, speakers, len(seeds), backend=self._backend, threads=self._threads
        )
        self._weights = weights
        return Sessions(runner, seeds)

    def _identify_weights(self) -> Any:
        """It changes when the weights do: a runner uses a copy of a part of them."""
        if not self._torch:
            return None
        tensors = (*self.model.parameters(), *self.model.buffers())
        return [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors]
