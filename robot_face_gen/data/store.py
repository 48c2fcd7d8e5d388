# SPDX-License-Identifier: Apache-2.0
"""Prepared data on disk: aligned features of each person, and a catalogue of the sessions.

    PREPARED/
      dataset.json             the catalogue: how features were computed, sessions, statistics
      tracks/ID.safetensors    one person in one session, at 25 Hz

A track contains `landmarks` (T, 136), `au` (T, 18), `pose` (T, 4), `gaze` (T, 2) as float32,
`audio` (T, 2, D) as float16, `face_valid` and `audio_valid` (T,) as bool. NaN is a value of the
face that was not seen; landmarks are all NaN or none. Frame k is the same time in both tracks of a
session. The `audio` of a person who is never the speaker has D = 0.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from robot_face_gen.files import atomic_file, feed, parse_json
from robot_face_gen.layout import BRANCHES

CATALOGUE = 'dataset.json'
TRACKS = 'tracks'
FORMAT = 1
FACE = (*BRANCHES, 'face_valid')
VOICE = ('audio', 'audio_valid')

# Arrays of one person by name, see above.
Track = dict[str, np.ndarray]


@dataclass(frozen=True)
class PreparedSession:
    """Two people who face each other."""

    name: str  # of the session
    split: str  # train, val or test
    listeners: str  # 'a', 'b' or 'ab': who can be the listener
    # what a and what b say; '' if only the session's own listener is appropriate
    groups: tuple[str, str]
    tracks: tuple[str, str]  # ids of a's and b's track
    frames: int  # number of frames of the session


@dataclass
class Catalogue:
    """Contents of a folder of prepared data."""

    # `name`, `audio_encoder` (id of the weights), `audio` (how embeddings were computed) and
    # `face_crop` (parameters of the landmarks' crop)
    description: dict[str, Any]
    sessions: list[PreparedSession] = field(default_factory=list)  # all sessions
    # branch -> standard deviation of each value over valid frames of the train split
    spread: dict[str, list[float]] = field(default_factory=dict)


def value_mask(face: Track) -> np.ndarray:
    """Which values of a face (T, ...) were seen: (T, 25) bool, in the order of `layout`."""
    finite: Track = {name: np.isfinite(face[name]) for name in BRANCHES}
    finite['landmarks'] = np.asarray(finite['landmarks'].all(axis=-1, keepdims=True))
    return np.concatenate(list(finite.values()), axis=-1)


def hold_last_valid(x: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Repeat the last valid frame of (T, ...) where `valid` (T,) is false, as the timeline does.

    Frames before the first valid frame stay as they are.
    """
    index = np.where(valid, np.arange(len(x)), -1)
    index = np.maximum.accumulate(index)
    return x[np.where(index < 0, np.arange(len(x)), index)]


def digest(files: Iterable[Path], settings: Any) -> str:
    """An id of the result of these files with these settings."""
    total = hashlib.sha256(json.dumps([FORMAT, settings], sort_keys=True).encode())
    for path in files:
        total.update(b'\0file\0')
        if path.is_file():
            feed(total, path)
    return total.hexdigest()[:20]


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file completely or not at all, in a folder that is made if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as partial:
        partial.write_bytes(content)


def write_track(root: Path, name: str, track: Track) -> None:
    """Write a track under an id; embeddings in half precision."""
    arrays = {key: np.ascontiguousarray(track[key], np.float32) for key in BRANCHES}
    arrays['audio'] = np.ascontiguousarray(track['audio'], np.float16)
    for key in ('face_valid', 'audio_valid'):
        arrays[key] = np.ascontiguousarray(track[key], np.bool_)
    write_atomically(track_path(root, name), save(arrays))


def track_path(root: Path, name: str) -> Path:
    """File of the track with an id."""
    return root / TRACKS / f'{name}.safetensors'


def read_track(
    root: Path,
    name: str,
    names: tuple[str, ...] = (*FACE, *VOICE),
    start: int = 0,
    stop: int | None = None,
) -> Track:
    """Read some arrays of a track, frames `start` to `stop`; other data is not read.

    Raises:
        ValueError: the file is missing or damaged; the message names it.
    """
    path = track_path(root, name)
    try:
        with safe_open(path, framework='numpy') as file:
            return {key: file.get_slice(key)[start:stop] for key in names}
    except (OSError, SafetensorError) as error:
        raise ValueError(f'{path}: cannot be read: {error}') from None


def write_catalogue(root: Path, catalogue: Catalogue) -> None:
    """Write the catalogue of a folder."""
    content = {'format': FORMAT, **asdict(catalogue)}
    text = json.dumps(content, indent=1, ensure_ascii=False) + '\n'
    write_atomically(root / CATALOGUE, text.encode())


def read_catalogue(root: str | Path) -> Catalogue:
    """Read the catalogue of a folder of prepared data.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged or has another format version.
    """
    path = Path(root) / CATALOGUE
    if not path.is_file():
        raise FileNotFoundError(
            f'{path}: not found. `robot-face-gen prepare` makes it from recordings, '
            '`robot-face-gen generate --prepared` generates data'
        )
    try:
        content = parse_json(path.read_text(encoding='utf-8'))
        if content.pop('format', None) != FORMAT:
            raise ValueError(f'expected format {FORMAT}: prepare the data again')
        sessions = [
            PreparedSession(**{**s, 'groups': tuple(s['groups']), 'tracks': tuple(s['tracks'])})
            for s in content.pop('sessions')
        ]
        return Catalogue(sessions=sessions, **content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{path}: not a catalogue of prepared data: {error}') from None


def _is_result_of(session: PreparedSession, planned: PreparedSession) -> bool:
    """Whether a session is what preparing the planned one gives: maybe with fewer listeners."""
    same = replace(session, frames=0, listeners=planned.listeners) == replace(planned, frames=0)
    return same and set(session.listeners) <= set(planned.listeners)


def sessions_to_keep(
    root: Path,
    planned: Sequence[PreparedSession],
    settings: dict[str, Any],
    *,
    append: bool = False,
    overwrite: bool = False,
) -> list[PreparedSession]:
    """Sessions of the data set in a folder that stay beside the planned ones.

    Nothing is replaced silently: writing the same sessions again, or the same and more, is
    allowed. With `append`, the sessions that are there and are not planned stay; `overwrite`
    allows everything. The settings are `audio_encoder`, `audio` and `face_crop`.

    Raises:
        ValueError: a session would be lost or changed; the message names it.
    """
    path = root / CATALOGUE
    if overwrite or not path.is_file():
        return []
    catalogue = read_catalogue(root)
    new = {session.name: session for session in planned}
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
        elif not _is_result_of(session, new[session.name]):
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
    """Standard deviation of each value where it was seen in the sessions' tracks; 0 if nowhere."""
    sums = {key: np.zeros((3, width)) for key, width in BRANCHES.items()}
    for name in sorted({track for session in sessions for track in session.tracks}):
        track = read_track(root, name, FACE)
        for key, total in sums.items():
            x = track[key][track['face_valid']].astype(np.float64)
            seen = np.isfinite(x)
            x = np.where(seen, x, 0)
            total += seen.sum(axis=0), x.sum(axis=0), np.square(x).sum(axis=0)
    spread = {}
    for key, (count, total, squares) in sums.items():
        count = np.maximum(count, 1)
        spread[key] = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0)).tolist()
    return spread
