# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen sync`: finds when the files of a session began, by the sound that they share.

Phones and recorders are started by hand, each at another time. All of them hear the same
conversation. For each pair of sounds, the changes of loudness in four bands give the offset to
within some hundredths of a second; then the phase correlation (GCC-PHAT, Knapp and Carter 1976)
of short windows gives it exactly, and shows whether both clocks run at the same speed.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from robot_face_gen.features.openface import OpenFaceFile
from robot_face_gen.features.resample import RATE, Resampler
from robot_face_gen.features.sound_file import read_audio

from .sessions import FILM_SUFFIXES, Session, find_table, read_sessions, write_starts

_BANDS_HZ = (100, 400, 1000, 2500, 5500)
_STEP = RATE // 100  # of the loudness, samples
_FRAME = 512
_SHORTEST_S = 5.0  # of the common part
_WINDOWS, _LONGEST_WINDOW_S, _SHORTEST_WINDOW_S = 24, 10.0, 1.0
_REACH_S = 0.25  # of a window's offset around that of the loudness
# Windows with less are not used: root mean square, relative to the loudest one, and to full scale.
_QUIET, _SILENT = 0.1, 1e-5
_SAME_S = 0.015  # windows that differ by less agree
_MIN_AGREEING, _FEWEST = 0.5, 4  # share and number of the windows that must agree
_DRIFT_S = 0.04  # a larger change of the offset within a session is reported
_LENGTH_SLACK_S = 0.5  # between a CSV and its film


@dataclass(frozen=True)
class Offset:
    """How much later one sound began than another."""

    seconds: float  # in the middle of the common part
    drift_s: float  # change of it over the common part
    agreeing: int  # windows that agree
    windows: int  # all windows that are loud enough

    @property
    def is_certain(self) -> bool:
        """Whether enough windows agree."""
        return self.agreeing >= max(_FEWEST, _MIN_AGREEING * self.windows)


def _loudness_changes(samples: np.ndarray) -> np.ndarray:
    """Changes of the level in each band, (n, bands) at 100 Hz, of zero mean and unit power."""
    edges = np.round(np.array(_BANDS_HZ) * _FRAME / RATE).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_STEP]
    window = np.hanning(_FRAME).astype(np.float32)
    parts = []
    for begin in range(0, len(frames), 4096):  # bounds the memory
        power = np.abs(np.fft.rfft(frames[begin : begin + 4096] * window)) ** 2
        parts.append(np.add.reduceat(power, edges, axis=1)[:, :-1])
    level = np.log(np.concatenate(parts) + 1e-6)
    change = np.diff(level, axis=0)
    change -= change.mean(axis=0)
    return np.asarray(change / np.maximum(np.sqrt((change**2).mean(axis=0)), 1e-9))


def _correlate(a: np.ndarray, b: np.ndarray, phase_only: bool = False) -> tuple[np.ndarray, int]:
    """Correlation of (n,) and (m,), and the index of offset 0; a peak k later: b began k later."""
    size = 1 << (len(a) + len(b) - 1).bit_length()
    spectrum = np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size))
    if phase_only:
        spectrum /= np.maximum(np.abs(spectrum), 1e-9 * np.abs(spectrum).max() + 1e-30)
    found = np.fft.irfft(spectrum, size)
    return np.concatenate((found[-(len(b) - 1) :], found[: len(a)])), len(b) - 1


def _coarse_offset_s(a: np.ndarray, b: np.ndarray) -> float:
    x, y = _loudness_changes(a), _loudness_changes(b)
    bands = [_correlate(x[:, band], y[:, band]) for band in range(x.shape[1])]
    total, zero = sum(found for found, _ in bands), bands[0][1]
    # Short overlaps at both ends reach high values per second by chance: no division by length.
    return float(np.argmax(total) - zero) * _STEP / RATE


def measure_offset(a: np.ndarray, b: np.ndarray) -> Offset:
    """Find how many seconds after sound `a` the sound `b` began; negative: before.

    Both are float32 at 16 kHz. See `Offset.is_certain`.
    """
    none = Offset(0.0, 0.0, 0, 0)
    if min(len(a), len(b)) < _SHORTEST_S * RATE:
        return none
    coarse = round(_coarse_offset_s(a, b) * RATE)
    begin, end = max(0, coarse), min(len(a), coarse + len(b))
    if end - begin < _SHORTEST_S * RATE:
        return none
    length_s = (end - begin) / RATE
    size = round(np.clip(length_s / 8, _SHORTEST_WINDOW_S, _LONGEST_WINDOW_S) * RATE)
    count = min(_WINDOWS, (end - begin) // size)
    places = np.linspace(begin, end - size, count).astype(int)
    reach = round(_REACH_S * RATE)
    pairs = [(a[k : k + size], b[k - coarse : k - coarse + size]) for k in places]
    level = np.array([[np.sqrt(np.mean(x**2)) for x in pair] for pair in pairs])
    loud = (level > np.maximum(_QUIET * level.max(axis=0), _SILENT)).all(axis=1)
    at_s, offsets_s = [], []
    for place, (one, other) in itertools.compress(zip(places, pairs, strict=True), loud):
        found, zero = _correlate(one, other, phase_only=True)
        near = found[zero - reach : zero + reach + 1]
        at_s.append((place + size / 2) / RATE)
        offsets_s.append((coarse + int(np.argmax(near)) - reach) / RATE)
    if len(at_s) < _FEWEST:
        return none
    return _common(np.array(at_s), np.array(offsets_s), (begin + end) / 2 / RATE, length_s)


def _common(at_s: np.ndarray, offset_s: np.ndarray, middle_s: float, length_s: float) -> Offset:
    """The line with which most windows agree."""
    best = (0, 0.0, 0.0)
    # Through every two windows; clocks of two devices differ by less than 1 in 2000.
    for i, j in itertools.combinations(range(len(at_s)), 2):
        slope = (offset_s[j] - offset_s[i]) / (at_s[j] - at_s[i])
        if abs(slope) > 5e-4:
            continue
        line = offset_s[i] + slope * (at_s - at_s[i])
        good = np.abs(offset_s - line) < _SAME_S
        if good.sum() > best[0]:
            slope, start = np.polyfit(at_s[good], offset_s[good], 1)
            best = int(good.sum()), float(slope), float(start)
    agreeing, slope, start = best
    return Offset(start + slope * middle_s, slope * length_s, agreeing, len(at_s))


def film_of(face: Path) -> Path | None:
    """The film of the same name beside an OpenFace CSV, or one folder above (`processed/`)."""
    same = (
        path
        for folder in (face.parent, face.parent.parent)
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.stem.lower() == face.stem.lower() and path.suffix.lower() in FILM_SUFFIXES
    )
    return next(same, None)


def _check_length(face: Path, film: Path, samples: np.ndarray) -> list[str]:
    """A phone's frame rate varies; a tracker that assumes a fixed one stretches the time."""
    last_s = OpenFaceFile(face).duration_s
    film_s = len(samples) / RATE
    if abs(last_s - film_s) <= max(_LENGTH_SLACK_S, 0.005 * film_s):
        return []
    return [
        f'{face.name} ends at {last_s:.2f} s, the sound of {film.name} at {film_s:.2f} s: if the '
        'film has a varying frame rate, convert it to a constant one before OpenFace reads it'
    ]


def synchronise(session: Session) -> tuple[dict[str, float], list[str]]:
    """When the files of a session, not a bag, began on a common clock.

    Returns:
        tuple: seconds by column of the table (`face_start_a`, ...), and notes for people.

    Raises:
        ValueError: it cannot be found out; the text says why and what to do.
        OSError: a file cannot be read.
    """
    files: dict[str, Path] = {}  # column -> film or sound
    for who, person in zip('ab', session.people, strict=True):
        if person.sound is not None and person.sound.is_file():
            files[f'sound_start_{who}'] = person.sound
        film = film_of(person.face)
        if film is None:
            raise ValueError(
                f'no film beside {person.face.name}, whose sound tells when it began; expected '
                f'{person.face.stem} with one of {", ".join(FILM_SUFFIXES)}'
            )
        files[f'face_start_{who}'] = film
    sounds = {}
    for path in sorted(set(files.values())):
        samples, rate = read_audio(path)
        sounds[path] = Resampler(rate).push(samples)
    notes = []
    for who, person in zip('ab', session.people, strict=True):
        if person.face.is_file():
            film = files[f'face_start_{who}']
            notes += _check_length(person.face, film, sounds[film])
    starts, found = _starts(sounds)
    return {column: starts[path] for column, path in files.items()}, notes + found


def _starts(sounds: Mapping[Path, np.ndarray]) -> tuple[dict[Path, float], list[str]]:
    """When each sound began: those that are placed hear the next one."""
    newest, *left = sounds
    starts, notes = {newest: 0.0}, []
    heard: dict[tuple[Path, Path], Offset] = {}  # placed, not yet placed
    while left:
        heard |= {(newest, path): measure_offset(sounds[newest], sounds[path]) for path in left}
        best: tuple[int, Path, Path, Offset] | None = None
        for path, placed in itertools.product(left, starts):
            offset = heard[placed, path]
            if offset.is_certain and (best is None or offset.agreeing > best[0]):
                best = offset.agreeing, path, placed, offset
        if best is None:
            raise ValueError(
                f'the sound of {" and ".join(p.name for p in left)} has no part in common with '
                f'that of {" and ".join(p.name for p in starts)}. Write the times of a clap into '
                'the table by hand, see docs/data.md'
            )
        _, path, placed, offset = best
        starts[path] = starts[placed] + offset.seconds
        left.remove(path)
        newest = path
        if abs(offset.drift_s) > _DRIFT_S:
            notes.append(
                f'the clocks of {placed.name} and {path.name} drift apart by '
                f'{abs(offset.drift_s):.2f} s within the session: cut it into shorter ones'
            )
    origin = max(starts.values())
    return {path: round(start - origin, 3) for path, start in starts.items()}, notes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument('input', type=Path, metavar='IN', help='folder with a sessions.csv')
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='also sessions for which the table already says when their files began',
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit code is 1 if a session could not be synchronised."""
    sessions = read_sessions(find_table(args.input))
    chosen = [s for s in sessions if not s.is_bag and (args.overwrite or not s.has_starts)]
    failed, starts = 0, {}
    for session in tqdm(chosen, 'sync', unit='session', disable=None):
        try:
            starts[session.name], notes = synchronise(session)
        except (ValueError, OSError) as error:
            failed += 1
            tqdm.write(f'error: session {session.name}: {" ".join(str(error).split())}')
            continue
        for note in notes:
            tqdm.write(f'note: session {session.name}: {note}')
        text = ', '.join(f'{column} {value:g} s' for column, value in starts[session.name].items())
        tqdm.write(f'{session.name}: {text}')
    if starts:
        table = write_starts(args.input, starts)
        print(f'{len(starts)} of {len(sessions)} sessions written to {table}')
    elif not failed:
        print(
            f'nothing to do: {args.input} says when the files of all {len(sessions)} sessions '
            'began (--overwrite measures again)'
        )
    return 1 if failed else 0
