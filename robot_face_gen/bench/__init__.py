# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen bench`: speed and memory of every part, comparable within one run."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from robot_face_gen.files import expect_writable, write_text

from .report import MEASURE, machine, print_part


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument('--json', metavar='FILE', help='also write all figures to this file')
    parser.add_argument('--quick', action='store_true', help='fewer repetitions and cases')
    parser.add_argument(
        '--only',
        metavar='PART',
        nargs='+',
        choices=MEASURE,
        default=list(MEASURE),
        help=f'measure only these parts: {", ".join(MEASURE)}',
    )


def run(args: argparse.Namespace) -> int:
    """Measure parts; print each, and write all figures so far, when it is done.

    Raises:
        RuntimeError: a measurement failed; with the last line of its output.
        OSError: the file cannot be written.
    """
    if args.json:
        expect_writable(Path(args.json))
    out = {'machine': machine(), 'quick': args.quick}
    print_part('machine', out['machine'])
    for name in MEASURE:
        if name not in args.only:
            continue
        begin = time.monotonic()
        out[name] = MEASURE[name](args.quick)
        print_part(name, out[name])
        print(f'({name}: {time.monotonic() - begin:.0f} s)\n', flush=True)
        if args.json:
            write_text(Path(args.json), json.dumps(out, indent=1) + '\n')
    return 0
