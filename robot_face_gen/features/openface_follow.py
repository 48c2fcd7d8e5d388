# SPDX-License-Identifier: Apache-2.0
"""An OpenFace CSV that a running FeatureExtraction is still writing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .openface import FaceFrame, frames_of, parse_rows, split_row
from .openface_columns import ColumnPlan, FaceTable, OpenFaceError

_MOST_KEPT = 100  # problems that are remembered
_HEAD_BYTES = 16_384  # of the beginning of the file, by which it is known again: header, first row
_LONGEST_LINE = 1 << 20
_FACE_LOST_S = 1.0  # another face is followed when this one has not been seen for so long
_CLOCK_ROWS = 25  # rows with growing times behind the newest: the tracker's clock began anew


class OpenFaceFollower:
    """Gives each row once it is whole, in order, whatever the pieces in which it is written.

    The file may not be there yet; one that is truncated or made anew is read from its beginning.
    When FeatureExtraction ends it writes its whole file a second time, with better action units:
    what was given already is not given again. Of several faces the first is followed, until it
    has not been believed for a second and another one is. Rows whose time does not grow are left
    out, unless there are so many in order that it was the time before that was wrong.

    Attributes:
        problems: the newest problems, a line each.
        problems_found: how many there were in all.
        bad_rows: rows that could not be used.
        other_rows: rows of faces that are not followed.
        restarts: how often the file began anew.
        rewrites: how often what began anew was the same recording, written a second time.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.problems: list[str] = []
        self.problems_found = 0
        self.bad_rows = self.other_rows = self.restarts = self.rewrites = 0
        self._inode: int | None = None
        self._first: FaceFrame | None = None  # row of this recording
        self._last_s = -np.inf
        self._rewritten = False
        self._begin()

    def _begin(self) -> None:
        self._place = 0
        self._size_and_time = (0, 0)
        self._head = self._rest = b''
        self._line = 0
        self._plan: ColumnPlan | None = None
        self._refused = False
        # Written twice at most: what comes after the second time is another recording.
        self._earlier = None if self._rewritten else self._first
        self._earlier_last_s = self._last_s
        self._first, self._rewritten = None, False
        self._last_s = self._row_s = self._given_until_s = -np.inf
        self._behind = 0  # rows in order whose time is not after the newest
        self._face: int | None = None
        self._face_seen_s = -np.inf

    def poll(self) -> list[FaceFrame]:
        """The frames of rows that have become whole since the last call.

        `stamp_ns` is the file's own timestamp.

        Raises:
            OpenFaceError: the header is no OpenFace header, or a line has no end. It is told once:
                nothing more is read until the file begins anew.
            OSError: the file cannot be read; the next call tries again.
        """
        try:
            with open(self.path, 'rb') as file:
                new = self._read(file)
        except FileNotFoundError:
            if self._inode is not None:  # the next one may get the same inode
                self._begin_anew()
                self._inode = None
            return []
        if self._refused:
            return []
        *whole, self._rest = (self._rest + new).split(b'\n')
        if len(self._rest) > _LONGEST_LINE:
            self._refused, self._rest = True, b''
            raise OpenFaceError(
                f'{self.path}: no OpenFace CSV: a line is longer than {_LONGEST_LINE} bytes'
            )
        return self._frames(whole) if whole else []

    def _read(self, file: BinaryIO) -> bytes:
        status = os.fstat(file.fileno())
        size_and_time = (status.st_size, status.st_mtime_ns)
        if size_and_time == self._size_and_time and status.st_ino == self._inode:
            return b''
        if self._inode is not None and (
            status.st_ino != self._inode
            or status.st_size < self._place
            or file.read(len(self._head)) != self._head
        ):
            self._begin_anew()
        self._inode, self._size_and_time = status.st_ino, size_and_time
        file.seek(self._place)
        new = file.read()
        self._place += len(new)
        self._head += new[: _HEAD_BYTES - len(self._head)]
        return new

    def _begin_anew(self) -> None:
        self._begin()
        self.restarts += 1

    def _frames(self, lines: list[bytes]) -> list[FaceFrame]:
        rows = []
        for raw in lines:
            self._line += 1
            text = raw.decode('utf-8-sig' if self._line == 1 else 'utf-8', 'replace').strip()
            if not text:
                continue
            if self._plan is None:
                self._refused = True
                self._plan = ColumnPlan(text.split(','), self.path)
                self._refused = False
                continue
            row = split_row(text, self._plan.width)
            if row is None:
                self.bad_rows += 1
                self._problem(
                    f'line {self._line}: {text.count(",") + 1} columns, '
                    f'expected {self._plan.width}'
                )
            else:
                rows.append((self._line, row))
        if not rows or self._plan is None:
            return []
        found: list[str] = []
        table = self._plan.table(parse_rows(rows, self._plan, found))
        for problem in found:
            self._problem(problem)
        table = table.take(np.array([self._is_followed(table, i) for i in range(len(rows))]))
        self._know_again(table)
        newer = [self._is_newer(float(time_s)) for time_s in table.timestamp_s]
        return frames_of(table.take(np.array(newer, bool)))

    def _know_again(self, table: FaceTable) -> None:
        """Whether this is what was given before, written a second time: its first row tells."""
        if self._first is not None or not len(table.success):
            return
        self._first = frames_of(table.take(np.arange(1)))[0]
        if self._earlier is not None and _is_same_but_aus(self._first, self._earlier):
            self._rewritten = True
            self.rewrites += 1
            self._given_until_s = self._last_s = self._earlier_last_s

    def _is_followed(self, table: FaceTable, row: int) -> bool:
        face, time_s = int(table.face_id[row]), float(table.timestamp_s[row])
        believed = bool(table.success[row])
        lost = believed and not abs(time_s - self._face_seen_s) <= _FACE_LOST_S
        if self._face is None or (face != self._face and lost):
            self._face, self._face_seen_s = face, time_s
        if face != self._face:
            self.other_rows += 1
            return False
        if believed:
            self._face_seen_s = time_s
        return True

    def _is_newer(self, time_s: float) -> bool:
        if time_s <= self._given_until_s:
            return False
        if not time_s > self._last_s:
            self._behind = self._behind + 1 if time_s > self._row_s else 0
            self._row_s = time_s
            if self._behind < _CLOCK_ROWS:
                self.bad_rows += 1
                return False
            self._problem(f'the timestamps began anew at {time_s:g} s')
        self._last_s, self._behind = time_s, 0
        return True

    def _problem(self, text: str) -> None:
        self.problems = [*self.problems[1 - _MOST_KEPT :], text]
        self.problems_found += 1


def _is_same_but_aus(first: FaceFrame, earlier: FaceFrame) -> bool:
    """A video that is tracked again from its beginning would have the same action units, too."""
    return (
        first.stamp_ns == earlier.stamp_ns
        and np.array_equal(first.landmarks, earlier.landmarks)
        and np.array_equal(first.pose, earlier.pose)
        and np.array_equal(first.gaze, earlier.gaze)
        and not np.array_equal(first.au, earlier.au)
    )
