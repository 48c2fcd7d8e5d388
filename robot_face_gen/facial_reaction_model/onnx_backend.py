"""`FacialReactionModel.step` by ONNX Runtime: the same function and the same `SessionState`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..onnx_export import digest
from ..onnx_files import cached, open_session
from .bound_step import BoundStep
from .config import BRANCHES, EMBEDDINGS_PER_FRAME
from .encoder import Face
from .model import FacialReactionModel
from .onnx_graph import LISTENER, NEXT, export_step, ring_names
from .state import SessionState
from .step_graph import LATENTS, MASKS


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

    def make_call(self, state: SessionState, frames: int) -> OnnxCall:
        """Set up a call of so many frames."""
        session = self._open(state.speakers, state.sessions)
        return OnnxCall(session, self.model, state, frames)


class OnnxCall:
    """Memory that calls of one length read and write; see `BoundCall`.

    The rings are bound as input and output, so that only the rows of the new frames are written.
    """

    def __init__(
        self, session: Any, model: FacialReactionModel, state: SessionState, frames: int
    ) -> None:
        speakers, sessions = state.speakers, state.sessions
        self._session, self._binding = session, session.io_binding()
        self._state = {name: getattr(state, name) for name in LATENTS}
        rings = [t for ring in (*state.encoder, *state.decoder) for t in (ring.keys, ring.values)]
        self._rings = dict(zip(ring_names(model), rings, strict=True))
        self.inputs = {
            name: torch.zeros(speakers, frames, width) for name, width in BRANCHES.items()
        }
        shape = (speakers, frames, EMBEDDINGS_PER_FRAME, model.config.audio_dim)
        self.inputs['audio'] = torch.zeros(shape)
        for name in MASKS:
            self.inputs[name] = torch.zeros(speakers, frames, dtype=torch.bool)
        self.inputs['clock'] = torch.zeros_like(state.starts)
        self.inputs['starts'] = torch.zeros_like(state.starts)
        self.inputs['temperature'] = torch.tensor(0.0)
        self.inputs['fresh'] = torch.zeros_like(state.noise)
        self._moved = {name: torch.empty_like(latent) for name, latent in self._state.items()}
        self._face = {
            name: torch.empty(sessions, frames, width) for name, width in BRANCHES.items()
        }
        for name, tensor in (self.inputs | self._state | self._rings).items():
            _bind_input(self._binding, name, tensor)
        for name, tensor in self._face.items():
            _bind_output(self._binding, LISTENER + name, tensor)
        for name, tensor in (self._moved | self._rings).items():
            _bind_output(self._binding, NEXT + name, tensor)
        self.inputs['moves'] = torch.ones(sessions, dtype=torch.bool)

    def run(self) -> Face:
        """From the inputs to the answer; the state moves on in place."""
        self._session.run_with_iobinding(self._binding)
        moves = self.inputs['moves']
        for name, latent in self._state.items():
            new = self._moved[name]
            latent.copy_(new if moves.all() else torch.where(moves[:, None], new, latent))
        return {name: part.clone() for name, part in self._face.items()}


def _bind_input(binding: Any, name: str, tensor: torch.Tensor) -> None:
    """Let a session read a tensor where it lies; it must be contiguous and outlive the run."""
    binding.bind_input(
        name, 'cpu', 0, _DTYPES[tensor.dtype], list(tensor.shape), tensor.data_ptr()
    )


def _bind_output(binding: Any, name: str, tensor: torch.Tensor) -> None:
    """Let a session write into a tensor where it lies."""
    binding.bind_output(
        name, 'cpu', 0, _DTYPES[tensor.dtype], list(tensor.shape), tensor.data_ptr()
    )


_DTYPES: dict[torch.dtype, Any] = {
    torch.float32: np.float32,
    torch.int64: np.int64,
    torch.bool: np.bool_,
}


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
