# SPDX-License-Identifier: Apache-2.0
"""Writes generated dyads as recordings: CSV and sound files, and the table of sessions."""

from __future__ import annotations

import csv
import json
import os
import shutil
from functools import partial
from pathlib import Path

from tqdm import tqdm

from robot_face_gen.data.prepare import run_jobs
from robot_face_gen.data.sessions import TABLE
from robot_face_gen.features.openface_write import write_openface_csv
from robot_face_gen.files import naming, parse_json, write_text

from .conversation import Person
from .plan import SpeakerJob

NOTE = 'generated.json'
_COLUMNS = ('session', 'split', 'listener', 'group_a')  # of the table


def _write_person(folder: Path, name: str, person: Person) -> None:
    from robot_face_gen.features.sound_file import write_flac  # FFmpeg: prepared data need none

    write_openface_csv(folder / f'{name}.csv', person.frames)
    write_flac(folder / f'{name}.flac', person.sound, person.sample_rate)


def write_recordings(job: SpeakerJob, root: Path) -> None:
    """Generate the dyads of one speaker; each folder is written completely or not at all."""
    names = [job.session(listener) for listener in range(job.config.listeners)]
    if all((root / name / NOTE).is_file() for name in names):
        return
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
        write_text(folder / NOTE, json.dumps(job.note, indent=1) + '\n')
        shutil.rmtree(root / name, ignore_errors=True)
        folder.rename(root / name)
        speaker = root / name


def _link_or_copy(old: Path, new: Path) -> None:
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)


def generate_recordings(
    plan: list[SpeakerJob],
    root: str | Path,
    *,
    overwrite: bool = False,
    workers: int = 1,
    progress: bool = False,
) -> None:
    """Write dyads in the format of recordings, see `sessions`.

    Dyads of an earlier run with the same parameters are kept. `overwrite` replaces dyads of
    another seed or other parameters, and the table.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
        ValueError: the folder contains dyads of another seed or other parameters, or a table with
            sessions that would be lost.
    """
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    _check_dyads(plan, root, overwrite)
    if not overwrite:
        _check_table(plan, root)
    work = run_jobs(partial(write_recordings, root=root), plan, workers)
    bar = tqdm(work, 'generate', len(plan), unit='speaker', disable=not progress)
    # Row by row: an interrupted run leaves a table of what it finished.
    path = root / TABLE
    with naming(path), path.open('w', newline='', encoding='utf-8', buffering=1) as file:
        table = csv.writer(file)
        table.writerow(_COLUMNS)
        for job, _ in zip(plan, bar, strict=True):
            table.writerows(_rows(job))


def _rows(job: SpeakerJob) -> list[tuple[str, ...]]:
    """Of the table, one for each dyad."""
    return [(job.session(k), job.split, 'b', job.group) for k in range(job.config.listeners)]


def _check_dyads(plan: list[SpeakerJob], root: Path, overwrite: bool) -> None:
    """Refuse dyads of another seed or other parameters, or prepare to generate them again."""
    for job in plan:
        path = root / job.session(0) / NOTE
        if not path.is_file():
            continue
        try:
            note = dict(parse_json(path.read_text(encoding='utf-8')))
        except (ValueError, TypeError):
            note = {}  # damaged: of other parameters
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
    planned = {_COLUMNS, *(row for job in plan for row in _rows(job))}
    with table.open(newline='', encoding='utf-8-sig') as file:
        for line, row in enumerate(csv.reader(file), 1):
            if row and tuple(row) not in planned:
                raise ValueError(
                    f'{table}, line {line}: {",".join(row)!r} would be lost: choose another '
                    'folder, or replace the table with --overwrite'
                )
