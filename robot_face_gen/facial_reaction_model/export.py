# SPDX-License-Identifier: Apache-2.0
"""Export a model's step to ONNX: for ONNX Runtime here, or (`robot-face-gen export`) anywhere.

`step.py` describes the inputs and outputs. The numbers of speakers and sessions are fixed in the
file, the number of frames is not. Torch is imported only when something is exported.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..models.cache import cached
from ..models.export_process import run_export
from ..models.onnx_session import needed
from .config import BRANCHES, EMBEDDINGS_PER_FRAME
from .inputs import MASKS, SPEAKER
from .onnx_runner import LISTENER, NEXT, step_entry

if TYPE_CHECKING:
    from .model import FacialReactionModel


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
        needed(module)


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
    from .sessions import LATENTS
    from .step import StepFunction
    from .torch_runner import empty_state

    frames = 2  # of the example
    inputs = {name: torch.zeros(speakers, frames, width) for name, width in BRANCHES.items()}
    inputs['audio'] = torch.zeros(speakers, frames, EMBEDDINGS_PER_FRAME, model.config.audio_dim)
    for name, rest in MASKS.items():
        inputs[name] = torch.ones(speakers, frames, *rest, dtype=torch.bool)
    inputs['clock'] = torch.zeros(sessions, dtype=torch.int64)
    inputs['temperature'] = torch.tensor(model.config.temperature)
    inputs['fresh'] = torch.zeros(sessions, model.config.latent_dim)
    state = empty_state(model, speakers, sessions)
    rings = [name for name in state if name not in LATENTS]
    listener = [LISTENER + name for name in BRANCHES]
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
    from .checkpoint import load_checkpoint

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


def main() -> int:
    """Export the step of a checkpoint's model to the cache; see `models.export_process`."""
    from .checkpoint import load_checkpoint

    parser = argparse.ArgumentParser(description='Export a reaction model for the live node')
    parser.add_argument('checkpoint')
    parser.add_argument('--int8', action='store_true')
    args = parser.parse_args()
    return run_export(
        lambda: exported_step(load_checkpoint(args.checkpoint).eval(), int8=args.int8)
    )


if __name__ == '__main__':
    sys.exit(main())
