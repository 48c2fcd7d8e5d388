# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen actuators check FILE`: checks a file of actuators, draws motion."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from robot_face_gen.face.actuation import RATE_HZ
from robot_face_gen.face.actuator_file import ActuatorFileError, read_actuators
from robot_face_gen.face.actuators import ActuatorSet
from robot_face_gen.face.rehearsal import page, rehearse, use_of
from robot_face_gen.features.openface import OpenFaceFile
from robot_face_gen.files import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    commands = parser.add_subparsers(dest='what', metavar='what', required=True)
    check = commands.add_parser('check', help='check a file of actuators')
    check.add_argument('file', type=Path, help='YAML file, see docs/actuators.md')
    check.add_argument(
        '--reaction',
        metavar='CSV',
        help="a listener's face, such as reaction.csv of demo or react: draws the path of each "
        'actuator',
    )
    check.add_argument(
        '--out',
        type=Path,
        default=Path('actuators.html'),
        metavar='HTML',
        help='file for the drawing (default: %(default)s)',
    )


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; 1 if the file has mistakes."""
    try:
        actuators = read_actuators(args.file)
    except ActuatorFileError as error:
        print(error)
        count = len(error.problems)
        print(f'{args.file}: {count} {"mistake" if count == 1 else "mistakes"}')
        return 1
    _describe(actuators)
    if args.reaction is not None:
        rehearsal = rehearse(actuators, OpenFaceFile(args.reaction).frames())
        write_text(args.out, page(Path(args.reaction).name, rehearsal, actuators))
        print(f'\n{args.reaction}: {rehearsal.time_s[-1]:.1f} s')
        rows = [
            (
                actuator.name,
                f'{use.lowest:.3g} to {use.highest:.3g} {actuator.unit}',
                f'{use.speed:.0%}',
                f'{use.clipped:.1%}',
                f'{use.lag:.2g}',
            )
            for actuator, use in zip(
                actuators.actuators, use_of(rehearsal, actuators), strict=True
            )
        ]
        _print_table(('actuator', 'commanded', 'of max_speed', 'clipped', 'largest lag'), rows)
        print(f'\ndrawn in {args.out}')
    return 0


def _describe(actuators: ActuatorSet) -> None:
    counts = actuators.limits.average_counts(1.0 / RATE_HZ)
    rows = [
        (
            actuator.name,
            f'{actuator.low:g} to {actuator.high:g} {actuator.unit}',
            f'{actuator.neutral:g}',
            f'{actuator.max_speed:g}',
            f'{actuator.max_acceleration:g}',
            f'{actuator.max_speed / actuator.max_acceleration:.2f} s',
            f'{(count - 1) / RATE_HZ / 2:.2f} s',
            ' '.join(actuator.inputs),
        )
        for actuator, count in zip(actuators.actuators, counts, strict=True)
    ]
    _print_table(
        ('actuator', 'limits', 'neutral', 'speed', 'acceleration', 'brakes in', 'jerk delay',
         'inputs'),
        rows,
    )  # fmt: skip
    for output in actuators.outputs:
        what = f'{len(output.actuators)} actuators' if output.actuators else 'the face'
        state = '' if output.enabled else ' (off)'
        print(f'{output.topic}: {output.kind} of {what}{state}')
    if not any(output.enabled for output in actuators.outputs):
        print('warning: no output is enabled: nothing will move')


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        print('  '.join(map(str.ljust, row, widths)).rstrip())
