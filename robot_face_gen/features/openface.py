# SPDX-License-Identifier: Apache-2.0
"""Recorded OpenFace CSV files: every variant, by column name."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .openface_columns import ASSUMED_HZ, ColumnPlan, FaceTable, OpenFaceError

__all__ = ['FaceFrame', 'OpenFaceError', 'OpenFaceTrack', 'read_openface_csv']

_MOST_NAMED = 5  # bad cells that are told one by one
_LEAST_HZ = 2.0  # fewer frames a second are told of: times in milliseconds, for one
_LARGEST = 1e15  # a number beyond it is none: it would not fit a float32, or a time in ns


@dataclass(frozen=True)
class FaceFrame:
    """One camera frame as a tracker reports it.

    Attributes:
        stamp_ns: time of capture.
        confidence: 0..1.
        success: whether the tracker says that it found the face.
        image_width: pixels; 0 where unknown.
        image_height: pixels; 0 where unknown.
        landmarks: (136,) float32 pixels, x0..x67 then y0..y67.
        au: (18,) float32, 17 intensities 0..5 and the presence of AU28.
        pose: (4,) float32, Rx Ry Rz in radians and Tz in metres.
        gaze: (2,) float32 radians.
    """

    stamp_ns: int
    confidence: float
    success: bool
    image_width: int
    image_height: int
    landmarks: np.ndarray
    au: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray

    def is_finite(self) -> bool:
        """Whether no number is NaN or infinite."""
        return all(np.isfinite(x).all() for x in (self.landmarks, self.au, self.pose, self.gaze))


@dataclass(frozen=True)
class OpenFaceTrack:
    """A recorded file.

    Attributes:
        path: of the file.
        frames: in order of time.
        rate_hz: frames a second, from the usual distance of their timestamps; 0 for one frame.
        problems: what was found wrong, a line each.
    """

    path: str
    frames: list[FaceFrame] = field(repr=False)
    rate_hz: float
    problems: list[str]


def frames_of(table: FaceTable) -> list[FaceFrame]:
    """The rows of a table as frames; the stamp is the file's own timestamp."""
    return [
        FaceFrame(
            stamp_ns=round(float(table.timestamp_s[i]) * 1e9),
            confidence=float(table.confidence[i]),
            success=bool(table.success[i]),
            image_width=0,
            image_height=0,
            landmarks=table.landmarks[i],
            au=table.au[i],
            pose=table.pose[i],
            gaze=table.gaze[i],
        )
        for i in range(len(table.success))
    ]


def parse_rows(
    lines: Sequence[tuple[int, str]], plan: ColumnPlan, problems: list[str]
) -> np.ndarray:
    """Cells (n, len(plan.columns)) of lines that have all their columns; NaN where a cell is bad.

    Args:
        lines: number in the file, and text.
        plan: of the columns.
        problems: bad cells are told here.
    """
    if not lines:
        return np.empty((0, len(plan.columns)))
    try:
        cells = np.loadtxt(
            [text for _, text in lines],
            delimiter=',',
            usecols=plan.columns,
            ndmin=2,
            comments=None,
        )
    except ValueError:  # a cell that is no number
        parts = (text.split(',') for _, text in lines)
        cells = np.array([[_number(row[column]) for column in plan.columns] for row in parts])
    cells[np.abs(cells) > _LARGEST] = np.nan
    bad = np.argwhere(~np.isfinite(cells))
    for row, index in bad[:_MOST_NAMED]:
        number, text = lines[row]
        cell = text.split(',')[plan.columns[index]].strip()
        problems.append(
            f'line {number}, column {plan.names[index]}: {cell!r}: expected a finite number; the '
            'frame is not believed'
        )
    if len(bad) > _MOST_NAMED:
        problems.append(f'{len(bad) - _MOST_NAMED} more cells are no finite numbers')
    return cells


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def split_row(text: str, width: int) -> str | None:
    """The text of a whole row without a comma at its end; None where columns are missing."""
    commas = text.count(',')
    if commas == width and text.rstrip().endswith(','):
        return text.rstrip()[:-1]
    return text if commas == width - 1 else None


def read_openface_csv(path: str | Path) -> OpenFaceTrack:
    """Read a recorded file.

    Rows without all their columns (the last one can be cut off) are left out, cells that are no
    finite numbers make their frame one that is not believed; both are told in `problems`. Where
    there are several faces, the one that is believed in most frames is taken. Where the times do
    not grow from row to row, as few rows as possible are left out so that they do. Where there
    are no times, because OpenFace saw a folder of pictures, 30 frames a second are taken.

    Raises:
        OpenFaceError: no OpenFace CSV, columns missing, no rows.
        OSError: the file cannot be read.
    """
    path = str(path)
    raw = Path(path).read_bytes()
    try:
        text = raw.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise OpenFaceError(f'{path}: no OpenFace CSV: no text at byte {error.start}') from None
    if '\0' in text[:4096]:
        raise OpenFaceError(f'{path}: no OpenFace CSV: it holds binary data')
    numbered = [(i, line.strip()) for i, line in enumerate(text.splitlines(), 1)]
    numbered = [(i, line) for i, line in numbered if line]
    if not numbered:
        raise OpenFaceError(f'{path}: is empty: expected the header of an OpenFace CSV')
    plan = ColumnPlan(numbered[0][1].split(','), path)
    problems: list[str] = []
    rows = []
    for number, line in numbered[1:]:
        row = split_row(line, plan.width)
        if row is not None:
            rows.append((number, row))
        elif number == numbered[-1][0]:
            problems.append(f'line {number}: the last row is cut off; it is left out')
        else:
            problems.append(
                f'line {number}: {line.count(",") + 1} columns, expected {plan.width}; left out'
            )
    if not rows:
        raise OpenFaceError(f'{path}: holds a header and no whole row')
    cells = parse_rows(rows, plan, problems)
    not_finite = int((~np.isfinite(cells)).any(axis=1).sum())
    if not_finite:
        problems.append(f'{not_finite} frames hold cells that are no finite numbers')
    table = _in_order(_one_face(plan.table(cells), problems), problems)
    if not len(table.timestamp_s):
        raise OpenFaceError(f'{path}: no row has a usable timestamp')
    if table.counted.any():
        problems.append(
            f'{int(table.counted.sum())} rows have no time (OpenFace saw a folder of pictures): '
            f'{ASSUMED_HZ:g} frames a second are taken'
        )
    rate_hz = _rate_hz(table.timestamp_s)
    if 0.0 < rate_hz < _LEAST_HZ:
        problems.append(
            f'{1.0 / rate_hz:.3g} s from frame to frame: `timestamp` is expected in seconds'
        )
    return OpenFaceTrack(path, frames_of(table), rate_hz, problems)


def _rate_hz(times: np.ndarray) -> float:
    """Of times that grow; gaps do not count."""
    steps = np.diff(times)
    if not len(steps):
        return 0.0
    # OpenFace writes whole milliseconds: the median of 33, 33, 34 would be 30.3 a second.
    middle = np.sort(steps)[(len(steps) - 1) // 2]
    usual = steps[np.abs(steps / middle - 1.0) < 0.5]
    return round(float(1.0 / usual.mean()), 3)


def _one_face(table: FaceTable, problems: list[str]) -> FaceTable:
    ids = np.unique(table.face_id)
    if len(ids) == 1:
        return table
    believed = [int((table.success & (table.face_id == face)).sum()) for face in ids]
    chosen = ids[int(np.argmax(believed))]
    kept = table.face_id == chosen
    problems.append(
        f'{len(ids)} faces: face_id {chosen} is taken, it is seen in {max(believed)} frames; '
        f'{int((~kept).sum())} rows of others are left out'
    )
    return table.take(kept)


def _in_order(table: FaceTable, problems: list[str]) -> FaceTable:
    """The most rows whose times grow: one that is far ahead must not cost all that follow."""
    usable = np.flatnonzero(np.isfinite(table.timestamp_s))
    times = table.timestamp_s[usable]
    if not (np.diff(times) > 0).all():
        usable = usable[_longest_growing(times.tolist())]
    if left_out := len(table.timestamp_s) - len(usable):
        problems.append(f'{left_out} rows whose timestamp does not grow are left out')
    return table.take(usable)


def _longest_growing(values: list[float]) -> list[int]:
    """Places of a longest strictly growing subsequence."""
    ends: list[float] = []  # the least value with which a subsequence of each length ends
    places: list[int] = []
    before: list[int] = []
    for place, value in enumerate(values):
        length = bisect.bisect_left(ends, value)
        before.append(places[length - 1] if length else -1)
        ends[length : length + 1] = [value]
        places[length : length + 1] = [place]
    chain = []
    place = places[-1] if places else -1
    while place >= 0:
        chain.append(place)
        place = before[place]
    return chain[::-1]
