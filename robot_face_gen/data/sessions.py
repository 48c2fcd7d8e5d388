# SPDX-License-Identifier: Apache-2.0
"""Recordings on disk: two people, each with an OpenFace CSV and a sound file, and a table.

    RECORDINGS/
      sessions.csv
      monday_1/            one folder per dyad
        a.csv  a.flac      person a: OpenFace's CSV, and the sound of a's microphone
        b.csv  b.flac      person b

`docs/data.md` describes the format: the columns of the table, which files are found without them
(names are the same in upper and lower case), and bags as sessions.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from robot_face_gen.files import write_text

from .bag_file import BAG_SUFFIXES

SPLITS = ('train', 'val', 'test')
TABLE = 'sessions.csv'
# In the order of preference: sound before films.
FILM_SUFFIXES = ('.mp4', '.mov', '.mkv', '.webm', '.avi', '.m4v', '.mpg', '.wmv')
SOUND_SUFFIXES = (
    '.flac', '.wav', '.ogg', '.mp3', '.opus', '.m4a', '.aac', '.aiff', '.aif', *FILM_SUFFIXES,
)  # fmt: skip
OUTPUT_FOLDER = 'processed'  # where FeatureExtraction writes, beside where it is started
_MOST_LISTED = 8
START_COLUMNS = ('face_start_a', 'sound_start_a', 'face_start_b', 'sound_start_b')
COLUMNS = (
    'session', 'split', 'listener', 'group_a', 'group_b',
    'face_a', 'sound_a', 'face_b', 'sound_b', 'topics_a', 'topics_b', *START_COLUMNS,
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
    # seconds before the session's beginning, which are not used
    face_skip_s: float = 0.0
    sound_skip_s: float = 0.0


@dataclass(frozen=True)
class Session:
    """One row of the table."""

    name: str  # of the dyad
    split: str  # train, val or test
    listeners: str  # 'a', 'b' or 'ab'
    groups: tuple[str, str]  # what a and what b say, each '' if not known
    people: tuple[PersonFiles, PersonFiles]  # files of a and b
    is_bag: bool = False  # whether the session is a bag
    has_starts: bool = False  # whether the table says when the files began

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
    face = _find(folder, row.get(f'face_{person}') or f'{person}.csv')
    if not face.is_file() and not row.get(f'face_{person}'):
        made = _find(folder / OUTPUT_FOLDER, face.name)
        face = made if made.is_file() else face
    named, common = row.get(f'sound_{person}'), False
    if named:
        sound: Path | None = _find(folder, named)
        wanted = named
    else:
        name, common = _find_sound(names, person)
        sound = folder / name if name else None
        wanted = ', '.join(f'{person}{suffix}' for suffix in SOUND_SUFFIXES)
    return PersonFiles(
        face, sound, sound_names=wanted, listing=_listed(folder, names),
        common_sound=common,
    )  # fmt: skip


def _read_starts(where: str, row: dict[str, str]) -> dict[str, float]:
    """When each file began, by column; 0 for an empty one."""
    starts = {}
    for column in START_COLUMNS:
        text = row.get(column, '')
        try:
            starts[column] = float(text or 0)
        except ValueError:
            starts[column] = math.nan
        if not math.isfinite(starts[column]):
            raise ValueError(f'{where}: {column} = {text!r}: expected a number of seconds')
    return starts


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
    people, starts = [], _read_starts(where, row)
    begin = max(starts.values())  # of the session: when all files had begun
    for person in 'ab':
        if is_bag:
            topics = row.get(f'topics_{person}') or person
            people.append(PersonFiles(folder, folder, topics))
            continue
        files = _find_person(folder, row, person)
        face, sound = (begin - starts[f'{kind}_start_{person}'] for kind in ('face', 'sound'))
        people.append(replace(files, face_skip_s=face, sound_skip_s=sound))
    groups = (row.get('group_a', ''), row.get('group_b', ''))
    has_starts = any(row.get(column) for column in starts)
    return Session(name, split, listeners, groups, (people[0], people[1]), is_bag, has_starts)


def find_table(folder: str | Path) -> Path:
    """The table of a folder of recordings, or the table itself.

    Raises:
        FileNotFoundError: there is none.
    """
    table = Path(folder)
    if table.is_dir():
        table = _find(table, TABLE)
    if not table.is_file():
        raise FileNotFoundError(
            f'{table}: not found. A folder of recordings has a table {TABLE} with at least the '
            'columns session and split (see docs/data.md)'
        )
    return table


def _read_table(table: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Names of the columns, and rows that are not empty with their line numbers."""
    try:
        text = table.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError:
        raise ValueError(f'{table}: no UTF-8 text: save it as CSV in UTF-8') from None
    head = text.split('\n', 1)[0]
    # Spreadsheets of many languages write semicolons.
    delimiter = max(',;\t', key=head.count)
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, delimiter=delimiter)
    names = [name.strip() for name in reader.fieldnames or []]
    for needed in ('session', 'split'):
        if needed not in names:
            raise ValueError(f'{table}, line 1: no column {needed!r}; found {names}')
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise ValueError(f'{table}, line 1: unknown columns {unknown}; expected {list(COLUMNS)}')
    reader.fieldnames = names
    rows = []
    for row in reader:
        if None in row:
            raise ValueError(f'{table}, line {reader.line_num}: more fields than columns')
        clean = {name: (value or '').strip() for name, value in row.items()}
        if any(clean.values()):
            rows.append((reader.line_num, clean))
    return names, rows


def read_sessions(folder: str | Path) -> list[Session]:
    """The sessions in the order of the table of a folder; their files are not read.

    It is the folder of `sessions.csv`, or the table itself.

    Raises:
        FileNotFoundError: there is no table.
        ValueError: a wrong row; the message names file and line.
    """
    table = find_table(folder)
    sessions: list[Session] = []
    lines: dict[str, int] = {}
    for line, row in _read_table(table)[1]:
        session = _read_row(table, line, row)
        if session.name in lines:
            raise ValueError(
                f'{table}, line {line}: session {session.name!r} is also in line '
                f'{lines[session.name]}'
            )
        lines[session.name] = line
        sessions.append(session)
    if not sessions:
        raise ValueError(f'{table}: contains no session')
    return sessions


def write_starts(folder: str | Path, starts: Mapping[str, Mapping[str, float]]) -> Path:
    """Write when the files of sessions began (s, by column) into the table; the rest stays.

    Raises:
        OSError: the table cannot be written.
    """
    table = find_table(folder)
    names, rows = _read_table(table)
    names += [column for column in START_COLUMNS if column not in names]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval='', lineterminator='\n')
    writer.writeheader()
    for _, row in rows:
        found = starts.get(row['session'])
        if found is not None:
            row |= {c: f'{found[c]:g}' if c in found else '' for c in START_COLUMNS}
        writer.writerow(row)
    write_text(table, text.getvalue())
    return table
