# SPDX-License-Identifier: Apache-2.0
"""Many faces in one process: independent sessions whose steps are made together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..onnx_files import EAGER, ONNX, ONNX_INT8, check_backend
from .bound_step import BoundStep
from .config import check_temperature
from .encoder import Face
from .inputs import check_speaker
from .model import FacialReactionModel, Seeds, resolve_seeds
from .noise import beginning_window
from .step_names import SPEAKER


class FaceBatch:
    """Sessions that each have their own clock, so that any of them can step at any time.

    A step is one call for all: the weights are read once. A session that has no frame in a step
    goes along with whatever lies in its place, and does not move: its clock and its latents stay,
    and the slot of the rings that was written is the one that its next frame writes before
    anything reads it. What it held before is older than attention sees. So each face gets what it
    would get alone (to rounding), whatever the others do.

    Args:
        model: shared; never changed.
        faces: how many.
        seed: see `resolve_seeds`.
        temperature: scale of the noise, for all; can be set at any time.
        backend: `onnx`, `onnx-int8`, or anything else for torch, recorded on a CUDA device.

    Raises:
        ValueError: an impossible value, or no such backend.
        ImportError: the backend's package is missing; it is named.
    """

    def __init__(
        self,
        model: FacialReactionModel,
        faces: int,
        seed: Seeds = None,
        temperature: float | None = None,
        backend: str = EAGER,
    ) -> None:
        if faces < 1:
            raise ValueError(f'faces = {faces}: expected at least 1')
        self.model = model.eval()
        self._temperature = check_temperature(temperature, model.config)
        self._drawn = seed is None  # anew for each session
        self._state = model.make_state(faces, resolve_seeds(seed, faces))
        self._clocks = [0] * faces
        self._step = _bound_step(model, faces, check_backend(backend))

    @property
    def faces(self) -> int:
        """How many there are."""
        return len(self._clocks)

    @property
    def temperature(self) -> float:
        """Scale of the noise of windows that are still to begin."""
        return self._temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        self._temperature = check_temperature(value, self.model.config)

    def frames(self, face: int) -> int:
        """How many frames a session has seen."""
        return self._clocks[face]

    def nbytes(self) -> int:
        """Bytes that all states hold."""
        return self._state.nbytes()

    def reset(self, face: int, seed: int | None = None) -> None:
        """Begin a session anew; without a seed with its old one, or another if none was chosen."""
        self._clocks[face] = 0
        self._state.forget([face])
        if seed is not None or self._drawn:
            (self._state.seeds[face],) = resolve_seeds(seed, 1)

    def step(self, windows: Mapping[int, Mapping[str, Any]]) -> dict[int, Face]:
        """Answer the next frames of some faces.

        Args:
            windows: face -> its frames, see `check_speaker`: one speaker, the same number of
                frames for all faces, at most `window_size`.

        Returns:
            dict: face -> (1, n, 136 | 18 | 4 | 2), on the CPU.

        Raises:
            ValueError: bad input, named with its face; no session has moved then.
        """
        return self.step_checked({face: self.check(face, w) for face, w in windows.items()})

    @torch.no_grad()
    def step_checked(self, checked: Mapping[int, Face]) -> dict[int, Face]:
        """As `step`, with what `check` gave."""
        if not checked:
            return {}
        lengths = {len(speaker['au'][0]) for speaker in checked.values()}
        frames = lengths.pop()
        if lengths or frames > self.model.config.window_size:
            raise ValueError(
                f'frames of {frames} and {sorted(lengths)}: expected the same number for all '
                f'faces, at most {self.model.config.window_size}'
            )
        call = self._step.call(self._state, frames)
        inputs, faces = call.inputs, list(checked)
        for name in SPEAKER:
            inputs[name][faces] = torch.cat([speaker[name] for speaker in checked.values()])
        inputs['clock'].copy_(torch.tensor(self._clocks))
        inputs['starts'].zero_()
        inputs['temperature'].fill_(self._temperature)
        inputs['moves'].zero_()
        inputs['moves'][faces] = True
        self._step.draw(call, self._windows(faces, frames), self._state.seeds)
        answer = call.run()
        for face in faces:
            self._clocks[face] += frames
        return {
            face: {name: part[face : face + 1] for name, part in answer.items()} for face in faces
        }

    def check(self, face: int, window: Mapping[str, Any]) -> Face:
        """A face's frames in the form that a step takes.

        Raises:
            ValueError: it names the face and what is wrong.
        """
        if not 0 <= face < self.faces:
            raise ValueError(f'face {face}: expected 0 to {self.faces - 1}')
        dtype = self.model.vae.beginning.dtype
        try:
            speaker = check_speaker(window, self.model.config, torch.device('cpu'), dtype)
            if len(speaker['au']) != 1:
                raise ValueError(f'{len(speaker["au"])} speakers: expected one')
        except ValueError as error:
            raise ValueError(f'face {face}: {error}') from None
        return speaker

    def _windows(self, faces: Sequence[int], frames: int) -> dict[int, int]:
        """Faces in which a window begins within the next frames, and the window's number."""
        size, clocks = self.model.config.window_size, self._clocks
        begin = {face: beginning_window(clocks[face], frames, size) for face in faces}
        return {face: window for face, window in begin.items() if window is not None}


def _bound_step(model: FacialReactionModel, faces: int, backend: str) -> BoundStep:
    if backend in (ONNX, ONNX_INT8):
        from .onnx_backend import OnnxStep

        return OnnxStep(model, int8=backend == ONNX_INT8, sessions=(faces, faces))
    from .cuda_step import CudaStep

    return CudaStep(model)
