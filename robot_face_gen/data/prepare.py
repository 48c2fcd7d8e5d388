# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen prepare`: turns recordings into prepared data; docs/data.md has both formats."""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from robot_face_gen.extras import require
from robot_face_gen.files import results_folder
from robot_face_gen.timing import FRAME_RATE_HZ

from .bag_file import bag_files
from .checks import ERROR, NO_VOICE, WARNING, Finding, Findings, check_lengths
from .people import PersonJob, PersonResult, prepare_person
from .report import PAGE, TABLE, SessionReport, print_findings, write_reports
from .seamless import read_sessions
from .sessions import PersonFiles, Session
from .store import (
    Catalogue,
    PreparedSession,
    digest,
    measure_spread,
    read_catalogue,
    remove_unused_tracks,
    sessions_to_keep,
    write_catalogue,
)
from .tracks import Embedder, EmbeddingConfig, add_embedding_arguments

_MOST_SHOWN = 30
Job = TypeVar('Job')
Result = TypeVar('Result')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument('input', type=Path, metavar='IN', help='folder with a sessions.csv')
    parser.add_argument('output', type=Path, metavar='OUT', help='folder for the prepared data')
    parser.add_argument(
        '--name', help='name of the data set in a checkpoint (default: the name of IN)'
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        '--append', action='store_true', help='add the sessions to the data set that is in OUT'
    )
    group.add_argument('--overwrite', action='store_true', help='replace the data set in OUT')
    add_embedding_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    config = EmbeddingConfig.from_arguments(args)
    with results_folder(args.output):  # an error now, not after minutes of work
        report = prepare(
            args.input,
            args.output,
            config,
            name=args.name,
            append=args.append,
            overwrite=args.overwrite,
            workers=args.workers,
            progress=True,
        )
    print_findings(report)
    left_out = sorted({finding.session for finding in report if finding.level == ERROR})
    if left_out:
        print(f'not used: {len(left_out)} sessions: {", ".join(left_out[:_MOST_SHOWN])}')
    print(f'prepared data: {args.output}')
    print(f'report: {args.output / PAGE} (as a table: {args.output / TABLE})')
    return 0


def _one_thread() -> None:
    """Initialise a worker process."""
    os.environ['OMP_NUM_THREADS'] = '1'


def run_jobs(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Yield the results of jobs in their order; with several workers in other processes."""
    if workers <= 1 or len(jobs) <= 1:
        yield from map(work, jobs)
        return
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(min(workers, len(jobs)), context, _one_thread) as pool:
        try:
            yield from pool.map(work, jobs)
        except BrokenProcessPool:
            raise OSError(
                'a worker process died (out of memory?): start again with fewer --workers; '
                'what is finished is kept'
            ) from None


def _settings(files: PersonFiles, settings: dict[str, Any]) -> list[Any]:
    """What the result of a person depends on beside the contents of the files."""
    missing = [] if files.face.is_file() else [str(files.face)]  # which the message names
    skips = [files.face_skip_s, files.sound_skip_s]
    return [
        settings,
        files.sound is not None,
        *missing,
        *(['common sound'] if files.common_sound else []),
        *(skips if any(skips) else []),
    ]


def _jobs(
    sessions: Sequence[Session], settings: dict[str, Any]
) -> tuple[list[PersonJob], dict[tuple[str, int], str]]:
    """List each recorded person once, and the job id of each (session, place)."""
    contents: dict[tuple[str, int], str] = {}
    speakers: set[str] = set()
    for session in sessions:
        for place, files in enumerate(session.people):
            if session.is_bag:
                paths = bag_files(files.face)
                content = digest(paths, [settings, session.namespaces, place])
            else:
                content = digest([files.face, files.sound or Path()], _settings(files, settings))
            contents[session.name, place] = content
            if 'ab'[1 - place] in session.listeners:
                speakers.add(content)
    jobs: dict[str, PersonJob] = {}
    ids = {}
    for session in sessions:
        for place, files in enumerate(session.people):
            content = contents[session.name, place]
            speaks = content in speakers
            key = f'{content}{"s" if speaks else ""}'
            ids[session.name, place] = key
            jobs.setdefault(key, PersonJob(key, files, session.namespaces, place, speaks))
    return list(jobs.values()), ids


def _planned(session: Session, ids: dict[tuple[str, int], str]) -> PreparedSession:
    tracks = (ids[session.name, 0], ids[session.name, 1])
    return PreparedSession(
        session.name, session.split, session.listeners, session.groups, tracks, 0
    )


def _join(
    session: PreparedSession, results: tuple[PersonResult, PersonResult]
) -> tuple[PreparedSession | None, list[Finding]]:
    """The session if it can be used, with the people who can be the listener; and findings."""
    listeners = [
        listener
        for listener, speaker in (('a', results[1]), ('b', results[0]))
        if listener in session.listeners and speaker.has_voice
    ]
    findings = []
    for place, result in enumerate(results):
        needed = not listeners and 'ba'[place] in session.listeners
        level = {NO_VOICE: ERROR if needed else WARNING}
        findings += [
            replace(f, session=session.name, person='ab'[place], level=level.get(f.level, f.level))
            for f in result.findings
        ]
    if not listeners or not all(result.usable for result in results):
        return None, findings
    common = Findings()
    if len(listeners) < len(session.listeners):
        common.add(WARNING, 'listener', f'only {listeners[0]}', 'both: each person has a voice')
    lengths = [result.frames for result in results]
    a_s, b_s = (count / FRAME_RATE_HZ for count in lengths)
    check_lengths(a_s, b_s, common, "both people's lengths")
    findings += [replace(finding, session=session.name) for finding in common]
    return replace(session, listeners=''.join(listeners), frames=min(lengths)), findings


def finish(root: Path, description: dict[str, Any], sessions: list[PreparedSession]) -> None:
    """Write the catalogue, the last file of a data set, and delete tracks of a replaced one."""
    try:
        before = read_catalogue(root)
    except (FileNotFoundError, ValueError):
        before = Catalogue({})
    train = [session for session in sessions if session.split == 'train']
    after = Catalogue(description, sessions, measure_spread(root, train or sessions))
    write_catalogue(root, after)
    remove_unused_tracks(root, before, after)


def prepare(
    source: str | Path,
    root: str | Path,
    config: EmbeddingConfig | None = None,
    *,
    name: str | None = None,
    append: bool = False,
    overwrite: bool = False,
    workers: int = 1,
    progress: bool = False,
) -> list[Finding]:
    """Prepare all sessions of a folder with a `sessions.csv`, see `add_arguments`.

    Finished tracks of an earlier run in `root` are kept. Returns the findings; a session with an
    error is not used.

    Raises:
        ImportError: a session is a bag and rosbags is not installed.
        ValueError: the table is wrong, no session could be used, or `root` contains a data set
            that would lose sessions.
        OSError: a file cannot be read or written.
    """
    source, root = Path(source), Path(root)
    sessions = read_sessions(source)
    if any(session.is_bag for session in sessions):
        require('rosbags', 'bags')
    embedder = Embedder(config or EmbeddingConfig())
    jobs, ids = _jobs(sessions, embedder.description)
    planned = [_planned(session, ids) for session in sessions]
    kept = sessions_to_keep(
        root, planned, embedder.description, append=append, overwrite=overwrite
    )
    results = {}
    done = run_jobs(partial(prepare_person, root=root, embedder=embedder), jobs, workers)
    bar = tqdm(done, 'prepare', len(jobs), unit='person', disable=not progress)
    for job, result in zip(jobs, bar, strict=True):
        results[job.id] = result
    prepared, findings, reports = [], [], []
    for session, plan in zip(sessions, planned, strict=True):
        a, b = (results[track] for track in plan.tracks)
        usable, found = _join(plan, (a, b))
        findings += found
        reports.append(SessionReport(session, usable, found, (a.overview, b.overview)))
        if usable is not None:
            prepared.append(usable)
    if name is None:
        name = read_catalogue(root).description.get('name') if kept else source.resolve().name
    write_reports(root, str(name), reports)
    if not prepared:
        first = next(f for f in findings if f.level == ERROR)
        raise ValueError(
            f'{source}: none of {len(sessions)} sessions can be used; first error: session '
            f'{first.session}, {first.what}: {first.value} (expected {first.expected}); see '
            f'{root / PAGE}'
        )
    finish(root, {'name': name, **embedder.description}, [*kept, *prepared])
    return findings
