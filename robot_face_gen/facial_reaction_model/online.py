# SPDX-License-Identifier: Apache-2.0
"""A live session: windows of any length in, the listener's face out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from ..onnx_files import CUDA_GRAPH, EAGER, ONNX_INT8, check_backend
from .config import BRANCHES, check_temperature
from .device import resolve_device
from .encoder import Face
from .inputs import check_speaker
from .model import FacialReactionModel, Seeds, resolve_seeds
from .state import SessionState

Step = Callable[[Face, SessionState, float], Face]


class OnlineInferenceManager:
    """Feeds a model with windows of a stream and keeps the session's state.

    The joined answers equal `model(whole)` for the same seed and temperature, however the stream
    is cut.

    Args:
        model: shared by as many managers as wanted; never changed.
        device: where to run; None is where the model is.
        seed: see `resolve_seeds`; several seeds and one speaker give several reactions.
        temperature: scale of the noise; can be set at any time and counts from the next window on.
        backend: what computes a step: `eager` is torch; `onnx` is ONNX Runtime on a CPU, equal to
            1e-4 and faster; `onnx-int8` is faster still with 8-bit weights, and not quite equal.
            `cuda-graph` is torch on a CUDA device, a step recorded and replayed: its answers are
            on the CPU. A saved session can go on with any of them.

    Raises:
        ValueError: an impossible value, no such backend or none for this device.
        ImportError: the backend's package is missing; it is named.
    """

    def __init__(
        self,
        model: FacialReactionModel,
        device: str | torch.device | None = None,
        seed: Seeds = None,
        temperature: float | None = None,
        backend: str = EAGER,
    ) -> None:
        self.model = (model if device is None else model.to(resolve_device(device))).eval()
        self._seed = seed
        self._temperature = check_temperature(temperature, model.config)
        self._state: SessionState | None = None
        self._spare: SessionState | None = None
        self._step: Step = self.model.step
        self._inputs_on = self.model.device
        if check_backend(backend) == CUDA_GRAPH:
            if self.model.device.type != 'cuda':
                raise ValueError(
                    f'the model is on {self.model.device}: the backend {backend} expects a CUDA '
                    'device'
                )
            from .cuda_step import CudaStep

            self._step, self._inputs_on = CudaStep(self.model), torch.device('cpu')
        elif backend != EAGER:
            from .onnx_backend import OnnxStep

            self._step = OnnxStep(self.model, int8=backend == ONNX_INT8)

    @property
    def temperature(self) -> float:
        """Scale of the noise of windows that are still to begin."""
        return self._temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        self._temperature = check_temperature(value, self.model.config)

    @property
    def state(self) -> SessionState | None:
        """The session's state; None before its first window."""
        return self._state

    def process_window(self, window: Mapping[str, Any]) -> Face:
        """Answer the next frames, one for one.

        Args:
            window: any number of frames, see `check_speaker`.

        Returns:
            dict: (S, n, 136 | 18 | 4 | 2), S sessions.

        Raises:
            ValueError: bad input; the session is as it was before the call.
        """
        model, config = self.model, self.model.config
        speaker = check_speaker(window, config, self._inputs_on, model.vae.beginning.dtype)
        speakers, frames = speaker['au'].shape[:2]
        if self._state is None:
            self._state = self._begin(speakers)
        elif self._state.speakers != speakers:
            raise ValueError(
                f'window of {speakers} speakers: this session has {self._state.speakers} '
                '(reset() begins another)'
            )
        if frames <= config.window_size:
            return self._step(speaker, self._state, self._temperature)
        parts = [
            self._step(
                {
                    name: value[:, begin : begin + config.window_size]
                    for name, value in speaker.items()
                },
                self._state,
                self._temperature,
            )
            for begin in range(0, frames, config.window_size)
        ]
        return {name: torch.cat([part[name] for part in parts], dim=1) for name in BRANCHES}

    def _begin(self, speakers: int) -> SessionState:
        """State of a new session, in the memory of the last one if that fits: it may be bound."""
        spare, self._spare = self._spare, None
        seeds = resolve_seeds(self._seed, speakers)
        if spare is None or (spare.speakers, spare.sessions) != (speakers, len(seeds)):
            return self.model.make_state(speakers, seeds)
        spare.restart(seeds)
        return spare

    def reset(self, seed: Seeds = None) -> None:
        """Begin a new session; a new seed if given, otherwise the one of the last."""
        if seed is not None:
            self._seed = seed
        self._spare, self._state = self._state or self._spare, None

    def state_dict(self) -> dict[str, Any]:
        """The session as plain numbers and tensors; empty before the first window."""
        return (
            {}
            if self._state is None
            else {**self._state.state_dict(), 'temperature': self._temperature}
        )

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken, in the present session's memory if it fits.

        Raises:
            ValueError: the saved session is of another model; the present one is kept then.
        """
        if not saved:
            self.reset()
            return
        parts = dict(saved)
        try:
            temperature = check_temperature(parts.pop('temperature'), self.model.config)
            speakers, seeds = parts['encoder.0.keys'].shape[0], list(parts['seeds'])
            state = self._state or self._spare  # what is bound stays bound
            if state is None or (state.speakers, state.sessions) != (speakers, len(seeds)):
                state = self.model.make_state(speakers, seeds)
        except (KeyError, AttributeError, TypeError) as error:
            raise ValueError(f'saved session: {error} is missing or damaged') from None
        state.load_state_dict(parts)
        self._temperature = temperature
        self._state, self._spare, self._seed = state, None, seeds
