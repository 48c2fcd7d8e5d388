"""An OpenFace CSV that a running FeatureExtraction is still writing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from .openface import FaceFrame, frames_of, parse_rows, split_row
from .openface_columns import ColumnPlan

_MOST_KEPT = 100  # problems that are remembered


class OpenFaceFollower:
    """Gives each row once it is whole, in order, whatever the pieces in which it is written.

    The file may not be there yet; one that is truncated or made anew is read from its beginning.
    Of several faces in one frame the first that is written is taken.

    Attributes:
        problems: the newest problems, a line each.
        bad_rows: rows that could not be used.
        restarts: how often the file began anew.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.problems: list[str] = []
        self.bad_rows = 0
        self.restarts = 0
        self._inode: int | None = None
        self._begin()

    def _begin(self) -> None:
        self._place = 0
        self._rest = b''
        self._line = 0
        self._plan: ColumnPlan | None = None
        self._last_s = float('-inf')

    def poll(self) -> list[FaceFrame]:
        """The frames of rows that have become whole since the last call.

        `stamp_ns` is the file's own timestamp.

        Raises:
            OpenFaceError: the header is no OpenFace header.
        """
        try:
            with open(self.path, 'rb') as file:
                status = os.fstat(file.fileno())
                if self._inode is not None and (
                    status.st_ino != self._inode or status.st_size < self._place
                ):
                    self._begin()
                    self.restarts += 1
                self._inode = status.st_ino
                file.seek(self._place)
                new = file.read()
        except FileNotFoundError:
            if self._place:  # the next one may get the same inode
                self._begin()
                self.restarts += 1
            return []
        self._place += len(new)
        *whole, self._rest = (self._rest + new).split(b'\n')
        return self._frames(whole) if whole else []

    def _frames(self, lines: list[bytes]) -> list[FaceFrame]:
        rows = []
        for raw in lines:
            self._line += 1
            text = raw.decode('utf-8-sig' if self._line == 1 else 'utf-8', 'replace').strip()
            if not text:
                continue
            if self._plan is None:
                self._plan = ColumnPlan(text.split(','), self.path)
                continue
            row = split_row(text, self._plan.width)
            if row is None:
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
        growing = []
        for i, time_s in enumerate(table.timestamp_s):
            if time_s > self._last_s:
                growing.append(i)
                self._last_s = float(time_s)
            else:
                self.bad_rows += 1
        return frames_of(table.take(np.array(growing, int)))

    def _problem(self, text: str) -> None:
        self.bad_rows += 1
        self.problems = [*self.problems[1 - _MOST_KEPT :], text]
