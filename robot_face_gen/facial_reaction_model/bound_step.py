# SPDX-License-Identifier: Apache-2.0
"""Steps through calls whose memory is set up once: binding it costs as much as a layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from .encoder import Face
from .model import FacialReactionModel
from .noise import fresh_noise
from .state import SessionState
from .step_names import LATENTS, SPEAKER


class BoundCall(Protocol):
    """A call of one length on one state.

    Attributes:
        inputs: on the host, to be filled before `run`: those of `StepGraph` but for the state, and
            `moves` (S,) bool, which sessions step; the others stay as they are.
    """

    inputs: dict[str, Tensor]

    def run(self) -> Face:
        """The listener's frames (S, n, ...) on the host, of all sessions; moves the state on."""
        ...


class BoundStep(ABC):
    """`FacialReactionModel.step` for a state that stays where it is.

    Args:
        model: whose step it is.
    """

    def __init__(self, model: FacialReactionModel) -> None:
        self.model = model
        self._bound: list[Tensor] = []
        self._calls: dict[int, BoundCall] = {}

    @abstractmethod
    def make_call(self, state: SessionState, frames: int) -> BoundCall:
        """Set up a call of so many frames."""

    def call(self, state: SessionState, frames: int) -> BoundCall:
        """The call of so many frames on this state; another state's memory is bound anew."""
        bound = [getattr(state, name) for name in LATENTS]
        bound += [t for ring in (*state.encoder, *state.decoder) for t in (ring.keys, ring.values)]
        if len(bound) != len(self._bound) or any(
            a is not b for a, b in zip(bound, self._bound, strict=True)
        ):
            self._bound, self._calls = bound, {}
        found = self._calls.get(frames)
        if found is None:
            found = self._calls[frames] = self.make_call(state, frames)
        return found

    def draw(self, call: BoundCall, windows: Mapping[int, int], seeds: list[int]) -> None:
        """Noise of windows that begin: session -> window. Other rows are not read."""
        if windows:
            rows = list(windows)
            dim, numbers = self.model.config.latent_dim, list(windows.values())
            drawn = fresh_noise([seeds[row] for row in rows], numbers, dim)
            call.inputs['fresh'][rows] = torch.from_numpy(drawn)

    @torch.no_grad()
    def __call__(self, speaker: Face, state: SessionState, temperature: float) -> Face:
        """As `FacialReactionModel.step`; what it gives is on the CPU."""
        frames = speaker['au'].shape[1]
        call = self.call(state, frames)
        for name in SPEAKER:
            call.inputs[name].copy_(speaker[name])
        call.inputs['clock'].fill_(state.clock)
        call.inputs['starts'].copy_(state.starts)
        call.inputs['temperature'].fill_(temperature)
        windows = state.beginning_windows(frames, self.model.config.window_size)
        self.draw(call, windows, state.seeds)
        answer = call.run()
        state.clock += frames
        return answer
