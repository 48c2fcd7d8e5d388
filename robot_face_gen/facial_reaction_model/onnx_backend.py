# SPDX-License-Identifier: Apache-2.0
"""`FacialReactionModel.step` by ONNX Runtime: the same function and the same `SessionState`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ..onnx_export import digest
from ..onnx_files import cached, open_session
from .bound_step import BoundStep
from .encoder import Face
from .model import FacialReactionModel
from .onnx_call import OnnxCall
from .onnx_graph import export_step, ring_names
from .state import SessionState
from .step_names import LATENTS


class OnnxStep(BoundStep):
    """Steps a session; the graph is exported on first use and kept in the cache folder.

    The rings of the state are read and written where they lie, so that a session can go from this
    backend to the eager one and back, be saved and restored, at any frame.

    Args:
        model: on the CPU, in float32.
        int8: 8-bit weights: faster, and not quite the same function.
        threads: that work on a step; None is as many as torch has.
        sessions: (speakers, sessions) of the states that will come; others are opened when they
            do.

    Raises:
        ValueError: the model is elsewhere or of another precision.
        ImportError: a package is missing; it is named.
    """

    def __init__(
        self,
        model: FacialReactionModel,
        *,
        int8: bool = False,
        threads: int | None = None,
        sessions: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__(model)
        weight = model.vae.beginning
        if weight.device.type != 'cpu' or weight.dtype != torch.float32:
            raise ValueError(
                f'the model is on {weight.device}, {weight.dtype}: the backend onnx expects the '
                'CPU and float32'
            )
        self._int8 = int8
        self._threads = threads or torch.get_num_threads()
        self._sessions: dict[tuple[int, int], Any] = {}
        self._open(*sessions)  # what fails, fails now

    def _open(self, speakers: int, sessions: int) -> Any:
        session = self._sessions.get((speakers, sessions))
        if session is None:
            path = exported(self.model, speakers=speakers, sessions=sessions, int8=self._int8)
            session = open_session(path, self._threads)
            self._sessions[speakers, sessions] = session
        return session

    def make_call(self, state: SessionState, frames: int) -> TensorCall:
        """Set up a call of so many frames."""
        session = self._open(state.speakers, state.sessions)
        return TensorCall(session, self.model, state, frames)


class TensorCall:
    """An `OnnxCall` on a session's tensors; see `BoundCall`."""

    def __init__(
        self, session: Any, model: FacialReactionModel, state: SessionState, frames: int
    ) -> None:
        rings = [t for ring in (*state.encoder, *state.decoder) for t in (ring.keys, ring.values)]
        named = {name: getattr(state, name) for name in LATENTS}
        named.update(zip(ring_names(model), rings, strict=True))
        self._call = OnnxCall(session, {k: t.numpy() for k, t in named.items()}, frames)
        self.inputs = {k: torch.from_numpy(array) for k, array in self._call.inputs.items()}
        self.inputs['moves'] = torch.ones(state.sessions, dtype=torch.bool)

    def run(self) -> Face:
        """From the inputs to the answer; the state moves on in place."""
        answer = self._call.run(self.inputs['moves'].numpy())
        return {name: torch.from_numpy(part) for name, part in answer.items()}


def exported(
    model: FacialReactionModel, *, speakers: int = 1, sessions: int = 1, int8: bool = False
) -> Path:
    """The ONNX file of a model's step in the cache folder, written where it is missing."""
    key = digest(
        model.state_dict(), json.dumps(model.config.to_dict()), sources=Path(__file__).parent
    )
    name = f'step-{key}-{speakers}x{sessions}{"-int8" if int8 else ""}.onnx'
    return cached(
        name,
        lambda path: export_step(model, path, speakers=speakers, sessions=sessions, int8=int8),
    )
