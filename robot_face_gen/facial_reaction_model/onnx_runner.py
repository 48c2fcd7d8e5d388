# SPDX-License-Identifier: Apache-2.0
"""Export a model's step to ONNX, and run it with ONNX Runtime on the CPU without torch.

Torch would be most of a live process' memory and start-up time. `ExportedModel.of` therefore lets
a child process export a checkpoint, once; the file stays in the cache folder. `robot-face-gen
export` writes a file for use anywhere. `step.py` describes its inputs and outputs; the numbers of
speakers and sessions are fixed in the file, the number of frames is not.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..extras import require
from ..models.cache import cached, read_entry, weights_digest
from ..models.denormals import flushed_denormals
from ..models.export_process import export_in_child
from ..models.onnx_session import open_session
from .checkpoint import load_checkpoint, read_checkpoint
from .config import CheckpointInfo, ModelConfig
from .events import PREFIX, Motion
from .inputs import SPEAKER
from .sessions import ANSWERS, CONTROLS, LATENTS, Arrays, Call, Model, Runner, input_shapes

if TYPE_CHECKING:
    from .model import FacialReactionModel

LISTENER = 'listener.'  # prefix of a step's answers among the outputs
NEXT = 'next.'  # prefix of a part of the new state among the outputs
_TYPES: dict[str, type[np.generic]] = {
    'tensor(float)': np.float32,
    'tensor(int64)': np.int64,
    'tensor(bool)': np.bool_,
}


@dataclass(frozen=True)
class ExportedModel:
    """A checkpoint whose step was exported: one speaker, one session, on the CPU."""

    config: ModelConfig
    info: CheckpointInfo
    step: Path  # the ONNX file
    motion: dict[str, np.ndarray] = field(compare=False)  # see `events.Motion`
    device = 'cpu'

    def live_motion(self) -> Motion:
        """Events and residual, as sessions use them."""
        return Motion(self.motion, self.config.window_size)

    @classmethod
    def of(cls, checkpoint: str | Path, *, int8: bool = False) -> ExportedModel:
        """The model of a checkpoint; a child process exports it if that was not done before.

        Raises:
            OSError: the checkpoint cannot be read, or the cache folder not be written.
            ValueError: it is not a valid checkpoint.
            ImportError: a package is missing; it is named.
        """
        require('onnxruntime', 'onnx')
        config, info, weights = read_checkpoint(checkpoint)
        name = step_entry(config, weights, 1, 1, int8=int8)
        make = f'{__name__}:{_export.__name__}'
        entry = read_entry(name) or export_in_child(name, make, str(checkpoint), int8)
        motion = {n.removeprefix(PREFIX): x for n, x in weights.items() if n.startswith(PREFIX)}
        return cls(config, info, entry.path, motion)


def is_exported(checkpoint: str | Path, *, int8: bool = False) -> bool:
    """Whether a valid export of a checkpoint is in the cache."""
    config, _, weights = read_checkpoint(checkpoint)
    return read_entry(step_entry(config, weights, 1, 1, int8=int8)) is not None


def step_entry(
    config: ModelConfig, weights: Mapping[str, np.ndarray], speakers: int, sessions: int,
    *, int8: bool,
) -> str:  # fmt: skip
    """Name of the cache entry of a model's step."""
    digest = weights_digest(weights, 'step', repr(config))
    return f'step-{digest}-{speakers}x{sessions}{"-int8" if int8 else ""}'


class OnnxRunner(Runner):
    """A `Runner` on the step of a model, in a file of `export_step`; 0 threads: one per core."""

    def __init__(self, path: Path, model: Model, threads: int = 1) -> None:
        self._session = open_session(path, threads)
        kept = {put.name.removeprefix(NEXT) for put in self._session.get_outputs()}
        state = {
            put.name: np.zeros(put.shape, _TYPES[put.type])
            for put in self._session.get_inputs()
            if put.name in kept
        }
        super().__init__(model, state)

    def _make_call(self, frames: int) -> Call:
        return _OnnxCall(self._session, self.state, frames)

    def read_state(self) -> Arrays:
        """See `Runner`."""
        return {name: part.copy() for name, part in self.state.items()}

    def write_state(self, state: Mapping[str, np.ndarray]) -> None:
        """See `Runner`."""
        for name, part in self.state.items():
            part[...] = state[name]


class _OnnxCall:
    """Calls of one length, with memory that is bound once: binding costs as much as a layer.

    The rings are bound as input and output, so only the slots of the new frames are written.
    """

    def __init__(self, session: Any, state: Arrays, frames: int) -> None:
        self._session, self._binding = session, session.io_binding()
        self._latents = {name: state[name] for name in LATENTS}
        self.inputs: Arrays = {'moves': np.ones(len(state['context']), bool)}
        for put in session.get_inputs():
            array = state.get(put.name)
            if array is None:
                array = self.inputs[put.name] = np.zeros(_shape(put, frames), _TYPES[put.type])
            self._bind(self._binding.bind_input, put.name, array)
        self._face: Arrays = {}
        self._next: Arrays = {}
        for put in session.get_outputs():
            name = put.name.removeprefix(NEXT)
            if put.name.startswith(LISTENER):
                array = np.zeros(_shape(put, frames), np.float32)
                self._face[put.name.removeprefix(LISTENER)] = array
            elif name in self._latents:
                array = self._next[name] = np.zeros_like(self._latents[name])
            else:
                array = state[name]
            self._bind(self._binding.bind_output, put.name, array)

    @staticmethod
    def _bind(bind: Any, name: str, array: np.ndarray) -> None:
        """Let the session read or write an array in place; it must outlive the session's runs."""
        assert array.flags.c_contiguous
        bind(name, 'cpu', 0, array.dtype.type, list(array.shape), array.ctypes.data)

    def run(self) -> Arrays:
        """See `Call`."""
        # Softmax gives 1e-45 for masked slots, and arithmetic with denormals is slow.
        with flushed_denormals():
            self._session.run_with_iobinding(self._binding)
        moves = self.inputs['moves'][:, None]
        for name, latent in self._latents.items():
            np.copyto(latent, self._next[name], where=moves)
        return {name: self._face[name] for name in ANSWERS}


def _shape(put: Any, frames: int) -> list[int]:
    """The shape of an input or output; the one dimension that varies is the number of frames."""
    return [size if isinstance(size, int) else frames for size in put.shape]


def check_exportable(model: FacialReactionModel) -> None:
    """Raise what would prevent an export.

    Raises:
        ValueError: the model is not on the CPU, or not in float32.
        ImportError: a package is missing; it is named.
    """
    weight = model.vae.beginning
    if weight.device.type != 'cpu' or str(weight.dtype) != 'torch.float32':
        raise ValueError(
            f'the model is on {weight.device}, {weight.dtype}: the backend onnx needs the CPU and '
            'float32'
        )
    for module in ('onnx', 'onnxruntime'):
        require(module, 'onnx')


def exported_step(
    model: FacialReactionModel, speakers: int = 1, sessions: int = 1, *, int8: bool = False
) -> Path:
    """The ONNX file of a model's step in the cache folder; exported if it is not there.

    Raises:
        ValueError, ImportError: see `check_exportable`.
        OSError: the cache folder cannot be written.
    """
    check_exportable(model)
    weights = {name: t.detach().numpy() for name, t in model.state_dict().items()}

    def make(path: Path) -> None:
        export_step(model, path, speakers=speakers, sessions=sessions, int8=int8)

    name = step_entry(model.config, weights, speakers, sessions, int8=int8)
    return cached(name, make).path


def _export(checkpoint: str, int8: bool) -> None:
    """In the child process."""
    exported_step(load_checkpoint(checkpoint).eval(), int8=int8)


def export_step(
    model: FacialReactionModel,
    path: Path,
    *,
    speakers: int = 1,
    sessions: int = 1,
    int8: bool = False,
) -> None:
    """Write one step of a model as an ONNX file with its weights.

    Raises:
        ValueError, ImportError: see `check_exportable`.
        OSError: the file cannot be written.
    """
    check_exportable(model)
    import torch

    from ..models.onnx_export import export
    from .step import StepFunction
    from .torch_runner import empty_state

    frames = 2  # of the example
    shapes = input_shapes(model.config, speakers, sessions, frames)
    inputs = {
        name: torch.zeros(shapes[kind][name], dtype=getattr(torch, kind))
        for name in (*SPEAKER, *CONTROLS)
        for kind in shapes
        if name in shapes[kind]
    }
    state = empty_state(model, speakers, sessions)
    rings = [name for name in state if name not in LATENTS]
    listener = [LISTENER + name for name in ANSWERS]
    outputs = [*listener, *(NEXT + name for name in (*LATENTS, *rings))]
    axes = {name: {1: 'frames'} for name in (*SPEAKER, *listener)}
    step = StepFunction(model, speakers, sessions)
    export(step, {**inputs, **state}, outputs, axes, path, int8=int8)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `robot-face-gen export`."""
    parser.add_argument(
        '--checkpoint', default='', metavar='FILE', help='weights (default: the shipped ones)'
    )
    parser.add_argument('--out', required=True, metavar='FILE.onnx', help='file to write')
    parser.add_argument(
        '--int8', action='store_true', help='8-bit weights: faster, not quite equal'
    )
    parser.add_argument(
        '--faces', type=int, default=1, metavar='N', help='speakers in a batch (default: 1)'
    )


def run(args: argparse.Namespace) -> int:
    """`robot-face-gen export`: write one step of a model as an ONNX file."""
    from ..resources import default_checkpoint

    if args.faces < 1:
        raise ValueError(f'--faces {args.faces}: expected at least 1')
    out = Path(args.out)
    if out.is_dir():
        raise IsADirectoryError(f'--out {out}: is a folder, expected a file')
    checkpoint = args.checkpoint or default_checkpoint()
    if not checkpoint:
        raise ValueError('no weights come with this package: give --checkpoint')
    model = load_checkpoint(checkpoint).eval()
    export_step(model, out, speakers=args.faces, sessions=args.faces, int8=args.int8)
    print(f'{out}: {out.stat().st_size / 1e6:.1f} MB, {checkpoint}')
    return 0
