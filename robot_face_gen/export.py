# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen export`: one step of a model as an ONNX file, for any program that runs ONNX."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument(
        '--checkpoint', default='', metavar='FILE', help='weights (default: the shipped ones)'
    )
    parser.add_argument('--out', required=True, metavar='FILE.onnx', help='file to write')
    parser.add_argument(
        '--int8', action='store_true', help='8-bit weights: faster, and not quite equal'
    )
    parser.add_argument(
        '--faces', type=int, default=1, metavar='N', help='speakers in a batch (default: 1)'
    )


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    from .facial_reaction_model import create_model
    from .facial_reaction_model.onnx_graph import export_step
    from .resources import default_checkpoint

    if args.faces < 1:
        raise ValueError(f'--faces {args.faces}: expected at least 1')
    out = Path(args.out)
    if out.is_dir():
        raise IsADirectoryError(f'--out {out}: is a folder, expected a file')
    checkpoint = args.checkpoint or default_checkpoint()
    if not checkpoint:
        raise ValueError('no weights come with this package: give --checkpoint')
    model = create_model(checkpoint=checkpoint)
    export_step(model, out, speakers=args.faces, sessions=args.faces, int8=args.int8)
    print(f'{out}: {out.stat().st_size / 1e6:.1f} MB, {checkpoint}')
    return 0
