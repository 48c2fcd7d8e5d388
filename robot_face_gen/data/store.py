# SPDX-License-Identifier: Apache-2.0
"""Prepared data on disk: aligned features of each person, and a catalogue of who listened to whom.

    PREPARED/
      dataset.json             the catalogue: how features were made, sessions, statistics
      tracks/ID.safetensors    one person in one session, on the 25 Hz timeline

A track holds `landmarks` (T, 136), `au` (T, 18), `pose` (T, 4), `gaze` (T, 2) as float32,
`audio` (T, 2, D) as float16, `face_valid` and `audio_valid` (T,) as bool. Frame k of all tracks of
a session is the same moment. Somebody who is never the speaker has an `audio` of width 0.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

CATALOGUE = 'dataset.json'
TRACKS = 'tracks'
FORMAT = 1
WIDTHS = {'landmarks': 136, 'au': 18, 'pose': 4, 'gaze': 2}
FACE = (*WIDTHS, 'face_valid')
VOICE = ('audio', 'audio_valid')

# Arrays of one person by name, as described above.
Track = dict[str, np.ndarray]


@dataclass(frozen=True)
class PreparedSession:
    """Two people who face each other.

    Attributes:
        name: of the session.
        split: train, val or test.
        listeners: 'a', 'b' or 'ab': who can be the listener.
        groups: what a and what b say; '' where nobody else's listeners are known to suit them.
        tracks: ids of a's and b's track.
        frames: how many frames both have.
    """

    name: str
    split: str
    listeners: str
    groups: tuple[str, str]
    tracks: tuple[str, str]
    frames: int


@dataclass
class Catalogue:
    """What a folder of prepared data holds.

    Attributes:
        description: how it was made: `name`, `audio_encoder` (id of the weights), `audio` (how
            embeddings were made) and `face_crop` (parameters of the landmarks' crop).
        sessions: all of them.
        spread: branch -> standard deviation of each value over believed frames of the train split.
    """

    description: dict[str, Any]
    sessions: list[PreparedSession] = field(default_factory=list)
    spread: dict[str, list[float]] = field(default_factory=dict)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_track(root: Path, name: str, track: Track) -> None:
    """Store a track under an id; the embeddings in half precision."""
    kept = {key: np.ascontiguousarray(track[key], np.float32) for key in WIDTHS}
    kept['audio'] = np.ascontiguousarray(track['audio'], np.float16)
    for key in ('face_valid', 'audio_valid'):
        kept[key] = np.ascontiguousarray(track[key], np.bool_)
    write_atomically(track_path(root, name), save(kept))


def track_path(root: Path, name: str) -> Path:
    """Where the track of that id lies."""
    return root / TRACKS / f'{name}.safetensors'


def read_track(
    root: Path,
    name: str,
    names: tuple[str, ...] = (*FACE, *VOICE),
    start: int = 0,
    stop: int | None = None,
) -> Track:
    """Some arrays of a track, frames `start` to `stop`; nothing else is read.

    Raises:
        ValueError: the file is missing or damaged; the message names it.
    """
    path = track_path(root, name)
    try:
        with safe_open(path, framework='numpy') as file:
            return {key: file.get_slice(key)[start:stop] for key in names}
    except (OSError, SafetensorError) as error:
        raise ValueError(f'{path}: cannot be read: {error}') from None


def track_frames(root: Path, name: str) -> int:
    """How many frames a track has."""
    with safe_open(track_path(root, name), framework='numpy') as file:
        return int(file.get_slice('face_valid').get_shape()[0])


def write_catalogue(root: Path, catalogue: Catalogue) -> None:
    """Write the catalogue of a folder."""
    content = {'format': FORMAT, **asdict(catalogue)}
    text = json.dumps(content, indent=1, ensure_ascii=False) + '\n'
    write_atomically(root / CATALOGUE, text.encode())


def read_catalogue(root: str | Path) -> Catalogue:
    """The catalogue of a folder of prepared data.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or of another version.
    """
    path = Path(root) / CATALOGUE
    if not path.is_file():
        raise FileNotFoundError(
            f'{path}: not found. `robot-face-gen prepare` makes it from recordings, '
            '`robot-face-gen generate --prepared` from nothing'
        )
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        if content.pop('format', None) != FORMAT:
            raise ValueError(f'expected format {FORMAT}: prepare the data again')
        sessions = [
            PreparedSession(**{**s, 'groups': tuple(s['groups']), 'tracks': tuple(s['tracks'])})
            for s in content.pop('sessions')
        ]
        return Catalogue(sessions=sessions, **content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{path}: is no catalogue of prepared data: {error}') from None


def sessions_to_keep(
    root: Path,
    planned: Sequence[PreparedSession],
    settings: dict[str, Any],
    *,
    append: bool = False,
    overwrite: bool = False,
) -> list[PreparedSession]:
    """Check that a new data set does not silently replace the one in a folder.

    Writing the same sessions again, or the same and more, replaces nothing and is allowed.

    Args:
        root: folder of the new data set; it need not exist.
        planned: sessions of the new data set; their `frames` do not count.
        settings: `audio_encoder`, `audio` and `face_crop` of the new data set.
        append: keep the sessions that are there and are not planned.
        overwrite: allow everything.

    Returns:
        list: sessions of the existing data set that stay beside the planned ones.

    Raises:
        ValueError: a session would be lost or changed; the message names it.
    """
    path = root / CATALOGUE
    if overwrite or not path.is_file():
        return []
    catalogue = read_catalogue(root)
    new = {session.name: replace(session, frames=0) for session in planned}
    choose = 'choose another folder, or replace the data set with --overwrite'
    for name, value in settings.items():
        if (there := catalogue.description.get(name)) != value:
            raise ValueError(
                f'{path}: this data set has {name} = {there!r}, not {value!r}: {choose}'
            )
    kept = []
    for session in catalogue.sessions:
        if session.name not in new:
            kept.append(session)
        elif replace(session, frames=0) != new[session.name]:
            raise ValueError(
                f'{path}: session {session.name!r} is there with other content: {choose}'
            )
    if kept and not append:
        raise ValueError(
            f'{path}: contains another data set ({len(catalogue.sessions)} sessions), session '
            f'{kept[0].name!r} would be lost: {choose}'
        )
    return kept


def remove_unused_tracks(root: Path, before: Catalogue, after: Catalogue) -> None:
    """Delete the tracks of a replaced data set that its successor does not use."""
    used = {track for session in after.sessions for track in session.tracks}
    for name in {track for session in before.sessions for track in session.tracks} - used:
        for path in (track_path(root, name), track_path(root, name).with_suffix('.json')):
            path.unlink(missing_ok=True)


def measure_spread(root: Path, sessions: list[PreparedSession]) -> dict[str, list[float]]:
    """Standard deviation of each value over all believed frames of these sessions' tracks."""
    count = 0
    sums = {key: np.zeros((2, width)) for key, width in WIDTHS.items()}
    for name in sorted({track for session in sessions for track in session.tracks}):
        track = read_track(root, name, FACE)
        valid = track['face_valid']
        count += int(valid.sum())
        for key, total in sums.items():
            x = track[key][valid].astype(np.float64)
            total += x.sum(axis=0), np.square(x).sum(axis=0)
    spread = {}
    for key, (total, squares) in sums.items():
        mean = total / max(count, 1)
        spread[key] = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0)).tolist()
    return spread
