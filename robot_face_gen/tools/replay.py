# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen replay`: `replay_node` in this process."""

from __future__ import annotations

import argparse

from robot_face_gen.nodes.program import run_node

from .bringup import parse_arguments

CLOCK_HZ = 100.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    parser.add_argument('source', metavar='IN.mcap', help='bag: a folder or a file')
    parser.add_argument(
        '-r', '--rate', type=float, default=1.0, help='playback speed (default: 1.0)'
    )
    parser.add_argument('-l', '--loop', action='store_true', help='start again at the end')
    parser.add_argument(
        '--topics',
        default='all',
        help="'all', 'sources' (face and sound of the speaker), or names separated by commas "
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--clock',
        nargs='?',
        type=float,
        const=CLOCK_HZ,
        default=0.0,
        metavar='HZ',
        help=f'publish /clock, for nodes with use_sim_time (default rate: {CLOCK_HZ:g} Hz)',
    )
    parser.add_argument('--remap', nargs='*', default=[], metavar='FROM:=TO', help='rename topics')


def run(args: argparse.Namespace) -> int:
    """Replay until the end of the bag or Ctrl-C."""
    return run_node(
        'replay_node',
        {
            'source': args.source,
            'topics': args.topics,
            'speed': args.rate,
            'loop': args.loop,
            'clock_hz': args.clock,
        },
        parse_arguments(args.remap),
    )
