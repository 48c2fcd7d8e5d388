# SPDX-License-Identifier: Apache-2.0
"""OpenFace CSV files: one reader for recorded files and for those that are still being written.

`OpenFaceReader` takes the bytes of a file in pieces of any size and gives frames. It never looks
ahead by more than a few rows, so that a recorded file is read in constant memory and gives the
same frames as the file did while it was written. `OpenFaceFile` reads recorded files with it,
`openface_follow.OpenFaceFollower` growing ones.
"""

from __future__ import annotations

import codecs
import io
import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from robot_face_gen.timing import SECOND_NS

from .face_frame import MIN_CONFIDENCE, FaceFrame
from .file_kind import HEAD_BYTES, foreign_kind
from .openface_columns import Columns
from .openface_person import FaceChooser, Sighting
from .openface_report import OpenFaceError, ReadReport
from .openface_time import TimeBase, TimeOrder

_LONGEST_LINE = 1 << 20
_CHUNK_BYTES = 1 << 18
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


class _Text:
    """Decodes the bytes of a text file piece by piece: UTF-8 or UTF-16, any line end."""

    def __init__(self) -> None:
        self._head = b''
        self._decoder: io.IncrementalNewlineDecoder | None = None
        self._rest = ''

    def push(self, data: bytes, final: bool) -> list[str]:
        """The lines that are complete now; at the end also the last one."""
        if self._decoder is None:
            self._head += data
            if len(self._head) < 4 and not final:
                return []
            data, self._head = self._head, b''
            decoder = codecs.getincrementaldecoder(_encoding(data))(errors='replace')
            self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)
        text = self._rest + self._decoder.decode(data, final)
        *lines, self._rest = text.split('\n')
        if final and self._rest:
            lines.append(self._rest)
            self._rest = ''
        return lines

    @property
    def waiting(self) -> str:
        """Text of the line that is not complete yet."""
        return self._rest


def _encoding(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return 'utf-16'
    if head[1:2] == head[3:4] == b'\0':
        return 'utf-16-le'
    if head[0:1] == head[2:3] == b'\0':
        return 'utf-16-be'
    return 'utf-8-sig'


class OpenFaceReader:
    """Frames from the bytes of an OpenFace CSV, in pieces of any size.

    With `stop_at_restart`, no more rows are used once the timestamps start again (a recorded
    file); otherwise it goes on with the new time (a file that is being written).
    """

    def __init__(
        self, path: str | Path, report: ReadReport | None = None, *, stop_at_restart: bool = True
    ) -> None:
        self.path = str(path)
        self.report = report or ReadReport()
        self._text = _Text()
        self._head = b''
        self._line = 0
        self._delimiter = ''
        self._columns: Columns | None = None
        self._clock: TimeBase | None = None
        self._order = TimeOrder(self.report, stop_at_restart)
        self._is_recorded = stop_at_restart
        self._chooser = FaceChooser()
        self._others = 0
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether no more bytes are wanted."""
        return self._ended or self._order.ended

    def push(self, data: bytes) -> list[FaceFrame]:
        """The next bytes of the file; returns the frames that are complete.

        `stamp_ns` counts from the beginning of the recording. After an OpenFaceError (it is no
        OpenFace CSV) nothing more is read.
        """
        return self._read(data, final=False)

    def finish(self) -> list[FaceFrame]:
        """The end of the file; returns the frames that were still waiting. Errors as in `push`."""
        return self._read(b'', final=True)

    def _read(self, data: bytes, *, final: bool) -> list[FaceFrame]:
        if self.ended:
            return self._frames(self._chooser.flush()) if final else []
        try:
            return self._parse(data, final)
        except OpenFaceError:
            self._ended = True
            raise

    def _parse(self, data: bytes, final: bool) -> list[FaceFrame]:
        if len(self._head) < HEAD_BYTES:
            self._head += data[:HEAD_BYTES]
        lines = []
        open_end = final and bool(self._text.waiting)
        for text in self._text.push(data, final):
            self._line += 1
            if not (text := text.strip(' \r\0')):
                continue
            if self._columns is not None:
                lines.append((self._line, text))
            elif match := _SEPARATOR_LINE.fullmatch(text):
                self._delimiter = match[1]
            else:
                self._refuse_binary(text)
                self._columns = Columns(text, self.path, self.report, self._delimiter)
                self._clock = TimeBase(self._columns, self.report, self._is_recorded)
        if len(self._text.waiting) > _LONGEST_LINE:
            self._refuse_binary(self._text.waiting)
            raise OpenFaceError(
                f'{self.path}: no OpenFace CSV: a line is longer than {_LONGEST_LINE} bytes'
            )
        if self._columns is None or self._clock is None:
            if final:
                raise OpenFaceError(
                    f'{self.path}: is empty: expected the header of an OpenFace CSV'
                )
            return []
        rows = self._columns.rows(lines, open_end=open_end)
        faces: list[Sighting] = []
        timed = [entry for row in rows for entry in self._clock.add(row)]
        if final:
            timed += self._clock.flush()
        for row, time_s in timed:
            frame = replace(row.face.frame, stamp_ns=round(time_s * SECOND_NS))
            face = replace(row.face, time_s=time_s, frame=frame)
            # NaN is not equal to itself.
            key = (row.number if row.number == row.number else None, time_s)
            faces += self._choose(self._order.add(key, row.line, face))
            if self._order.ended:
                break
        if final:
            faces += self._choose(self._order.flush())
            faces += self._chooser.flush()
        self.report.other_rows += self._chooser.others - self._others
        self._others = self._chooser.others
        return self._frames(faces)

    def _refuse_binary(self, text: str) -> None:
        if kind := foreign_kind(self._head):
            raise OpenFaceError(f'{self.path}: no OpenFace CSV: it is {kind}')
        if any(char == '\ufffd' or (char < ' ' and char != '\t') for char in text):
            raise OpenFaceError(
                f'{self.path}: no OpenFace CSV: it holds binary data (robot-face-gen track '
                'FILM CSV makes the CSV of a film)'
            )

    def _choose(self, faces: list[tuple[object, Sighting]]) -> list[Sighting]:
        return [chosen for key, face in faces for chosen in self._chooser.add(key, face)]

    def _frames(self, faces: list[Sighting]) -> list[FaceFrame]:
        frames = [face.frame for face in faces]
        self.report.frames += len(frames)
        for frame in frames:
            if frame.is_valid(MIN_CONFIDENCE):
                self.report.valid += 1
                self.report.partly_valid += not frame.mask.all()
        return frames


class OpenFaceFile:
    """A recorded OpenFace CSV, read in constant memory as often as wanted.

    Attributes:
        report: what was found so far by the newest reading.
        rate_hz: frames a second at the beginning of the file; 0 if it holds one frame.
        duration_s: from time 0 to one frame after the last; read from the end of the file.

    Raises:
        OpenFaceError: no OpenFace CSV, or no usable row.
        OSError: the file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.report = ReadReport()
        first_ns, last_ns = self._probe()
        if not first_ns:  # the first usable row is far from the beginning, or there is none
            first_ns = [frame.stamp_ns for frame in itertools.islice(self.frames(), 2)]
            last_ns = last_ns or first_ns
        self.rate_hz = _rate_hz(first_ns)
        self.duration_s = last_ns[-1] / SECOND_NS + (1 / self.rate_hz if self.rate_hz else 0.0)

    def _probe(self) -> tuple[list[int], list[int]]:
        """Stamps of frames at the beginning and at the end of the file."""
        reader = OpenFaceReader(self.path, stop_at_restart=False)
        with open(self.path, 'rb') as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            head = file.read(_CHUNK_BYTES)
            if size <= 2 * _CHUNK_BYTES or b'\0' in head:  # UTF-16 cannot be cut at any place
                frames = list(_stream(self.path, ReadReport()))
                first = last = frames
            else:
                first = reader.push(head[: head.rfind(b'\n') + 1])
                file.seek(size - _CHUNK_BYTES)
                tail = file.read()
                last = reader.push(tail[tail.find(b'\n') + 1 :]) + reader.finish()
        first_ns, last_ns = ([frame.stamp_ns for frame in part] for part in (first, last or first))
        return first_ns, last_ns

    def frames(self) -> Iterator[FaceFrame]:
        """All frames from the beginning of the file, in order of time; errors as of the class."""
        self.report = ReadReport()
        return _stream(self.path, self.report)


@dataclass(frozen=True)
class OpenFaceTrack:
    """A recorded file in memory."""

    path: str  # of the file
    # in order of time; `stamp_ns` counts from the beginning of the recording
    frames: list[FaceFrame] = field(repr=False)
    rate_hz: float  # frames a second, from the usual step of their timestamps; 0 for one frame
    report: ReadReport  # what the reader found

    @property
    def problems(self) -> list[str]:
        """What is missing and the most frequent problems, one line each."""
        return self.report.lines()


def read_openface_csv(path: str | Path, until_s: float = math.inf) -> OpenFaceTrack:
    """Read a recorded file as a whole, or its frames before a time.

    Rows without all their cells are left out, as are those whose time does not increase. A cell
    that is not a number makes that value missing (NaN). Where there are several faces, one person
    is followed, see `FaceChooser`. All of it is counted in the report.

    Raises:
        OpenFaceError: no OpenFace CSV, or no usable row.
        OSError: the file cannot be read.
    """
    report = ReadReport()
    end_ns = until_s * SECOND_NS
    stream = _stream(str(path), report)
    frames = list(itertools.takewhile(lambda frame: frame.stamp_ns < end_ns, stream))
    return OpenFaceTrack(str(path), frames, _rate_hz([f.stamp_ns for f in frames]), report)


def _stream(path: str, report: ReadReport) -> Iterator[FaceFrame]:
    reader = OpenFaceReader(path, report)
    with open(path, 'rb') as file:
        while not reader.ended and (data := file.read(_CHUNK_BYTES)):
            yield from reader.push(data)
    yield from reader.finish()
    if not report.frames:
        found = '; '.join(report.lines(1)) or 'nothing follows its header'
        raise OpenFaceError(f'{path}: holds no usable row: {found}')


def _rate_hz(stamps_ns: list[int]) -> float:
    """Frames a second of times that grow; gaps do not count."""
    steps = np.diff(np.array(stamps_ns, np.int64)) / SECOND_NS
    steps = steps[steps > 0]
    if not len(steps):
        return 0.0
    # OpenFace writes whole milliseconds: the median of 33, 33, 34 would be 30.3 a second.
    middle = np.sort(steps)[(len(steps) - 1) // 2]
    usual = steps[np.abs(steps / middle - 1.0) < 0.5]
    return round(float(1.0 / usual.mean()), 3)
