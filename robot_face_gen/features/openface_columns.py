# SPDX-License-Identifier: Apache-2.0
"""The text of an OpenFace CSV as faces: dialect, columns by name, cells, NaN where missing.

OpenFace's versions and options write different sets of columns: 714 with everything (2.x), 713
without `face_id`, 48 with `-aus -pose` alone, 431 in 1.x without gaze angles. Spreadsheets and
scripts change the delimiter, the decimal sign and the quotes. The names stay.
"""

from __future__ import annotations

import contextlib
import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from robot_face_gen.layout import (
    AU_COLUMNS,
    BRANCH_COLUMNS,
    GAZE_COLUMNS,
    LANDMARK_COLUMNS,
    LANDMARK_POINTS,
    POSE_COLUMNS,
    VALUE_LIMITS,
)

from .face_frame import FaceFrame
from .openface_person import Sighting
from .openface_report import OpenFaceError, ReadReport

_SPACE_COLUMNS = tuple(f'{axis}_{i}' for axis in 'XYZ' for i in range(LANDMARK_POINTS))
_GAZE_VECTORS = tuple(f'gaze_{eye}_{axis}' for axis in 'xyz' for eye in (0, 1))
_PLACE_COLUMNS = ('pose_Tx', 'pose_Ty')  # where the face is, for files without landmarks
_HEAD_COLUMNS = ('frame', 'face_id', 'timestamp', 'confidence', 'success')
_HINTS = {'frame', 'face_id', *_PLACE_COLUMNS}  # a frame is complete without them
# OpenFace's own assumption for 640 x 480, for files without 2-D landmarks. The face crop removes
# scale and position, so another camera gives the same result.
_FOCAL_PX, _CENTRE_PX = 500.0, (320.0, 240.0)
_MILLIMETRES = 1000.0

_DELIMITERS = (',', ';', '\t', ' ')
_MISSING = {'', 'nan', 'na', 'n/a', 'null', 'none', 'inf', '-inf', '#n/a', '#num!', '-'}
# Name of a branch in messages to people, and FeatureExtraction's option that writes it.
_SHOWN = {
    'landmarks': ('landmarks', '-2Dfp'),
    'au': ('action units', '-aus'),
    'pose': ('head pose', '-pose'),
    'gaze': ('gaze', '-gaze'),
}
# Columns that only other programs write, and what to say about their files.
_OTHER_FORMATS = {
    'action_units': 'output of OpenFace 3, which has 98 landmarks, no head pose, no time of the '
    'video and action units without names: expected the CSV of OpenFace 2 (FeatureExtraction)',
    'FaceRectX': 'output of Py-Feat: expected the CSV of OpenFace 2 (FeatureExtraction)',
}


@dataclass(frozen=True)
class Row:
    """A row of a file: a face in a picture of the video."""

    line: int  # number in the file
    time: float  # as written; NaN where it is missing
    number: float  # of the picture; NaN where it is missing
    face: Sighting  # its time, which follows from these, is not known yet


class Columns:
    """Dialect and columns of a file, from its header; a line `sep=;` gives the delimiter.

    Raises:
        OpenFaceError: the header has no usable columns; the text says what was found.
    """

    def __init__(self, header: str, path: str, report: ReadReport, delimiter: str = '') -> None:
        self._path, self._report = path, report
        known = {*_HEAD_COLUMNS, *_SPACE_COLUMNS, *_GAZE_VECTORS, *_PLACE_COLUMNS}
        known.update(*BRANCH_COLUMNS.values())
        found: list[tuple[int, str, list[str]]] = []
        for candidate in [delimiter] if delimiter else _DELIMITERS:
            names = [_name(cell) for cell in split_cells(header, candidate)]
            found.append((sum(name in known for name in names), candidate, names))
        _, self.delimiter, names = max(found, key=lambda entry: entry[0])
        while names and not names[-1]:  # a delimiter at the end of the line
            names.pop()
        self.width = len(names)
        self._place = {name: index for index, name in reversed(list(enumerate(names)))}
        self.has_frame = 'frame' in self._place
        self.has_time = 'timestamp' in self._place
        self._check(names)
        self._flat = self._has(LANDMARK_COLUMNS)
        self._angles = any(name in self._place for name in GAZE_COLUMNS)
        wanted = [*_HEAD_COLUMNS, *_PLACE_COLUMNS, *POSE_COLUMNS, *AU_COLUMNS]
        wanted += LANDMARK_COLUMNS if self._flat else _SPACE_COLUMNS
        wanted += GAZE_COLUMNS if self._angles else _GAZE_VECTORS
        if not self._flat and not self._has(_SPACE_COLUMNS):
            wanted = [name for name in wanted if name not in _SPACE_COLUMNS]
        self._names = [name for name in wanted if name in self._place]
        self._columns = [self._place[name] for name in self._names]
        self._index = {name: index for index, name in enumerate(self._names)}
        report.missing = self._missing()

    def _has(self, names: Iterable[str]) -> bool:
        return all(name in self._place for name in names)

    def _check(self, names: list[str]) -> None:
        for name, what in _OTHER_FORMATS.items():
            if name in self._place:
                raise OpenFaceError(f'{self._path}: {what}')
        single = {*POSE_COLUMNS, *AU_COLUMNS, *GAZE_COLUMNS}
        whole = (LANDMARK_COLUMNS, _SPACE_COLUMNS, _GAZE_VECTORS)
        if single.isdisjoint(names) and not any(map(self._has, whole)):
            shown = ', '.join(names[:6]) + (', ...' if len(names) > 6 else '')
            raise OpenFaceError(
                f'{self._path}: no OpenFace CSV: no column of landmarks, action units, head pose '
                f'or gaze in its header ({shown[:200]}): expected timestamp, confidence, success, '
                'x_0, AU01_r, pose_Rx, ...'
            )
        if not self.has_time and not self.has_frame:
            what = 'of single images (FaceLandmarkImg)' if 'face' in self._place else ''
            raise OpenFaceError(
                f'{self._path}: an OpenFace CSV {what or "without time"}: it has no column '
                'timestamp (seconds) and no column frame: expected the CSV of a video'
            )

    def _missing(self) -> str:
        """One line about the values that the file has no columns for."""
        parts = []
        there = {
            'landmarks': self._flat or self._has(_SPACE_COLUMNS),
            'gaze': self._has(GAZE_COLUMNS) or (not self._angles and self._has(_GAZE_VECTORS)),
        }
        for branch, (shown, option) in _SHOWN.items():
            lacking = [name for name in BRANCH_COLUMNS[branch] if name not in self._place]
            if not lacking or there.get(branch):
                continue
            if len(lacking) < len(BRANCH_COLUMNS[branch]):
                more = f' and {len(lacking) - 4} more' if len(lacking) > 4 else ''
                shown = f'{shown} {", ".join(lacking[:4])}{more}'
            parts.append(f'{shown} (FeatureExtraction {option})')
        return f'not in the file: {"; ".join(parts)}' if parts else ''

    def rows(self, lines: Sequence[tuple[int, str]], *, open_end: bool = False) -> list[Row]:
        """The rows of lines (number in the file, text); those without all cells are left out.

        `open_end`: the last line has no line end.

        Raises:
            OpenFaceError: decimal commas in a file that is delimited by commas.
        """
        numbers: list[int] = []
        found: list[np.ndarray] = []
        for number, text in lines:
            row = split_cells(text, self.delimiter)
            while len(row) > self.width and not row[-1].strip():
                row.pop()
            if len(row) != self.width:
                self._wrong_width(number, len(row), open_end and number == lines[-1][0])
                continue
            numbers.append(number)
            found.append(self._numbers(number, [row[column] for column in self._columns]))
        self._report.rows += len(numbers)
        return self._faces(numbers, np.array(found).reshape(-1, len(self._columns)))

    def _wrong_width(self, number: int, count: int, cut_off: bool) -> None:
        if cut_off and count < self.width:
            self._report.add('the last row is cut off', f'line {number}', lost_rows=True)
            return
        if self.delimiter == ',' and count > 1.3 * self.width and not self._report.rows:
            raise OpenFaceError(
                f'{self._path}: line {number} has {count} cells, its header {self.width}: decimal '
                "commas in a file that is separated by commas? Write it with '.' as the decimal "
                "sign, or with ';' between the cells"
            )
        self._report.add(
            f'a row without {self.width} cells', f'line {number}: {count} cells', lost_rows=True
        )

    def _numbers(self, number: int, row: list[str]) -> np.ndarray:
        """Cells of a line; what is missing is reported once for each branch."""
        with contextlib.suppress(ValueError):  # a cell that is not a number
            cells = np.array(list(map(float, row)))
            if np.isfinite(cells).all():
                return cells
        values, told, lost = [], set(), False
        for name, cell in zip(self._names, row, strict=True):
            text = cell.strip()
            value = _number(text)
            if value is None:
                value = math.nan
                branch = _branch(name)
                if branch not in told and branch not in _HINTS and not lost:
                    told.add(branch)
                    kind = _kind(text)
                    example = f'line {number}, column {name}: {text[:40]!r}'
                    self._report.add(f'{_label(branch)}: a value is {kind}', example)
            lost = lost or (name == 'success' and value == 0.0)
            values.append(value)
        return np.array(values)

    def _part(self, cells: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """Cells (n, len(names)); NaN for columns that the file lacks."""
        part = np.full((len(cells), len(names)), np.nan)
        for column, name in enumerate(names):
            if name in self._index:
                part[:, column] = cells[:, self._index[name]]
        return part

    def _faces(self, line: list[int], cells: np.ndarray) -> list[Row]:
        number, face_id, time, confidence, success = self._part(cells, _HEAD_COLUMNS).T
        # Where one of the two is missing, the other one decides.
        found = np.where(
            np.isnan(success), np.nan_to_num(confidence, nan=1.0) > 0.5, success > 0.5
        )
        confidence = np.where(np.isnan(confidence), found, confidence.clip(0.0, 1.0))
        pose = self._part(cells, POSE_COLUMNS)
        pose[:, 3] /= _MILLIMETRES
        branches = {
            'landmarks': self._landmarks(cells),
            'au': self._part(cells, AU_COLUMNS),
            'pose': pose,
            'gaze': self._gaze(cells),
        }
        for branch, values in branches.items():
            impossible = np.abs(values) > VALUE_LIMITS[branch]
            if impossible.any():
                # Where the tracker has lost the face, it writes anything.
                for row in np.flatnonzero(impossible.any(axis=1) & found):
                    column = BRANCH_COLUMNS[branch][int(impossible[row].argmax())]
                    value = values[row, impossible[row].argmax()]
                    self._report.add(
                        f'{_label(branch)}: a value is beyond {VALUE_LIMITS[branch]:g}',
                        f'line {line[row]}, column {column}: {value:g}',
                    )
                values[impossible] = np.nan
        self._report.add_values(branches['au'][found], branches['pose'][found])
        landmarks = branches['landmarks']
        landmarks[np.isnan(landmarks).any(axis=1)] = np.nan
        arrays = {name: values.astype(np.float32) for name, values in branches.items()}
        rows = []
        places = self._places(landmarks, cells).tolist()
        for k, (x, y, size) in enumerate(places):
            branch_values = {name: part[k] for name, part in arrays.items()}
            frame = FaceFrame(0, float(confidence[k]), bool(found[k]), 0, 0, **branch_values)
            known_id = float(np.nan_to_num(face_id[k]))
            face = Sighting(math.nan, known_id, frame.success, (x, y, size), frame)
            rows.append(Row(line[k], float(time[k]), float(number[k]), face))
        return rows

    def _landmarks(self, cells: np.ndarray) -> np.ndarray:
        if self._flat:
            points = self._part(cells, LANDMARK_COLUMNS)
        else:
            space = self._part(cells, _SPACE_COLUMNS).reshape(-1, 3, LANDMARK_POINTS)
            x, y, z = space.transpose(1, 0, 2)
            depth = np.where(np.abs(z) > 1e-6, z, np.nan)  # a row without a face holds zeros
            points = np.concatenate(
                (_FOCAL_PX * x / depth + _CENTRE_PX[0], _FOCAL_PX * y / depth + _CENTRE_PX[1]),
                axis=1,
            )
        if points.size:  # all points in one place: OpenFace's row for a lost face
            points[np.ptp(points, axis=1) == 0.0] = np.nan
        return points

    def _gaze(self, cells: np.ndarray) -> np.ndarray:
        if self._angles:
            return self._part(cells, GAZE_COLUMNS)
        # As OpenFace 2 does: the angles of the mean of both eyes' directions.
        x, y, z = self._part(cells, _GAZE_VECTORS).reshape(-1, 3, 2).mean(axis=2).T
        z = np.where(z == 0.0, np.nan, z)  # OpenFace found no eyes
        return np.stack((np.arctan2(x, -z), np.arctan2(y, -z)), axis=1)

    def _places(self, landmarks: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Centre and size of the faces; NaN where unknown."""
        points = landmarks.reshape(-1, 2, LANDMARK_POINTS)
        centre = points.mean(axis=2)
        size = np.sqrt(np.square(points - centre[:, :, None]).sum(axis=1).mean(axis=1))
        place = np.column_stack((centre, size))
        x, y, z = self._part(cells, (*_PLACE_COLUMNS, 'pose_Tz')).T
        depth = np.where(z > 1.0, z, np.nan)
        # About 60 mm from the centre of the face to its landmarks (root mean square).
        guess = np.column_stack((x, y, np.full(len(x), 60.0))) * (_FOCAL_PX / depth)[:, None]
        guess[:, :2] += _CENTRE_PX
        return np.where(np.isnan(place).any(axis=1)[:, None], guess, place)


def split_cells(text: str, delimiter: str) -> list[str]:
    """Cells of a line, quoted or not."""
    if '"' not in text and delimiter != ' ':
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:  # a cell beyond the module's limit
        return text.split(delimiter)


def _name(cell: str) -> str:
    """Name of a column; R writes ' face_id' as 'X.face_id'."""
    return cell.strip().strip('"\'').strip().removeprefix('X.')


def _number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        lower = text.lower()
        if lower in ('true', 'false'):
            return float(lower == 'true')
        if text.count(',') != 1 or '.' in text:
            return None
        try:
            value = float(text.replace(',', '.'))
        except ValueError:
            return None
    return value if math.isfinite(value) else None


def _kind(text: str) -> str:
    lower = text.lower()
    return 'missing' if lower in _MISSING or 'nan' in lower or '#ind' in lower else 'not a number'


def _branch(name: str) -> str:
    if name in _HEAD_COLUMNS or name in _PLACE_COLUMNS:
        return name
    if name in AU_COLUMNS:
        return 'au'
    return name.partition('_')[0] if name.startswith(('pose_', 'gaze_')) else 'landmarks'


def _label(branch: str) -> str:
    return _SHOWN[branch][0] if branch in _SHOWN else branch
