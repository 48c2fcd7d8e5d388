# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen record`: `record_node` in this process."""

from __future__ import annotations

import argparse

from robot_face_gen.data.bag_file import recover
from robot_face_gen.nodes.program import run_node


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    parser.add_argument(
        'output',
        nargs='?',
        default='',
        metavar='OUT.mcap',
        help='file to write (default: recording_DATE-TIME.mcap)',
    )
    parser.add_argument(
        '--topics',
        default='robot',
        help="'robot' (this package's topics, joint commands, diagnostics, log, tf), 'all', or "
        'names separated by commas (default: %(default)s)',
    )
    parser.add_argument('--namespace', default='', help='record only this robot')
    parser.add_argument(
        '--duration', type=float, default=0.0, metavar='S', help='stop after so many seconds'
    )
    parser.add_argument(
        '--use-sim-time', action='store_true', help='take the time of messages from /clock'
    )
    parser.add_argument(
        '--recover',
        metavar='FILE.part',
        help='make a bag of the file that a killed recording has left',
    )


def run(args: argparse.Namespace) -> int:
    """Record until Ctrl-C, or recover a file."""
    if args.recover:
        writer, lost = recover(args.recover)
        print(
            f'{writer.path}: {writer.count} messages, {writer.duration_s:.1f} s'
            f'{f"; {lost} bytes at the end could not be read" if lost else ""} '
            f'({args.recover} can be removed)'
        )
        return 0
    return run_node(
        'record_node',
        {
            'output': args.output,
            'topics': args.topics,
            'duration_s': args.duration,
            'use_sim_time': args.use_sim_time,
        },
        {'__ns': f'/{args.namespace.strip("/")}'} if args.namespace else {},
    )
