# SPDX-License-Identifier: Apache-2.0
"""Sessions on disk: two people, each with an OpenFace CSV and a sound file, and a table of all.

See docs/data.md for the format from the point of view of somebody who records one. In short:

    RECORDINGS/
      sessions.csv
      monday_1/            a folder per dyad
        a.csv  a.flac      person a: OpenFace's CSV, and the sound of a's own microphone
        b.csv  b.flac      person b
      monday_2/
      ...

`sessions.csv` has one row per dyad. Its columns:

    session    name of the dyad and of its folder, relative to the table
    split      train, val or test
    listener   who can be the listener: a, b or both (default both)
    group_a    what a says: the listeners of all sessions with the same group suit each other's
               speaker. Empty: only the session's own listener is known to suit him
    group_b    the same for what b says
    face_a face_b sound_a sound_b
               names of the files, relative to the session's folder, where they are not
               a.csv, b.csv, and a or b with one of the endings .flac .wav .ogg .mp3

Only `session` and `split` must be there. All files of a session begin at the same moment: a CSV's
`timestamp` 0 is the first sample of the sounds. Somebody who is never the speaker needs no sound.
Instead of a folder a session may be a bag (rosbag2 with MCAP or SQLite storage) of our own topics:
then `session` names the bag's folder, and the columns `topics_a` and `topics_b` the namespaces of
the two people's topics (default `a` and `b`).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

SPLITS = ('train', 'val', 'test')
TABLE = 'sessions.csv'
SOUND_SUFFIXES = ('.flac', '.wav', '.ogg', '.mp3')
COLUMNS = (
    'session', 'split', 'listener', 'group_a', 'group_b',
    'face_a', 'sound_a', 'face_b', 'sound_b', 'topics_a', 'topics_b',
)  # fmt: skip


@dataclass(frozen=True)
class PersonFiles:
    """Where one person of a session lies.

    Attributes:
        face: an OpenFace CSV; or the bag.
        sound: a sound file; None where there is none; or the bag.
        topics: namespace of this person's topics in the bag; '' for files.
    """

    face: Path
    sound: Path | None
    topics: str = ''


@dataclass(frozen=True)
class Session:
    """One row of the table.

    Attributes:
        name: of the dyad.
        split: train, val or test.
        listeners: 'a', 'b' or 'ab'.
        groups: what a and what b say, each '' if not known.
        people: of a and b.
        is_bag: whether the session is a recording of topics.
    """

    name: str
    split: str
    listeners: str
    groups: tuple[str, str]
    people: tuple[PersonFiles, PersonFiles]
    is_bag: bool = False


def _find_sound(folder: Path, person: str) -> Path | None:
    found = [folder / f'{person}{suffix}' for suffix in SOUND_SUFFIXES]
    return next((path for path in found if path.is_file()), None)


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
    is_bag = (folder / 'metadata.yaml').is_file()
    people = []
    for person in 'ab':
        if is_bag:
            topics = row.get(f'topics_{person}') or person
            people.append(PersonFiles(folder, folder, topics))
            continue
        face = folder / (row.get(f'face_{person}') or f'{person}.csv')
        named = row.get(f'sound_{person}')
        people.append(PersonFiles(face, folder / named if named else _find_sound(folder, person)))
    groups = (row.get('group_a', ''), row.get('group_b', ''))
    return Session(name, split, listeners, groups, (people[0], people[1]), is_bag)


def read_sessions(folder: str | Path) -> list[Session]:
    """The table of a folder of recordings.

    Args:
        folder: which holds `sessions.csv`; or the table itself.

    Returns:
        list: the sessions, in the table's order. Their files are not looked at yet.

    Raises:
        FileNotFoundError: there is no table.
        ValueError: a row that cannot be; the message names file and line.
    """
    table = Path(folder)
    if table.is_dir():
        table = table / TABLE
    if not table.is_file():
        raise FileNotFoundError(
            f'{table}: not found. A folder of recordings has a table {TABLE} with the columns '
            'session and split at least (see docs/data.md)'
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
                f'{table}, line 1: unknown columns {unknown}; known are {list(COLUMNS)}'
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
                    f'{table}, line {reader.line_num}: session {session.name!r} stands in line '
                    f'{lines[session.name]} already'
                )
            lines[session.name] = reader.line_num
            sessions.append(session)
    if not sessions:
        raise ValueError(f'{table}: lists no session')
    return sessions


class SessionsWriter:
    """Writes a table row by row, each at once on disk, so that a broken-off run leaves a table.

    Args:
        folder: that the table is made in.
    """

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
        """End the table."""
        self._file.close()

    def __enter__(self) -> SessionsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
