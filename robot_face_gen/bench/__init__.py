# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen bench`: speed and memory of every part, in one run so that ratios hold."""

from __future__ import annotations

import argparse

# heading -> module of this package; in the order in which they run.
PARTS = ('reaction_step', 'whisper_hop', 'train_step', 'faces', 'server', 'start', 'graph')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument('--json', metavar='FILE', help='write all figures to this file as well')
    parser.add_argument('--quick', action='store_true', help='fewer repetitions and cases')
    parser.add_argument(
        '--only',
        metavar='PART',
        nargs='+',
        choices=PARTS,
        default=list(PARTS),
        help=f'some parts alone: {", ".join(PARTS)}',
    )


def run(args: argparse.Namespace) -> int:
    """Measure as the arguments say."""
    from .report import measure_all

    measure_all(args.only, quick=args.quick, json_path=args.json)
    return 0
