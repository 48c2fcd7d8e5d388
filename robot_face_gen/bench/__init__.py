# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen bench`: speed and memory of every part, comparable within one run."""

from __future__ import annotations

import argparse

# In the order in which they run.
PARTS = (
    'reaction_step',
    'whisper_hop',
    'train_step',
    'faces',
    'server',
    'start',
    'graph',
    'outputs',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument('--json', metavar='FILE', help='also write all figures to this file')
    parser.add_argument('--quick', action='store_true', help='fewer repetitions and cases')
    parser.add_argument(
        '--only',
        metavar='PART',
        nargs='+',
        choices=PARTS,
        default=list(PARTS),
        help=f'measure only these parts: {", ".join(PARTS)}',
    )


def run(args: argparse.Namespace) -> int:
    """Run the measurements."""
    from .report import measure_all

    measure_all(args.only, quick=args.quick, json_path=args.json)
    return 0
