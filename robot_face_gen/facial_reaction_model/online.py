"""A live session: windows of any length in, the listener's face out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from ..onnx_files import EAGER, ONNX_INT8, check_backend
from .config import BRANCHES
from .device import resolve_device
from .encoder import Face
from .inputs import check_speaker
from .model import FacialReactionModel, Seeds, check_temperature
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
            A saved session can go on with any of them.

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
        self._step: Step = self.model.step
        if check_backend(backend) != EAGER:
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
        speaker = check_speaker(window, config, model.device, model.vae.beginning.dtype)
        speakers, frames = speaker['au'].shape[:2]
        if self._state is None:
            self._state = model.make_state(speakers, self._seed)
        elif self._state.speakers != speakers:
            raise ValueError(
                f'window of {speakers} speakers: this session has {self._state.speakers} '
                '(reset() begins another)'
            )
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
        if len(parts) == 1:
            return parts[0]
        return {name: torch.cat([part[name] for part in parts], dim=1) for name in BRANCHES}

    def reset(self, seed: Seeds = None) -> None:
        """Begin a new session; a new seed if given, otherwise the one of the last."""
        if seed is not None:
            self._seed = seed
        self._state = None

    def state_dict(self) -> dict[str, Any]:
        """The session as plain numbers and tensors; empty before the first window."""
        return (
            {}
            if self._state is None
            else {**self._state.state_dict(), 'temperature': self._temperature}
        )

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Raises:
            ValueError: the saved session is of another model; the present one is kept then.
        """
        if not saved:
            self._state = None
            return
        parts = dict(saved)
        try:
            temperature, seeds = parts.pop('temperature'), list(parts['seeds'])
            state = self.model.make_state(parts['encoder.0.keys'].shape[0], seeds)
        except (KeyError, AttributeError, TypeError) as error:
            raise ValueError(f'saved session: {error} is missing or damaged') from None
        state.load_state_dict(parts)
        self.temperature = temperature
        self._state, self._seed = state, seeds
