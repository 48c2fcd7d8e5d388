# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen measure`: how alive the face in an OpenFace CSV is, for example a reaction."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from robot_face_gen.files import write_text

if TYPE_CHECKING:
    import numpy as np

    from robot_face_gen.pipeline.recording import Recording

    from .events import Events


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


def face_values(path: str, recording: Recording) -> np.ndarray:
    """The face of a recording at 25 Hz: (T, 160), NaN where a value is missing.

    Raises:
        ValueError: no frame has a face; the message names the file.
    """
    import numpy as np

    from robot_face_gen.data.tracks import frame_count
    from robot_face_gen.features.face_frame import MIN_CONFIDENCE
    from robot_face_gen.layout import BRANCH_SLICES, FACE_DIM, VALUE_MASK_SLICES
    from robot_face_gen.pipeline.recording import align_recording
    from robot_face_gen.timing import PERIOD_NS

    if not any(frame.is_valid() for frame in recording.faces):
        raise ValueError(
            f'{path}: no face in {len(recording.faces)} frames: expected some with success 1 and '
            f'a confidence of at least {MIN_CONFIDENCE:g}'
        )
    found = align_recording(recording.faces, [], audio_dim=1)
    place = found['stamp_ns'] // PERIOD_NS
    face = np.full((frame_count(recording.face_s), FACE_DIM), np.nan)
    inside = (place >= 0) & (place < len(face))
    for name, columns in BRANCH_SLICES.items():
        values = np.where(found['mask'][:, VALUE_MASK_SLICES[name]], found[name], np.nan)
        face[place[inside], columns] = values[inside]
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

    from .liveliness import LEAST_OBSERVED_S, Liveliness, table

    reaction = read_recording(args.reaction, None)
    face, notes = face_values(args.reaction, reaction), list(reaction.problems)
    speaker = other = pauses = None
    if args.speaker or args.audio:
        recording = read_recording(args.speaker or None, args.audio or None)
        notes += recording.problems
        if args.speaker:
            speaker = face_values(args.speaker, recording)
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
    if len(face) < LEAST_OBSERVED_S * FRAME_RATE_HZ:
        notes.append(
            f'{len(face) / FRAME_RATE_HZ:.1f} s of a face: rates need {LEAST_OBSERVED_S:g} s'
        )
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
        write_text(Path(args.json), content + '\n')
    for note in notes:
        print(f'note: {note}')
    print(table(columns))
    if args.speaker:
        print('spectrum and jerk are compared with the speaker, as there is no real listener')
    return 0
