# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen generate`: generates conversations, as recordings or as prepared data."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from robot_face_gen.data.prepare import finish, run_jobs
from robot_face_gen.data.sessions import SPLITS, TABLE
from robot_face_gen.data.store import (
    PreparedSession,
    digest,
    sessions_to_keep,
    track_path,
    write_track,
)
from robot_face_gen.data.tracks import (
    Embedder,
    EmbeddingConfig,
    add_embedding_arguments,
    align_person,
    frame_count,
)

from .config import GeneratorConfig
from .plan import SpeakerJob, make_plan, plan_speakers
from .recordings import generate_recordings
from .voice_bank import bank_digest, load_bank

_DYADS = 8  # default number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    defaults = GeneratorConfig()
    parser.add_argument('output', type=Path, metavar='OUT', help='output folder')
    parser.add_argument(
        '--dyads', type=int, metavar='N', help=f'number of dyads (default {_DYADS})'
    )
    for split in SPLITS:
        parser.add_argument(
            f'--{split}', type=int, metavar='N',
            help=f'number of speakers of the split {split}, instead of --dyads',
        )  # fmt: skip
    parser.add_argument('--seed', type=int, default=0, help='the same seed gives the same dyads')
    parser.add_argument(
        '--listeners', type=int, default=defaults.listeners,
        help='listeners of each speaker (default %(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--duration', type=float, default=defaults.duration_s, metavar='S',
        help='length of a dyad in seconds (default %(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--split', choices=('auto', *SPLITS),
        help='split of the dyads; auto: a tenth of the speakers each for val and test (default)',
    )  # fmt: skip
    parser.add_argument(
        '--prepared', action='store_true',
        help='write prepared data directly, without CSV and sound files',
    )  # fmt: skip
    parser.add_argument(
        '--overwrite', action='store_true', help='replace the dyads or the data set in OUT'
    )
    parser.add_argument(
        '--voices', type=Path, metavar='BANK',
        help='voice bank, see `robot-face-gen voices`; default: a formant synthesiser',
    )  # fmt: skip
    add_embedding_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.seed < 0:
        raise ValueError(f'--seed {args.seed}: expected at least 0')
    config = GeneratorConfig(duration_s=args.duration, listeners=args.listeners)
    plan = _plan(args, config)
    if args.voices is not None:
        load_bank(args.voices)  # an error comes before any work
        digest_of_bank = bank_digest(args.voices)
        plan = [replace(job, voices=args.voices, bank=digest_of_bank) for job in plan]
    how: dict[str, Any] = {
        'overwrite': args.overwrite, 'workers': args.workers, 'progress': True
    }  # fmt: skip
    if args.prepared:
        generate_prepared(plan, args.output, EmbeddingConfig.from_arguments(args), **how)
        print(f'prepared data: {args.output}')
    else:
        generate_recordings(plan, args.output, **how)
        print(f'recordings: {args.output / TABLE}')
    return 0


def _plan(args: argparse.Namespace, config: GeneratorConfig) -> list[SpeakerJob]:
    speakers = {split: getattr(args, split) for split in SPLITS}
    given = [split for split, count in speakers.items() if count is not None]
    if not given:
        dyads = _DYADS if args.dyads is None else args.dyads
        if dyads < 1:
            raise ValueError(f'--dyads {dyads}: expected at least 1')
        return make_plan(dyads, args.seed, config, args.split or 'auto')
    for name in ('dyads', 'split'):
        if getattr(args, name) is not None:
            raise ValueError(f'--{name} and --{given[0]}: expected one of the two')
    for split in given:
        if speakers[split] < 0:
            raise ValueError(f'--{split} {speakers[split]}: expected at least 0')
    if not any(speakers.values()):
        raise ValueError(f'--{given[0]} {speakers[given[0]]}: expected at least one speaker')
    return plan_speakers(
        {split: count or 0 for split, count in speakers.items()}, args.seed, config
    )


def _prepared_sessions(job: SpeakerJob, embedder: Embedder) -> list[PreparedSession]:
    key = digest([], [job.note, embedder.description])
    count = frame_count(job.config.duration_s)
    return [
        PreparedSession(
            job.session(j), job.split, 'b', (job.group, ''), (f'{key}_0', f'{key}_{1 + j}'), count
        )
        for j in range(job.config.listeners)
    ]


def make_tracks(job: SpeakerJob, root: Path, embedder: Embedder) -> list[PreparedSession]:
    """Generate the dyads of one speaker as tracks; the listeners' voices are not embedded."""
    sessions = _prepared_sessions(job, embedder)
    names = [sessions[0].tracks[0], *(session.tracks[1] for session in sessions)]
    if not all(track_path(root, name).is_file() for name in names):
        dyad = job.generate()
        for name, person in zip(names, [dyad.speaker, *dyad.listeners], strict=True):
            speaks = person is dyad.speaker
            # 16 bits, as in a sound file: then the result equals that of a recording.
            sound = np.round(person.sound * 32768) / np.float32(32768)
            blocks = embedder.embed(sound, person.sample_rate) if speaks else []
            dim = embedder.dim if speaks else 0
            frames = sessions[0].frames
            track = align_person(
                person.frames, blocks, frames, audio_dim=dim,
                audio_delay_s=embedder.audio_delay_s, crop=embedder.crop,
            )  # fmt: skip
            write_track(root, name, track)
    return sessions


def generate_prepared(
    plan: list[SpeakerJob],
    root: str | Path,
    config: EmbeddingConfig | None = None,
    *,
    overwrite: bool = False,
    workers: int = 1,
    progress: bool = False,
    name: str | None = None,
) -> None:
    """Write dyads as prepared data, as `prepare` would, without files in between.

    Finished tracks of an earlier run are kept. `overwrite` replaces another data set in `root`.

    Raises:
        ValueError: the folder contains a data set that would lose sessions.
    """
    root = Path(root)
    embedder = Embedder(config or EmbeddingConfig())
    planned = [session for job in plan for session in _prepared_sessions(job, embedder)]
    sessions_to_keep(root, planned, embedder.description, overwrite=overwrite)
    done = run_jobs(partial(make_tracks, root=root, embedder=embedder), plan, workers)
    for _ in tqdm(done, 'generate', len(plan), unit='speaker', disable=not progress):
        pass
    name = name or f'generated conversations, seed {plan[0].seed}, {len(planned)} dyads'
    finish(root, {'name': name, **embedder.description}, planned)
