"""`FacialReactionModel.step` by ONNX Runtime: the same function and the same `SessionState`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ..onnx_files import bind_input, bind_output, cached, digest, open_session
from .config import BRANCHES
from .encoder import Face
from .model import FacialReactionModel
from .onnx_graph import LATENTS, LISTENER, NEXT, SPEAKER, export_step, ring_names
from .state import SessionState
from .vae import fresh_noise


class OnnxStep:
    """Steps a session; the graph is exported on first use and kept in the cache folder.

    The rings of the state are read and written where they lie, so that a session can go from this
    backend to the eager one and back, be saved and restored, at any frame.

    Args:
        model: on the CPU, in float32.
        int8: 8-bit weights: faster, and not quite the same function.
        threads: that work on a step; None is as many as torch has.

    Raises:
        ValueError: the model is elsewhere or of another precision.
        ImportError: a package is missing; it is named.
    """

    def __init__(
        self, model: FacialReactionModel, *, int8: bool = False, threads: int | None = None
    ) -> None:
        weight = model.vae.beginning
        if weight.device.type != 'cpu' or weight.dtype != torch.float32:
            raise ValueError(
                f'the model is on {weight.device}, {weight.dtype}: the backend onnx expects the '
                'CPU and float32'
            )
        self._model, self._int8 = model, int8
        self._threads = threads or torch.get_num_threads()
        self._names = ring_names(model)
        self._sessions: dict[tuple[int, int], Any] = {}
        self._rings: list[torch.Tensor] = []
        self._binding: Any = None
        self._open(1, 1)  # what fails, fails now

    def _open(self, speakers: int, sessions: int) -> Any:
        session = self._sessions.get((speakers, sessions))
        if session is None:
            path = exported(self._model, speakers=speakers, sessions=sessions, int8=self._int8)
            session = open_session(path, self._threads)
            self._sessions[speakers, sessions] = session
        return session

    def _bind(self, state: SessionState) -> Any:
        """The session of a state; its rings are bound once, in place."""
        rings = [t for ring in (*state.encoder, *state.decoder) for t in (ring.keys, ring.values)]
        session = self._open(state.speakers, state.sessions)
        if len(rings) != len(self._rings) or any(
            a is not b for a, b in zip(rings, self._rings, strict=True)
        ):
            self._binding = session.io_binding()
            for name, ring in zip(self._names, rings, strict=True):
                bind_input(self._binding, name, ring)
                bind_output(self._binding, NEXT + name, ring)
            self._rings = rings
        return session

    @torch.no_grad()
    def __call__(self, speaker: Face, state: SessionState, temperature: float) -> Face:
        """As `FacialReactionModel.step`."""
        session = self._bind(state)
        frames, sessions = speaker['au'].shape[1], state.sessions
        inputs = {name: speaker[name].contiguous() for name in SPEAKER}
        inputs['clock'] = torch.tensor(state.clock)
        inputs['starts'] = state.starts
        inputs['temperature'] = torch.tensor(temperature, dtype=torch.float32)
        inputs['fresh'] = self._fresh(state, frames)
        inputs.update({name: getattr(state, name) for name in LATENTS})
        moved = {name: torch.empty_like(getattr(state, name)) for name in LATENTS}
        face = {name: torch.empty(sessions, frames, width) for name, width in BRANCHES.items()}
        for name, tensor in inputs.items():
            bind_input(self._binding, name, tensor)
        for name, tensor in moved.items():
            bind_output(self._binding, NEXT + name, tensor)
        for name, tensor in face.items():
            bind_output(self._binding, LISTENER + name, tensor)
        session.run_with_iobinding(self._binding)
        for name, tensor in moved.items():
            setattr(state, name, tensor)
        state.clock += frames
        return face

    def _fresh(self, state: SessionState, frames: int) -> torch.Tensor:
        """Noise of the windows that begin in the next frames; 0 where none begins."""
        size, seen = self._model.config.window_size, state.frames
        begins = (-seen) % size
        fresh = torch.zeros(state.sessions, self._model.config.latent_dim)
        rows = (begins < frames).nonzero()[:, 0]
        if len(rows):
            windows = ((seen + begins) // size)[rows].tolist()
            seeds = [state.seeds[row] for row in rows.tolist()]
            fresh[rows] = fresh_noise(seeds, windows, self._model.config.latent_dim)
        return fresh


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
