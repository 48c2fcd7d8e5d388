# SPDX-License-Identifier: Apache-2.0
"""Folders of the Seamless Interaction data set as sessions.

Its published description and download scripts (github.com/facebookresearch/seamless_interaction)
give the layout: LABEL/SPLIT/BATCH/ARCHIVE/V00_S0809_I00000582_P0947.wav, and .mp4, .npz, .json of
the same name; one file of each kind for each participant P of an interaction I. The layout of the
bucket has one folder for each kind instead (SPLIT/audio/, SPLIT/video/). Both are read.

The face comes from an OpenFace CSV of the film, of the same name. The arrays of the npz files are
not used: their description does not say which action unit each of the 24 columns of FAUValue is,
which points the keypoints are, or in which units gaze and head are encoded.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from . import sessions
from .sessions import SPLITS, PersonFiles, Session

_NAME = re.compile(r'(?P<interaction>V\d+_S\d+_I\d+)_(?P<person>P\d+)')
_KINDS = ('.csv', '.wav', '.mp4')
_SPLITS = {**{name: name for name in SPLITS}, 'dev': 'val'}


def read_sessions(folder: str | Path) -> list[Session]:
    """The sessions of a folder: those of its table, or the interactions of this data set.

    Raises:
        FileNotFoundError, ValueError: see `sessions.read_sessions` and `find_sessions`.
    """
    try:
        return sessions.read_sessions(folder)
    except FileNotFoundError:
        if Path(folder).is_dir() and (found := find_sessions(Path(folder))):
            return found
        raise


def find_sessions(folder: Path) -> list[Session]:
    """All interactions below a folder; empty if it has no file with such a name.

    Raises:
        ValueError: an interaction whose split or participants are not clear, or archives that
            must be unpacked first.
        OSError: the folder cannot be read.
    """
    found: dict[str, dict[str, dict[str, Path]]] = {}  # interaction, person, kind
    archive = None
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(where, name)
            kind = path.suffix.lower()
            if kind == '.tar' and path.stem.isdigit():
                archive = path
            match = _NAME.fullmatch(path.stem)
            if match and kind in _KINDS:
                people = found.setdefault(match['interaction'], {})
                people.setdefault(match['person'], {}).setdefault(kind, path)
    if not found and archive is not None and _split(folder, archive):
        raise ValueError(
            f'{archive}: an archive of the Seamless Interaction data set? Unpack it into its '
            'folder first (tar xf)'
        )
    return [_session(folder, name, people) for name, people in sorted(found.items())]


def _split(folder: Path, path: Path) -> str:
    """From the names of the folders, the innermost first; '' if none is that of a split."""
    inside = path.relative_to(folder).parts[:-1]
    parts = (*folder.resolve().parts, *inside)
    return next((_SPLITS[part] for part in reversed(parts) if part in _SPLITS), '')


def _session(folder: Path, name: str, people: dict[str, dict[str, Path]]) -> Session:
    some_file = next(path for files in people.values() for path in files.values())
    split = _split(folder, some_file)
    if not split:
        raise ValueError(
            f'{some_file}: is a file of the Seamless Interaction data set, but none of its '
            f'folders is named {", ".join(_SPLITS)}, which gives the split'
        )
    if len(people) > 2:
        raise ValueError(f'{some_file.parent}: {name} has {len(people)} participants: expected 2')
    persons = [_person(id_, name, files) for id_, files in sorted(people.items())]
    if len(persons) == 1:
        missing = some_file.parent / f'{name}_P?.csv'
        persons.append(PersonFiles(missing, None, listing=f'only {next(iter(people))} is there'))
    return Session(name, split, 'ab', ('', ''), (persons[0], persons[1]))


def _person(id_: str, name: str, files: dict[str, Path]) -> PersonFiles:
    stem = f'{name}_{id_}'
    film = files.get('.mp4')
    make = (
        f'to write it: robot-face-gen track {film}' if film else f'there is no {stem}.mp4 either'
    )
    parent = (film or next(iter(files.values()))).parent
    return PersonFiles(
        files.get('.csv', parent / f'{stem}.csv'),
        files.get('.wav', film),
        sound_names=f'{stem}.wav, {stem}.mp4',
        listing=make,
    )
