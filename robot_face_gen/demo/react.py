# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen react`: the same pipeline as the live graph, on a recording, without ROS."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robot_face_gen.facial_reaction_model.config import MAX_TEMPERATURE
from robot_face_gen.features.face_frame import MIN_CONFIDENCE
from robot_face_gen.files import results_folder, write_text
from robot_face_gen.pipeline.recording import Recording, read_recording

from .report import (
    Record,
    RecordedReaction,
    lost_frames,
    slot_times_ns,
    summarise,
    table,
    warnings,
)
from .usage import Usage

SEED = 0  # of `react` and `demo`: a second run gives the same reaction
MAX_SAMPLES = 100
NO_VALID_FRAME = 3  # exit code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    parser.add_argument('--openface', metavar='FILE', help='OpenFace CSV of the speaker')
    parser.add_argument(
        '--audio', metavar='FILE', help='sound file, or film with the sound, of the voice'
    )
    parser.add_argument(
        '--samples',
        type=int,
        default=1,
        metavar='M',
        help='number of different listeners, with the seeds N to N + M - 1; each has a CSV, the '
        'film shows the first (default: %(default)s)',
    )
    parser.add_argument(
        '--backend',
        default='auto',
        help='runtime of the model: auto, eager, onnx, onnx-int8 or cuda-graph (default: '
        '%(default)s)',
    )
    add_shared_arguments(parser, out='reaction_output', film='reaction.mp4')


def add_shared_arguments(parser: argparse.ArgumentParser, *, out: str, film: str) -> None:
    """Arguments that `demo` has too."""
    parser.add_argument(
        '--out', metavar='DIR', default=out, help='folder for the results (default: %(default)s)'
    )
    parser.add_argument('--duration', type=float, metavar='S', help='stop after so many seconds')
    parser.add_argument(
        '--speed',
        type=float,
        default=1.0,
        help='playback speed of the recording (1.0 = real time)',
    )
    parser.add_argument(
        '--checkpoint',
        default='',
        metavar='FILE',
        help='weights of the model (default: the shipped ones)',
    )
    parser.add_argument(
        '--whisper',
        default='auto',
        metavar='NAME|FILE',
        help='weights of the Whisper encoder (default: those of the training of the checkpoint)',
    )
    parser.add_argument(
        '--device',
        default='auto',
        help='where the networks run: auto, cpu or cuda (default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=SEED,
        metavar='N',
        help='the same seed gives the same reaction (default: %(default)s)',
    )
    parser.add_argument(
        '--temperature',
        type=float,
        default=1.0,
        metavar='X',
        help='how freely the reaction varies; at 0 the seed has no effect (default: %(default)s)',
    )
    parser.add_argument('--no-video', action='store_true', help=f'do not write {film}')


def check_shared_arguments(args: argparse.Namespace) -> None:
    """Refuse impossible values before anything is read, written or started.

    Raises:
        ValueError: it names the argument or the file.
        OSError: a file cannot be read.
    """
    if not args.speed > 0:
        raise ValueError(f'--speed {args.speed}: expected above 0')
    if args.duration is not None and not args.duration > 0:
        raise ValueError(f'--duration {args.duration}: expected above 0')
    if not 0 <= args.temperature <= MAX_TEMPERATURE:
        raise ValueError(f'--temperature {args.temperature}: expected 0 to {MAX_TEMPERATURE:g}')
    if not 0 <= args.seed < 2**31:
        raise ValueError(f'--seed {args.seed}: expected 0 to {2**31 - 1}')
    if not re.fullmatch(r'auto|cpu|mps|cuda(:\d+)?', args.device):
        raise ValueError(f'--device {args.device}: expected auto, cpu, cuda or cuda:N')
    if args.checkpoint:
        from robot_face_gen.facial_reaction_model.checkpoint import read_info

        read_info(args.checkpoint)


def run(args: argparse.Namespace) -> int:
    """Run the command as the arguments say."""
    check_shared_arguments(args)
    if not 1 <= args.samples <= MAX_SAMPLES:
        raise ValueError(f'--samples {args.samples}: expected 1 to {MAX_SAMPLES}')
    if not args.openface and not args.audio:
        raise ValueError('expected --openface FILE, --audio FILE, or both')
    recording = read_recording(
        args.openface or None, args.audio or None, speed=args.speed,
        duration_s=args.duration or math.inf,
    )  # fmt: skip
    return answer(args, recording, samples=args.samples, backend=args.backend)


def answer(
    args: argparse.Namespace,
    recording: Recording,
    *,
    samples: int = 1,
    backend: str = 'auto',
    film: str = 'reaction.mp4',
) -> int:
    """Answer a recording and write the results; returns the exit code of `write_results`."""
    from tqdm import tqdm

    from robot_face_gen.pipeline.offline import OfflinePipeline

    for problem in recording.problems:
        print(f'note: {problem}')
    duration_s = recording.duration_s
    seeds = list(range(args.seed, args.seed + samples))
    records = [Record(frames=list(recording.faces), is_live=False) for _ in seeds]
    with results_folder(Path(args.out)) as out:
        usage = Usage({'react': os.getpid()})
        begin_s = time.monotonic()
        pipeline = OfflinePipeline(
            seeds, checkpoint=args.checkpoint, whisper=args.whisper, device=args.device,
            backend=backend, temperature=args.temperature, threads=0,
            report=lambda text: print(text, flush=True),
        )  # fmt: skip
        loaded_s = time.monotonic()
        total = round(duration_s * 25)
        with tqdm(total=total, desc='reacting', unit='frame', disable=None) as bar:
            for frame in pipeline.react(recording):
                stamp_ns = frame.source_stamp_ns
                for record, face in zip(records, frame.faces, strict=True):
                    reaction = RecordedReaction(stamp_ns, stamp_ns, stamp_ns, face, frame.stamp_ns)
                    record.reactions.append(reaction)
                bar.update()
        computed_s = time.monotonic() - loaded_s
        usage.sample()
        first, counters = records[0], pipeline.counters
        first.not_finite = counters['not_finite']
        first.diagnostics = {'react': {name: str(value) for name, value in counters.items()}}
        more = {
            'seeds': seeds,
            'load_s': round(loaded_s - begin_s, 2),
            'computed_s': round(computed_s, 2),
            'times_real_time': round(duration_s / max(computed_s, 1e-9), 1),
        }
        notes = [*pipeline.notes, f'{duration_s:.1f} s answered in {computed_s:.1f} s']
        return write_results(
            out, records, recording, 0, duration_s, usage, more=more, notes=notes,
            film='' if args.no_video else film,
        )  # fmt: skip


def write_results(
    out: Path,
    records: list[Record],
    recording: Recording,
    start_ns: int,
    duration_s: float,
    usage: Usage,
    *,
    more: dict[str, Any],
    film: str,
    notes: Sequence[str] = (),
) -> int:
    """Write the CSV of each record, and figures, sheet and film of the first; print the figures.

    The recording was played from `start_ns` on, for `duration_s`. There is a record for each
    listener. `more` is for `summary.json`, beside `summarise`. An empty name of the film: none is
    written. Notes are printed.

    Returns:
        int: exit code: 0, or NO_VALID_FRAME where a face was recorded and no frame of it is valid.

    Raises:
        OSError: a file cannot be written.
        RuntimeError: there is no reaction.
    """
    from robot_face_gen.features.openface_write import OpenFaceWriter, reaction_frame

    record, written = records[0], []
    for number, each in enumerate(records, 1):
        written.append(f'reaction_{number}.csv' if len(records) > 1 else 'reaction.csv')
        with OpenFaceWriter(out / written[-1], begin_ns=start_ns) as writer:
            for reaction, slot_ns in zip(
                each.reactions, slot_times_ns(each.reactions), strict=True
            ):
                writer.write(reaction_frame(reaction.face, slot_ns))
    summary = summarise(record, duration_s, usage, recording) | more
    write_text(out / 'summary.json', json.dumps(summary, indent=1) + '\n')
    print(table(summary), flush=True)
    lost = lost_frames(summary) if record.is_live else []
    for note in [*lost, *warnings(record), *notes]:
        print(f'note: {note}')
    never_valid = bool(recording.faces) and not summary['valid']
    if not record.reactions and not never_valid:
        late = 'no face in this time; without a face, reactions begin after a second of sound'
        why = f'see {out}' if recording.faces else late
        raise RuntimeError(f'no reaction came in {duration_s:.2f} s: {why}')
    if record.reactions:
        written += _write_pictures(out, record, recording, start_ns, duration_s, film)
    written.append('summary.json')
    print(f'results in {out}: {", ".join(written)}')
    if never_valid:
        print(
            f'no valid frame: in none of the {summary["frames_recorded"]} recorded frames did the '
            f'tracker find the face with a confidence of at least {MIN_CONFIDENCE:g}'
        )
        return NO_VALID_FRAME
    return 0


def _write_pictures(
    out: Path, record: Record, recording: Recording, start_ns: int, duration_s: float, film: str
) -> list[str]:
    """Write the sheet, and the film if it has a name; returns the names of the files."""
    from .film import Film

    drawn = Film(
        record, start_ns, duration_s, recording.samples, recording.sample_rate, recording.title
    )
    drawn.write_sheet(out / 'sheet.png')
    if not film:
        return ['sheet.png']
    drawn.write_video(out / film)
    return ['sheet.png', film]
