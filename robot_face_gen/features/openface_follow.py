# SPDX-License-Identifier: Apache-2.0
"""An OpenFace CSV that a running FeatureExtraction is still writing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .openface import FaceFrame, OpenFaceReader
from .openface_report import ReadReport

_HEAD_BYTES = 16_384  # of the beginning of the file, by which it is known again: header, first row
_MOST_BYTES = 1 << 22  # read at most in one look


class OpenFaceFollower:
    """Gives each frame once, in order, whatever the pieces in which the file is written.

    The file may not be there yet; one that is truncated or replaced is read from its beginning,
    and counted (`restarts`). When FeatureExtraction ends it writes its whole file a second time,
    with better action units (`rewrites`): frames that were given are not given again. The report
    is about all that was read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.report = ReadReport()
        self.restarts = self.rewrites = 0
        self._inode: int | None = None
        self._first: FaceFrame | None = None  # frame of this recording
        self._last_ns = -1
        self._rewritten = False
        self._begin()

    def _begin(self) -> None:
        self._place = 0
        self._size_and_time = (0, 0)
        self._head = b''
        self._reader = OpenFaceReader(self.path, self.report, stop_at_restart=False)
        # Written twice at most: what comes after the second time is another recording.
        self._earlier = None if self._rewritten else self._first
        self._earlier_last_ns = self._last_ns
        self._first, self._rewritten = None, False
        self._last_ns = self._given_until_ns = -1

    def poll(self) -> list[FaceFrame]:
        """The frames that have become complete since the last call.

        `stamp_ns` is the file's own timestamp.

        Raises:
            OpenFaceError: the file is no OpenFace CSV. It is raised once: nothing more is read
                until the file restarts.
            OSError: the file cannot be read; the next call tries again.
        """
        try:
            with open(self.path, 'rb') as file:
                new = self._read(file)
        except FileNotFoundError:
            if self._inode is not None:  # the next one may get the same inode
                self._restart()
                self._inode = None
            return []
        return self._new_frames(self._reader.push(new)) if new else []

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
            self._restart()
        self._inode = status.st_ino
        file.seek(self._place)
        new = file.read(_MOST_BYTES)
        if len(new) < _MOST_BYTES:  # otherwise the next look goes on at once
            self._size_and_time = size_and_time
        self._place += len(new)
        self._head += new[: _HEAD_BYTES - len(self._head)]
        return new

    def _restart(self) -> None:
        self._begin()
        self.restarts += 1

    def _new_frames(self, frames: list[FaceFrame]) -> list[FaceFrame]:
        if frames and self._first is None:
            self._first = frames[0]
            if self._earlier is not None and _is_same_but_aus(self._first, self._earlier):
                self._rewritten = True
                self.rewrites += 1
                self._given_until_ns = self._last_ns = self._earlier_last_ns
        new = [frame for frame in frames if frame.stamp_ns > self._given_until_ns]
        if new:
            self._last_ns, self._given_until_ns = new[-1].stamp_ns, -1
        return new


def _is_same_but_aus(first: FaceFrame, earlier: FaceFrame) -> bool:
    """A video that is tracked again from its beginning would have the same action units, too."""

    def same(name: str) -> bool:
        return np.array_equal(getattr(first, name), getattr(earlier, name), equal_nan=True)

    return (
        first.stamp_ns == earlier.stamp_ns
        and all(map(same, ('landmarks', 'pose', 'gaze')))
        and not same('au')
    )
