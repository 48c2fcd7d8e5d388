# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen generate`: generates conversations, as recordings or as prepared data."""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from robot_face_gen.data.prepare import finish, run_jobs
from robot_face_gen.data.sessions import SPLITS, TABLE, SessionsWriter
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
from robot_face_gen.features.openface_write import write_openface_csv

from .config import GeneratorConfig
from .conversation import Dyad, Person, generate_conversation
from .voice_bank import bank_digest, load_bank

NOTE = 'generated.json'
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
        help='of --dyads; auto: a tenth of the speakers each for val and test (default)',
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


@dataclass(frozen=True)
class SpeakerJob:
    """One speaker and the listeners of this speaker.

    Attributes:
        index: of the speaker in the plan.
        seed: of the plan.
        split: train, val or test.
        config: its `listeners` is the number of dyads of this speaker.
        voices: a voice bank; None: the formant synthesiser.
        bank: digest of the voice bank, '' without one.
    """

    index: int
    seed: int
    split: str
    config: GeneratorConfig
    voices: Path | None = None
    bank: str = ''

    @property
    def group(self) -> str:
        """Name of what the speaker says, see `sessions`."""
        return f'speaker_{self.index:05d}'

    @property
    def held_out(self) -> bool:
        """Whether the voice is one that is kept for tests."""
        return bool(self.bank) and self.split == 'test'

    def generate(self) -> Dyad:
        """Generate the dyads."""
        seed = (self.seed, self.index)
        return generate_conversation(seed, self.config, self.voices, held_out=self.held_out)

    def session(self, listener: int) -> str:
        """Name of a dyad."""
        return f'dyad_{self.index:05d}_{listener}'

    @property
    def note(self) -> dict[str, Any]:
        """What the dyads depend on, as JSON values."""
        values = {'seed': self.seed, 'index': self.index, 'voices': self.bank}
        values |= {'held_out': self.held_out, **asdict(self.config)}
        return dict(json.loads(json.dumps(values)))


def split_of(index: int, count: int) -> str:
    """Split of a speaker: the last tenths are val and test; at least one each from 3 speakers."""
    tenth = max(1, round(count / 10)) if count >= 3 else 0
    if index >= count - tenth:
        return 'test'
    return 'val' if index >= count - 2 * tenth else 'train'


def make_plan(
    dyads: int, seed: int, config: GeneratorConfig, split: str = 'auto'
) -> list[SpeakerJob]:
    """Plan `dyads` dyads; only the last speaker may have fewer than `config.listeners`."""
    count = -(-dyads // config.listeners)
    return [
        SpeakerJob(
            index,
            seed,
            split_of(index, count) if split == 'auto' else split,
            replace(config, listeners=min(config.listeners, dyads - index * config.listeners)),
        )
        for index in range(count)
    ]


def plan_speakers(
    speakers: dict[str, int], seed: int, config: GeneratorConfig
) -> list[SpeakerJob]:
    """Plan a number of speakers for each split, with `config.listeners` dyads each.

    The speakers of test and val have the first numbers: with the same seed, more training speakers
    can be added later and the others stay as they are.
    """
    splits = [split for split in ('test', 'val', 'train') for _ in range(speakers[split])]
    return [SpeakerJob(index, seed, split, config) for index, split in enumerate(splits)]


def _write_person(folder: Path, name: str, person: Person) -> None:
    from robot_face_gen.features.sound_file import write_flac  # FFmpeg: prepared data need none

    write_openface_csv(folder / f'{name}.csv', person.frames)
    write_flac(folder / f'{name}.flac', person.sound, person.sample_rate)


def write_recordings(job: SpeakerJob, root: Path) -> list[str]:
    """Generate the dyads of one speaker; each folder is written completely or not at all.

    Returns:
        list: names of the dyads.
    """
    names = [job.session(listener) for listener in range(job.config.listeners)]
    if all((root / name / NOTE).is_file() for name in names):
        return names
    dyad = job.generate()
    speaker: Path | None = None
    for name, listener in zip(names, dyad.listeners, strict=True):
        folder = root / f'.{name}.{os.getpid()}'
        folder.mkdir(parents=True, exist_ok=True)
        if speaker is None:
            _write_person(folder, 'a', dyad.speaker)
        else:
            for file in ('a.csv', 'a.flac'):
                _link_or_copy(speaker / file, folder / file)
        _write_person(folder, 'b', listener)
        (folder / NOTE).write_text(json.dumps(job.note, indent=1) + '\n', encoding='utf-8')
        shutil.rmtree(root / name, ignore_errors=True)
        folder.rename(root / name)
        speaker = root / name
    return names


def _link_or_copy(old: Path, new: Path) -> None:
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
    """Write dyads in the format of recordings, see `sessions`.

    Args:
        plan: see `make_plan`.
        root: output folder; dyads of an earlier run with the same parameters are kept.
        overwrite: replace dyads of another seed or other parameters, and the table.
        workers: number of processes.
        progress: show a progress bar.

    Raises:
        ValueError: the folder contains dyads of another seed or other parameters, or a table with
            sessions that would be lost.
    """
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    _check_dyads(plan, root, overwrite)
    if not overwrite:
        _check_table(plan, root)
    work = _recordings(plan, root, workers)
    bar = tqdm(work, 'generate', len(plan), unit='speaker', disable=not progress)
    with SessionsWriter(root) as table:
        for job, names in zip(plan, bar, strict=True):
            for name in names:
                table.write(name, job.split, 'b', job.group)


def _check_dyads(plan: list[SpeakerJob], root: Path, overwrite: bool) -> None:
    """Refuse dyads of another seed or other parameters, or prepare to generate them again."""
    for job in plan:
        path = root / job.session(0) / NOTE
        if not path.is_file():
            continue
        note = json.loads(path.read_text(encoding='utf-8'))
        changed = [name for name, value in job.note.items() if note.get(name) != value]
        if changed and overwrite:
            path.unlink()
        elif changed:
            raise ValueError(
                f'{path.parent}: was generated with another {", ".join(changed)}; '
                'choose another folder, or replace it with --overwrite'
            )


def _check_table(plan: list[SpeakerJob], root: Path) -> None:
    """Refuse to replace a table that lists other sessions, for example a lab's own."""
    table = root / TABLE
    if not table.is_file():
        return
    planned = {SessionsWriter.COLUMNS}
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

    Args:
        plan: see `make_plan`.
        root: folder for the prepared data; finished tracks of an earlier run are kept.
        config: how embeddings are computed.
        overwrite: replace a data set in `root`.
        workers: number of processes.
        progress: show a progress bar.
        name: of the data set.

    Raises:
        ValueError: the folder contains a data set that would lose sessions.
    """
    root = Path(root)
    embedder = Embedder(config or EmbeddingConfig())
    planned = [session for job in plan for session in _prepared_sessions(job, embedder)]
    sessions_to_keep(root, planned, embedder.description, overwrite=overwrite)
    done = run_jobs(make_tracks, plan, root, embedder, workers)
    for _ in tqdm(done, 'generate', len(plan), unit='speaker', disable=not progress):
        pass
    name = name or f'generated conversations, seed {plan[0].seed}, {len(planned)} dyads'
    finish(root, {'name': name, **embedder.description}, planned)
