# SPDX-License-Identifier: Apache-2.0
"""A call of an exported step: memory that is bound once, and read and written in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..denormals import flushed_denormals
from .config import BRANCHES
from .step_names import LATENTS, LISTENER, NEXT

_TYPES: dict[str, type[np.generic]] = {
    'tensor(float)': np.float32,
    'tensor(int64)': np.int64,
    'tensor(bool)': np.bool_,
}


class OnnxCall:
    """Calls of one length.

    The rings are bound as input and output, so that only the rows of the new frames are written.

    Args:
        session: an `onnxruntime.InferenceSession` of a step.
        state: latents and rings under the graph's names; they are moved on where they lie.
        frames: in a call.

    Attributes:
        inputs: to be filled before `run`, by name; all but the state.
    """

    def __init__(self, session: Any, state: Mapping[str, np.ndarray], frames: int) -> None:
        self._session, self._binding = session, session.io_binding()
        self._state = {name: state[name] for name in LATENTS}
        self.inputs: dict[str, np.ndarray] = {}
        for put in session.get_inputs():
            array = state.get(put.name)
            if array is None:
                array = self.inputs[put.name] = np.zeros(_shape(put, frames), _TYPES[put.type])
            self._bind(self._binding.bind_input, put.name, array)
        self._face, self._moved = {}, {}
        for put in session.get_outputs():
            name = put.name.removeprefix(NEXT)
            if put.name.startswith(LISTENER):
                array = np.zeros(_shape(put, frames), np.float32)
                self._face[put.name.removeprefix(LISTENER)] = array
            elif name in self._state:
                array = self._moved[name] = np.zeros_like(self._state[name])
            else:
                array = state[name]
            self._bind(self._binding.bind_output, put.name, array)

    @staticmethod
    def _bind(bind: Any, name: str, array: np.ndarray) -> None:
        """Let a session read or write an array where it lies; it must outlive the run."""
        assert array.flags.c_contiguous
        bind(name, 'cpu', 0, array.dtype.type, list(array.shape), array.ctypes.data)

    def run(self, moves: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """From the inputs to the answer, (S, n, width) a branch; the state moves on in place.

        Args:
            moves: (S,) bool, whose latents do; None is all.
        """
        # What attention does not see comes out of the softmax as 1e-45: reckoning with it is slow.
        with flushed_denormals():
            self._session.run_with_iobinding(self._binding)
        for name, latent in self._state.items():
            np.copyto(latent, self._moved[name], where=True if moves is None else moves[:, None])
        return {name: self._face[name].copy() for name in BRANCHES}


def empty_state(session: Any) -> dict[str, np.ndarray]:
    """The state of sessions that have seen nothing, by the graph's names."""
    kept = {put.name.removeprefix(NEXT) for put in session.get_outputs()}
    return {
        put.name: np.zeros(_shape(put, 0), _TYPES[put.type])
        for put in session.get_inputs()
        if put.name in kept
    }


def _shape(put: Any, frames: int) -> list[int]:
    """The shape of an input or output; what is no number there is the number of frames."""
    return [size if isinstance(size, int) else frames for size in put.shape]
