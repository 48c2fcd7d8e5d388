# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen track`: follow a face in a film and write an OpenFace CSV."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from robot_face_gen.features.openface_write import OpenFaceWriter

from .action_units import NEVER_SEEN
from .networks import FaceNetworks
from .sources import VideoFile
from .tracker import FaceTracker

NO_FACE = 3  # exit code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    parser.add_argument('video', metavar='VIDEO', help='film, such as clip.mp4')
    parser.add_argument(
        'out',
        metavar='CSV',
        nargs='?',
        help='file to write (default: the name of the film, with .csv)',
    )
    parser.add_argument(
        '--field-of-view',
        type=float,
        default=0.0,
        metavar='DEG',
        help="horizontal field of view of the camera (default: OpenFace's assumption, 65 degrees "
        'at 4:3)',
    )
    parser.add_argument('--duration', type=float, metavar='S', help='stop after so many seconds')


def run(args: argparse.Namespace) -> int:
    """Track a film; the exit code is 3 if it shows no face."""
    if not 0.0 <= args.field_of_view < 180.0:
        raise ValueError(f'--field-of-view {args.field_of_view}: expected 0 to 180 degrees')
    if args.duration is not None and not args.duration > 0:
        raise ValueError(f'--duration {args.duration}: expected above 0')
    video = VideoFile(args.video)
    out = Path(args.out) if args.out else Path(args.video).with_suffix('.csv')
    if out.resolve() == Path(args.video).resolve():
        raise ValueError(f'{out}: is the film itself: expected the name of a CSV')
    count, found = track(video, out, field_of_view_deg=args.field_of_view, until_s=args.duration)
    print(f'{out}: {count} frames, {found} with a face')
    return 0 if found else NO_FACE


def track(
    video: VideoFile, out: Path, *, field_of_view_deg: float = 0.0, until_s: float | None = None
) -> tuple[int, int]:
    """Write the frames of a film as an OpenFace CSV; stamps count from its first picture.

    Returns:
        tuple: number of frames, and of those with a face.

    Raises:
        ImportError: the extra [camera] is not installed.
        FileNotFoundError: the face landmarker's file is not there.
    """
    tracker = FaceTracker(FaceNetworks(), field_of_view_deg=field_of_view_deg)
    total = round(video.duration_s * video.rate_hz) or None
    count = found = 0
    with (
        OpenFaceWriter(out, begin_ns=0, without=NEVER_SEEN) as writer,
        tqdm(video.pictures(), desc='tracking', unit=' frames', total=total, disable=None) as bar,
    ):
        for picture in bar:
            if until_s is not None and picture.stamp_ns >= until_s * 1e9:
                break
            frame = tracker.track(picture.image, picture.stamp_ns)
            writer.write(frame)
            count += 1
            found += frame.success
    return count, found
