# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen render`: a film of a bag, with both faces and the sound; without ROS."""

from __future__ import annotations

import argparse
from pathlib import Path

from robot_face_gen.data.bags import read_run
from robot_face_gen.files import expect_writable

from .film import Film
from .report import Record, RecordedReaction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    parser.add_argument('source', metavar='IN.mcap', help='bag: a folder or a file')
    parser.add_argument('output', metavar='OUT.mp4', help='film to write (VP9, Opus)')
    parser.add_argument(
        '--namespace',
        default='',
        help='namespace of the robot in the bag (default: the only one that has a face, sound or '
        'reaction)',
    )
    parser.add_argument(
        '--start', type=float, default=0.0, metavar='S', help='leave out so many seconds'
    )
    parser.add_argument('--duration', type=float, metavar='S', help='stop after so many seconds')


def run(args: argparse.Namespace) -> int:
    """Make the film.

    Raises:
        ValueError: the bag cannot be read, or has nothing to show.
        OSError: the film cannot be written.
    """
    output = Path(args.output)
    if output.suffix.lower() != '.mp4':
        raise ValueError(f'{output}: expected a name that ends in .mp4')
    if args.start < 0.0 or (args.duration is not None and not args.duration > 0.0):
        raise ValueError('--start and --duration: expected positive numbers of seconds')
    expect_writable(output)
    bag = read_run(args.source, args.namespace)
    begin_ns = round(args.start * 1e9)
    duration_s = bag.duration_s - args.start
    if duration_s <= 0.0:
        raise ValueError(f'--start {args.start:g}: the bag has {bag.duration_s:.1f} s')
    if args.duration is not None:
        duration_s = min(duration_s, args.duration)
    reactions = [
        RecordedReaction(r.stamp_ns, r.source_ns, r.stamp_ns, r.face) for r in bag.reactions
    ]
    record = Record(bag.speaker.frames, reactions)
    for text in bag.missing:
        print(f'note: {text}')
    rate = bag.speaker.sample_rate
    samples = bag.speaker.samples[round(args.start * rate) :]
    Film(record, begin_ns, duration_s, samples, rate, Path(args.source).name).write_video(output)
    print(
        f'{output}: {duration_s:.1f} s, {len(bag.speaker.frames)} frames of the speaker, '
        f'{len(bag.reactions)} of the robot{"" if len(samples) else ", no sound"}'
    )
    return 0
