# SPDX-License-Identifier: Apache-2.0
"""Times of an OpenFace CSV: seconds on the clock of the recording, growing from frame to frame."""

from __future__ import annotations

import math

from .openface_columns import Columns, Row
from .openface_person import Sighting
from .openface_report import ReadReport

# Of a folder of pictures OpenFace 2 writes 0 as the time of each: it assumes this rate, too.
ASSUMED_HZ = 30.0
_PICTURES = 3  # pictures with time 0 from which a file is taken to have no times
_MOST_HELD = 100  # rows that wait at most until the unit of time is known
_LONGEST_STEP_S = 5.0  # a longer step from one frame to the next: the unit is not a second
_UNITS = ((1.0, ''), (1e3, 'milliseconds'), (1e6, 'microseconds'), (1e9, 'nanoseconds'))
_EPOCH_S = 1e8  # later times are counted from 1970, not from the beginning of the recording
_LATEST_S = 9e9  # fits an int64 in nanoseconds
_JUMP_S = 5.0  # a longer step must be confirmed by the next frame
_CLOCK_FRAMES = 25  # frames in order behind the newest: the tracker's clock restarted
_LATE_S = 1.0

_NO_TIME = 'an impossible timestamp'
_NOT_GROWING = 'the timestamp does not increase'
_RESTART = 'the timestamps start again'


class TimeBase:
    """Seconds from the timestamps of a file: their unit and their origin, found causally.

    The first rows wait until there are two different times. OpenFace's frame number then tells
    how many frames lie in between. Only times since 1970 are rebased: all others count from the
    beginning of the recording, as the sound does (`is_recorded`: not written at present).
    """

    def __init__(self, columns: Columns, report: ReadReport, is_recorded: bool) -> None:
        self._columns, self._report, self._is_recorded = columns, report, is_recorded
        self._held: list[Row] = []
        self._unit: float | None = None
        self._counted = not columns.has_time  # the frame number gives the time
        self._origin_s: float | None = None
        if self._counted:
            self._unit = 1.0
            report.add(f'no column timestamp: {ASSUMED_HZ:g} frames a second are assumed')

    def add(self, row: Row) -> list[tuple[Row, float]]:
        """A row; returns the rows whose time (s) is known now, in order."""
        value = row.number if self._counted else row.time
        if math.isnan(value):  # the cell was reported
            self._report.bad_rows += 1
            return []
        if value < 0:
            self._report.add(_NO_TIME, f'line {row.line}: {value:g}', lost_rows=True)
            return []
        if self._unit is None:
            self._held.append(row)
            self._find_unit()
            return self.flush() if self._unit is not None else []
        return self._timed([row])

    def flush(self) -> list[tuple[Row, float]]:
        """The rows that still wait."""
        held, self._held = self._held, []
        self._unit = self._unit or 1.0
        return self._timed(held)

    def _find_unit(self) -> None:
        first, last = self._held[0], self._held[-1]
        step = last.time - first.time
        frames = last.number - first.number if self._columns.has_frame else math.nan
        if step < 0:  # the first row was wrong
            self._report.add(
                _NOT_GROWING, f'line {first.line}', len(self._held) - 1, lost_rows=True
            )
            self._held = self._held[-1:]
        elif step > 0:
            self._unit = 1.0
            if frames >= 1:
                self._unit, name = next(
                    (u for u in _UNITS if step / frames / u[0] < _LONGEST_STEP_S), _UNITS[0]
                )
                if name:
                    self._report.add(f'the timestamps are in {name}: they are read as such')
        elif len({row.number for row in self._held}) >= _PICTURES:
            self._unit = 1.0
            if first.time == 0:
                self._counted = True
                self._report.add(
                    f'all timestamps are 0 (a folder of pictures): {ASSUMED_HZ:g} frames a second '
                    'are assumed'
                )
        elif len(self._held) >= _MOST_HELD:
            self._unit = 1.0

    def _timed(self, rows: list[Row]) -> list[tuple[Row, float]]:
        timed = []
        for row in rows:
            if self._counted:
                time_s = (row.number - 1.0) / ASSUMED_HZ
            else:
                time_s = row.time / (self._unit or 1.0)
            if not 0.0 <= time_s < _LATEST_S:
                self._report.add(_NO_TIME, f'line {row.line}', lost_rows=True)
                continue
            if self._origin_s is None:
                self._origin_s = time_s if time_s > _EPOCH_S else 0.0
                if self._origin_s:
                    self._report.add(
                        'the timestamps count from 1970: the first frame is taken as time 0'
                    )
                elif self._is_recorded and time_s > _LATE_S:
                    self._report.add(
                        f'the first row is at {time_s:.2f} s: time 0 is the beginning of the sound'
                    )
            timed.append((row, time_s - self._origin_s))
        return timed


class TimeOrder:
    """Lets pictures through whose time grows.

    A step of many seconds must be confirmed by the next picture: one wrong time must not cost all
    that follow. Where many pictures in order are behind the newest, the clock restarted.
    """

    def __init__(self, report: ReadReport, stop_at_restart: bool) -> None:
        self._report, self._stop = report, stop_at_restart
        self._key: object = None
        self._accepted = False  # whether the present picture was
        self._held: list[tuple[object, Sighting]] = []  # picture after a long step
        self._last_s = self._row_s = -math.inf
        self._behind = 0
        self.ended = False  # at a restart, if rows after it are not to be used

    def add(self, key: object, line: int, face: Sighting) -> list[tuple[object, Sighting]]:
        """A face of a picture; returns the faces that may be used now, in order."""
        if key == self._key:
            if self._held and self._held[-1][0] == key:
                self._held.append((key, face))
                return []
            return [(key, face)] if self._accepted else self._refuse(line)
        self._key = key
        ready = self._release(face.time_s)
        if face.time_s > self._last_s:
            self._behind = 0
            if self._last_s > -math.inf and face.time_s > self._last_s + _JUMP_S:
                self._held = [(key, face)]
                return ready
        elif not self._restarts(line, face.time_s):
            self._accepted = False
            return ready + self._refuse(line)
        if self.ended:
            return ready
        self._last_s, self._accepted = face.time_s, True
        return [*ready, (key, face)]

    def flush(self) -> list[tuple[object, Sighting]]:
        """What still waits, at the end of the file."""
        return self._release(math.inf)

    def _release(self, next_s: float) -> list[tuple[object, Sighting]]:
        held, self._held = self._held, []
        if not held:
            return []
        if next_s > held[0][1].time_s:
            self._last_s = held[0][1].time_s
            return held
        self._report.add(
            _NOT_GROWING, f'one timestamp of {held[0][1].time_s:g} s', len(held), lost_rows=True
        )
        return []

    def _refuse(self, line: int) -> list[tuple[object, Sighting]]:
        self._report.add(_NOT_GROWING, f'line {line}', lost_rows=True)
        return []

    def _restarts(self, line: int, time_s: float) -> bool:
        self._behind = self._behind + 1 if time_s > self._row_s else 0
        self._row_s = time_s
        if self._behind < _CLOCK_FRAMES:
            return False
        self._behind = 0
        rest = ': the rows after it are not used' if self._stop else ''
        self._report.add(f'{_RESTART}{rest}', f'line {line} at {time_s:g} s')
        self.ended = self._stop
        return True
