# SPDX-License-Identifier: Apache-2.0
"""Recordings on disk: two people, each with an OpenFace CSV and a sound file, and a table.

`docs/data.md` describes the format for people who record data. In short:

    RECORDINGS/
      sessions.csv
      monday_1/            one folder per dyad
        a.csv  a.flac      person a: OpenFace's CSV, and the sound of a's microphone
        b.csv  b.flac      person b
      monday_2/
      ...

`sessions.csv` has one row per dyad. Its columns:

    session    name of the dyad and of its folder, relative to the table
    split      train, val or test
    listener   who can be the listener: a, b or both (default both)
    group_a    what a says: in sessions with the same group, each listener is appropriate for each
               speaker. Empty: only the session's own listener is appropriate
    group_b    the same for what b says
    face_a face_b sound_a sound_b
               file names relative to the session's folder, if they are not a.csv, b.csv, and a
               or b with one of `SOUND_SUFFIXES`. A film is a sound file, too

Only `session` and `split` are required. File names are the same in upper and lower case. All
files of a session begin at the same time: `timestamp` 0 of a CSV is the first sample of the
sounds. A person who is never the speaker needs no sound. If a person has no sound file, the only
other sound file or film of the folder is used as the sound of both people. A session can also be a
bag (rosbag2 with MCAP or SQLite storage) of this project's topics: then `session` is the bag's
folder or its only file (`.mcap`, `.db3`), and the columns `topics_a` and `topics_b` are the
namespaces of the two people's topics (default `a` and `b`).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from .bag_file import BAG_SUFFIXES

SPLITS = ('train', 'val', 'test')
TABLE = 'sessions.csv'
# In the order of preference: sound before films.
SOUND_SUFFIXES = (
    '.flac', '.wav', '.ogg', '.mp3', '.opus', '.m4a', '.aac', '.aiff', '.aif',
    '.mp4', '.mov', '.mkv', '.webm', '.avi', '.m4v', '.mpg', '.wmv',
)  # fmt: skip
_MOST_LISTED = 8
COLUMNS = (
    'session', 'split', 'listener', 'group_a', 'group_b',
    'face_a', 'sound_a', 'face_b', 'sound_b', 'topics_a', 'topics_b',
)  # fmt: skip


@dataclass(frozen=True)
class PersonFiles:
    """Files of one person of a session."""

    face: Path  # an OpenFace CSV, or the bag. It need not exist
    sound: Path | None  # a sound file or film, or the bag; None if there is none
    topics: str = ''  # namespace of this person's topics in the bag; '' for files
    sound_names: str = ''  # names that were looked for; '' for a bag
    listing: str = ''  # what the folder holds, for messages; '' for a bag
    # whether `sound` is not this person's own, but that of the whole session
    common_sound: bool = False


@dataclass(frozen=True)
class Session:
    """One row of the table."""

    name: str  # of the dyad
    split: str  # train, val or test
    listeners: str  # 'a', 'b' or 'ab'
    groups: tuple[str, str]  # what a and what b say, each '' if not known
    people: tuple[PersonFiles, PersonFiles]  # files of a and b
    is_bag: bool = False  # whether the session is a bag

    @property
    def namespaces(self) -> tuple[str, str]:
        """Namespaces of both people's topics, for a bag."""
        return self.people[0].topics, self.people[1].topics


def _find(folder: Path, name: str) -> Path:
    """File of a folder by its name, in any case; the name as given if there is none."""
    path = folder / name
    if path.is_file() or not path.parent.is_dir():
        return path
    same = (other for other in sorted(path.parent.iterdir()) if other.is_file())
    return next((other for other in same if other.name.lower() == path.name.lower()), path)


def _find_sound(names: list[str], person: str) -> tuple[str, bool]:
    """Name of a person's sound ('' if there is none), and whether it is that of both people."""
    sounds = [name for name in names if Path(name).suffix.lower() in SOUND_SUFFIXES]
    own = [name for name in sounds if Path(name).stem.lower() == person]
    if own:
        return min(own, key=lambda name: SOUND_SUFFIXES.index(Path(name).suffix.lower())), False
    others = [name for name in sounds if Path(name).stem.lower() not in ('a', 'b')]
    return (others[0], True) if len(others) == 1 else ('', False)


def _listed(folder: Path, names: list[str]) -> str:
    if not folder.is_dir():
        return f'there is no folder {folder}'
    shown = ', '.join(names[:_MOST_LISTED]) or 'no file'
    more = f' and {len(names) - _MOST_LISTED} more' if len(names) > _MOST_LISTED else ''
    return f'{folder} holds {shown}{more}'


def _find_person(folder: Path, row: dict[str, str], person: str) -> PersonFiles:
    names = sorted(p.name for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []
    face = row.get(f'face_{person}') or f'{person}.csv'
    named, common = row.get(f'sound_{person}'), False
    if named:
        sound: Path | None = _find(folder, named)
        wanted = named
    else:
        name, common = _find_sound(names, person)
        sound = folder / name if name else None
        wanted = ', '.join(f'{person}{suffix}' for suffix in SOUND_SUFFIXES)
    return PersonFiles(
        _find(folder, face), sound, sound_names=wanted, listing=_listed(folder, names),
        common_sound=common,
    )  # fmt: skip


def _read_row(table: Path, line: int, row: dict[str, str]) -> Session:
    where = f'{table}, line {line}'
    name = row.get('session', '')
    if not name:
        raise ValueError(f'{where}: session is empty')
    split = row.get('split', '')
    if split not in SPLITS:
        raise ValueError(f'{where}: split = {split!r}: expected one of {", ".join(SPLITS)}')
    listeners = {'a': 'a', 'b': 'b', 'both': 'ab', '': 'ab'}.get(row.get('listener', ''))
    if listeners is None:
        raise ValueError(f'{where}: listener = {row["listener"]!r}: expected a, b or both')
    folder = table.parent / name
    if folder.resolve() == table.parent.resolve() or '..' in Path(name).parts:
        raise ValueError(f'{where}: session = {name!r}: expected a folder below {table.parent}')
    is_bag = (folder / 'metadata.yaml').is_file() or folder.suffix in BAG_SUFFIXES
    people = []
    for person in 'ab':
        if is_bag:
            topics = row.get(f'topics_{person}') or person
            people.append(PersonFiles(folder, folder, topics))
            continue
        people.append(_find_person(folder, row, person))
    groups = (row.get('group_a', ''), row.get('group_b', ''))
    return Session(name, split, listeners, groups, (people[0], people[1]), is_bag)


def read_sessions(folder: str | Path) -> list[Session]:
    """Read the table of a folder of recordings.

    Args:
        folder: the folder of `sessions.csv`, or the table itself.

    Returns:
        list: the sessions in the order of the table. Their files are not read.

    Raises:
        FileNotFoundError: there is no table.
        ValueError: a wrong row; the message names file and line.
    """
    table = Path(folder)
    if table.is_dir():
        table = _find(table, TABLE)
    if not table.is_file():
        raise FileNotFoundError(
            f'{table}: not found. A folder of recordings has a table {TABLE} with at least the '
            'columns session and split (see docs/data.md)'
        )
    with table.open(newline='', encoding='utf-8-sig') as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        names = [name.strip() for name in reader.fieldnames or []]
        for needed in ('session', 'split'):
            if needed not in names:
                raise ValueError(f'{table}, line 1: no column {needed!r}; found {names}')
        unknown = [name for name in names if name not in COLUMNS]
        if unknown:
            raise ValueError(
                f'{table}, line 1: unknown columns {unknown}; expected {list(COLUMNS)}'
            )
        reader.fieldnames = names
        sessions: list[Session] = []
        lines: dict[str, int] = {}
        for row in reader:
            if None in row:
                raise ValueError(f'{table}, line {reader.line_num}: more fields than columns')
            clean = {name: (value or '').strip() for name, value in row.items()}
            if not any(clean.values()):
                continue
            session = _read_row(table, reader.line_num, clean)
            if session.name in lines:
                raise ValueError(
                    f'{table}, line {reader.line_num}: session {session.name!r} is also in line '
                    f'{lines[session.name]}'
                )
            lines[session.name] = reader.line_num
            sessions.append(session)
    if not sessions:
        raise ValueError(f'{table}: contains no session')
    return sessions


class SessionsWriter:
    """Writes a table row by row, so that an interrupted run leaves a table."""

    COLUMNS = ('session', 'split', 'listener', 'group_a')

    def __init__(self, folder: str | Path) -> None:
        self._file = (Path(folder) / TABLE).open('w', newline='', encoding='utf-8')
        self._writer = csv.writer(self._file)
        self._writer.writerow(self.COLUMNS)

    def write(self, session: str, split: str, listener: str, group_a: str) -> None:
        """Add a session."""
        self._writer.writerow((session, split, listener, group_a))
        self._file.flush()

    def close(self) -> None:
        """Close the table."""
        self._file.close()

    def __enter__(self) -> SessionsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
