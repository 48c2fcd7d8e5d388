# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen measure`: how alive the face in an OpenFace CSV is, for example a reaction."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from robot_face_gen.pipeline.recording import Recording

    from .events import Events

Measured = dict[str, 'float | list[float] | None']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument('reaction', metavar='REACTION', help='CSV of `react` or of OpenFace')
    parser.add_argument(
        '--speaker', metavar='FILE',
        help='OpenFace CSV of the speaker, for timing and for comparison',
    )  # fmt: skip
    parser.add_argument(
        '--audio', metavar='FILE',
        help="sound of the speaker; default: pauses are found by the speaker's mouth",
    )  # fmt: skip
    parser.add_argument('--json', metavar='FILE', help='write the measures to a file as well')


def face_values(recording: Recording) -> np.ndarray:
    """The face of a recording as in prepared data: (T, 160) at 25 Hz, NaN where there is none."""
    import numpy as np

    from robot_face_gen.data.tracks import align_person, frame_count
    from robot_face_gen.layout import BRANCHES

    count = frame_count(recording.face_s)
    track = align_person(recording.faces, [], count, audio_dim=0)
    face = np.concatenate([track[name] for name in BRANCHES], axis=1).astype(np.float64)
    face[~track['face_valid']] = np.nan
    return face


def pauses_of_sound(recording: Recording, frames: int) -> Events:
    """Pauses in the voice of a recording; there is silence after its end."""
    import numpy as np

    from .events import find_pauses, talking_voice

    talks = talking_voice(recording.samples, recording.sample_rate, frames)
    return find_pauses(np.where(np.isfinite(talks), talks, 0.0))


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from robot_face_gen.pipeline.recording import read_recording
    from robot_face_gen.timing import FRAME_RATE_HZ

    from .liveliness import MEASURES, Liveliness

    reaction = read_recording(args.reaction, None)
    face, notes = face_values(reaction), list(reaction.problems)
    speaker = other = pauses = None
    if args.speaker or args.audio:
        recording = read_recording(args.speaker or None, args.audio or None)
        notes += recording.problems
        if args.speaker:
            speaker = face_values(recording)
            other = Liveliness().measure(speaker[None, None])
            if len(speaker) < len(face):
                notes.append(
                    f'{args.speaker} ends {(len(face) - len(speaker)) / FRAME_RATE_HZ:.1f} s '
                    'before the reaction: the rest is not measured'
                )
                face = face[: len(speaker)]
            speaker = speaker[: len(face)]
        if args.audio:
            pauses = [pauses_of_sound(recording, len(face))]
    given = None if speaker is None else speaker[None]
    found = Liveliness(given, given, pauses).measure(face[None, None])
    columns = {'reaction': found} | ({'speaker': other} if other else {})
    if args.json:
        about = {
            'reaction': args.reaction,
            'speaker': args.speaker,
            'audio': args.audio,
            'duration_s': len(face) / FRAME_RATE_HZ,
            'compared_with': 'speaker' if args.speaker else None,
        }
        content = json.dumps({**columns, 'about': about}, indent=1, allow_nan=False)
        Path(args.json).write_text(content + '\n', encoding='utf-8')
    for note in notes:
        print(f'note: {note}')
    print(table(columns, MEASURES))
    if args.speaker:
        print('spectrum and jerk are compared with the speaker, as there is no real listener')
    return 0


def table(columns: dict[str, Measured], units: dict[str, str]) -> str:
    """Format measures, one column for each source of faces; `-` where there is no value."""
    rows = [['', *columns]]
    for name, unit in units.items():
        cells = [name + (f', {unit}' if unit and not name.endswith(('_min', '_s', '_db')) else '')]
        for measured in columns.values():
            value, interval = measured[name], measured.get(f'{name}_ci95')
            text = '-' if value is None else f'{value:.2f}'
            if isinstance(interval, list):
                text += f' [{interval[0]:.2f}, {interval[1]:.2f}]'
            cells.append(text)
        rows.append(cells)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return '\n'.join(
        '  '.join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
