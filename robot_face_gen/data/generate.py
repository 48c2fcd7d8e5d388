# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen generate`: makes conversations, as recordings or as prepared data."""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from robot_face_gen.features.openface_write import write_openface_csv

from .align import align_person, frame_count
from .config import GeneratorConfig
from .conversation import Person, generate_conversation
from .embedding import Embedder, EmbeddingConfig, add_embedding_arguments
from .people import digest
from .plan import SpeakerJob, make_plan
from .prepare import finish, share_out
from .sessions import SPLITS, TABLE, SessionsWriter
from .store import PreparedSession, sessions_to_keep, track_path, write_track

NOTE = 'generated.json'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    defaults = GeneratorConfig()
    parser.add_argument('output', type=Path, metavar='OUT', help='folder that is filled')
    parser.add_argument(
        '--dyads', type=int, default=8, metavar='N', help='how many dyads (default %(default)s)'
    )
    parser.add_argument('--seed', type=int, default=0, help='the same seed makes the same dyads')
    parser.add_argument(
        '--listeners',
        type=int,
        default=defaults.listeners,
        help='dyads that share a speaker (default %(default)s)',
    )
    parser.add_argument(
        '--duration', type=float, default=defaults.duration_s, metavar='S',
        help='length of a dyad in seconds (default %(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--split',
        choices=('auto', *SPLITS),
        default='auto',
        help='auto: a tenth of the speakers each for val and test (default)',
    )
    parser.add_argument(
        '--prepared',
        action='store_true',
        help='make prepared data at once, without CSV and sound files',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace the dyads or the data set in OUT'
    )
    add_embedding_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Generate as the arguments say."""
    if args.dyads < 1:
        raise ValueError(f'--dyads {args.dyads}: expected 1 or more')
    if args.seed < 0:
        raise ValueError(f'--seed {args.seed}: expected 0 or more')
    config = GeneratorConfig(duration_s=args.duration, listeners=args.listeners)
    plan = make_plan(args.dyads, args.seed, config, args.split)
    if args.prepared:
        embedding = EmbeddingConfig.from_arguments(args)
        generate_prepared(
            plan,
            args.output,
            embedding,
            overwrite=args.overwrite,
            workers=args.workers,
            progress=True,
        )
        print(f'prepared data: {args.output}')
    else:
        generate_recordings(
            plan, args.output, overwrite=args.overwrite, workers=args.workers, progress=True
        )
        print(f'recordings: {args.output / TABLE}')
    return 0


def _write_person(folder: Path, name: str, person: Person) -> None:
    import soundfile

    write_openface_csv(folder / f'{name}.csv', person.frames)
    soundfile.write(folder / f'{name}.flac', person.sound, person.sample_rate, 'PCM_16')


def write_recordings(job: SpeakerJob, root: Path) -> list[str]:
    """Make the dyads of one speaker, each in a folder that is either whole or not there.

    Returns:
        list: names of the dyads.
    """
    names = [job.session(listener) for listener in range(job.config.listeners)]
    if all((root / name / NOTE).is_file() for name in names):
        return names
    dyad = generate_conversation((job.seed, job.index), job.config)
    note = json.dumps({'seed': job.seed, 'speaker': job.index, **asdict(job.config)}, indent=1)
    speaker: Path | None = None
    for name, listener in zip(names, dyad.listeners, strict=True):
        folder = root / f'.{name}.{os.getpid()}'
        folder.mkdir(parents=True, exist_ok=True)
        if speaker is None:
            _write_person(folder, 'a', dyad.speaker)
        else:
            for file in ('a.csv', 'a.flac'):
                _same_file(speaker / file, folder / file)
        _write_person(folder, 'b', listener)
        (folder / NOTE).write_text(note + '\n', encoding='utf-8')
        shutil.rmtree(root / name, ignore_errors=True)
        folder.rename(root / name)
        speaker = root / name
    return names


def _same_file(old: Path, new: Path) -> None:
    """One file under two names where the disk can, a copy elsewhere."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)


def _recordings(plan: list[SpeakerJob], root: Path, workers: int) -> Iterator[list[str]]:
    if workers <= 1 or len(plan) <= 1:
        yield from (write_recordings(job, root) for job in plan)
        return
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(min(workers, len(plan)), context) as pool:
        yield from pool.map(write_recordings, plan, [root] * len(plan))


def generate_recordings(
    plan: list[SpeakerJob],
    root: str | Path,
    *,
    overwrite: bool = False,
    workers: int = 1,
    progress: bool = False,
) -> None:
    """Write dyads as a lab would have recorded them, one speaker after the other.

    Args:
        plan: see `make_plan`.
        root: folder that is filled; dyads that are there already are kept.
        overwrite: replace dyads of another seed or of other parameters, and the table.
        workers: processes.
        progress: show a progress bar.

    Raises:
        ValueError: the folder contains dyads of another seed or of other parameters, or a table
            with sessions that would be lost.
    """
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    _check_same(plan, root, overwrite)
    if not overwrite:
        _check_table(plan, root)
    bar = tqdm(
        _recordings(plan, root, workers),
        'generate',
        len(plan),
        unit='speaker',
        disable=not progress,
    )
    with SessionsWriter(root) as table:
        for job, names in zip(plan, bar, strict=True):
            for name in names:
                table.write(name, job.split, 'b', job.group)


def _check_table(plan: list[SpeakerJob], root: Path) -> None:
    """Refuse to replace a table that lists other sessions, for example a lab's own."""
    table = root / TABLE
    if not table.is_file():
        return
    planned = {tuple(SessionsWriter.COLUMNS)}
    for job in plan:
        for listener in range(job.config.listeners):
            planned.add((job.session(listener), job.split, 'b', job.group))
    with table.open(newline='', encoding='utf-8-sig') as file:
        for line, row in enumerate(csv.reader(file), 1):
            if row and tuple(row) not in planned:
                raise ValueError(
                    f'{table}, line {line}: {",".join(row)!r} would be lost: choose another '
                    'folder, or replace the table with --overwrite'
                )


def _check_same(plan: list[SpeakerJob], root: Path, overwrite: bool) -> None:
    for job in plan:
        note = root / job.session(0) / NOTE
        if not note.is_file():
            continue
        there = json.loads(note.read_text(encoding='utf-8'))
        wanted = json.loads(
            json.dumps({'seed': job.seed, 'speaker': job.index, **asdict(job.config)})
        )
        changed = [name for name in wanted if there.get(name) != wanted[name]]
        if changed and overwrite:
            note.unlink()  # then all dyads of this speaker are made again
        elif changed:
            raise ValueError(
                f'{note.parent}: was made with another {", ".join(changed)}; '
                'choose another folder, or replace it with --overwrite'
            )


def _sessions(job: SpeakerJob, embedder: Embedder) -> list[PreparedSession]:
    key = digest([], [asdict(job.config), job.seed, job.index, embedder.settings])
    count = frame_count(job.config.duration_s)
    return [
        PreparedSession(
            job.session(j), job.split, 'b', (job.group, ''), (f'{key}_0', f'{key}_{1 + j}'), count
        )
        for j in range(job.config.listeners)
    ]


def make_tracks(job: SpeakerJob, root: Path, embedder: Embedder) -> list[PreparedSession]:
    """Make the dyads of one speaker as tracks; the listeners' voices are not embedded."""
    sessions = _sessions(job, embedder)
    names = [sessions[0].tracks[0], *(session.tracks[1] for session in sessions)]
    count = sessions[0].frames
    if not all(track_path(root, name).is_file() for name in names):
        dyad = generate_conversation((job.seed, job.index), job.config)
        for name, person in zip(names, [dyad.speaker, *dyad.listeners], strict=True):
            speaks = person is dyad.speaker
            # A sound file has 16 bits, so what comes from one does not differ.
            sound = np.round(person.sound * 32768) / np.float32(32768)
            blocks = embedder.embed(sound, person.sample_rate) if speaks else []
            dim = embedder.dim if speaks else 0
            track = align_person(person.frames, blocks, count, audio_dim=dim, crop=embedder.crop)
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
    """Make dyads as prepared data: what `prepare` would make of them, without files in between.

    Args:
        plan: see `make_plan`.
        root: folder for the prepared data; what an earlier run has finished there is taken up.
        config: how embeddings are made.
        overwrite: replace a data set in `root`.
        workers: processes.
        progress: show a progress bar.
        name: of the data.

    Raises:
        ValueError: the folder contains a data set that would lose sessions.
    """
    root = Path(root)
    embedder = Embedder(config or EmbeddingConfig())
    planned = [session for job in plan for session in _sessions(job, embedder)]
    sessions_to_keep(root, planned, embedder.description, overwrite=overwrite)
    done = share_out(make_tracks, plan, root, embedder, workers)
    bar = tqdm(done, 'generate', len(plan), unit='speaker', disable=not progress)
    sessions = [session for some in bar for session in some]
    name = name or f'generated conversations, seed {plan[0].seed}, {len(sessions)} dyads'
    finish(root, {'name': name, **embedder.description}, sessions)
