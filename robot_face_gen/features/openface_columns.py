# SPDX-License-Identifier: Apache-2.0
"""Which columns of an OpenFace CSV become which values of a frame, by name.

OpenFace's versions and options write different sets of columns: 714 with everything (2.x), 713
without `face_id`, fewer without 2-D landmarks, 431 in 1.x without angles of gaze. The order and
the blanks after the commas differ too; the names do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

INTENSITIES = tuple(
    f'AU{number:02d}_r' for number in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
)
AU_COLUMNS = (*INTENSITIES, 'AU28_c')
LANDMARK_COLUMNS = (*(f'x_{i}' for i in range(68)), *(f'y_{i}' for i in range(68)))
_SPACE_COLUMNS = tuple(f'{axis}_{i}' for axis in 'XYZ' for i in range(68))
POSE_COLUMNS = ('pose_Rx', 'pose_Ry', 'pose_Rz', 'pose_Tz')
GAZE_COLUMNS = ('gaze_angle_x', 'gaze_angle_y')
_GAZE_VECTORS = tuple(f'gaze_{eye}_{axis}' for axis in 'xyz' for eye in (0, 1))
# A pinhole camera for files without 2-D landmarks: OpenFace's own guess for 640 x 480. The face
# crop takes away scale and place, so that another camera would give the same.
_FOCAL_PX, _CENTRE_PX = 500.0, (320.0, 240.0)
# Of a folder of pictures OpenFace 2 writes no times, all are 0: it takes 30 frames a second then.
ASSUMED_HZ = 30.0


class OpenFaceError(ValueError):
    """A file that cannot be read as OpenFace's output; the text names it and says why."""


@dataclass(frozen=True)
class FaceTable:
    """Rows of a file as arrays: n frames.

    Attributes:
        timestamp_s: (n,) float64.
        face_id: (n,) int, 0 where the file has none.
        confidence: (n,) 0..1.
        success: (n,) bool; False too where a number was not finite.
        landmarks: (n, 136) pixels.
        au: (n, 18).
        pose: (n, 4) radians and metres.
        gaze: (n, 2) radians.
        counted: (n,) bool, True where the file has no time and the frame's number gives it.
    """

    timestamp_s: np.ndarray
    face_id: np.ndarray
    confidence: np.ndarray
    success: np.ndarray
    landmarks: np.ndarray
    au: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray
    counted: np.ndarray

    def take(self, rows: np.ndarray) -> FaceTable:
        """Some of the rows."""
        return FaceTable(**{name: value[rows] for name, value in vars(self).items()})


class ColumnPlan:
    """Where in a row the values of a frame are.

    Args:
        names: of the columns, as in the header.
        path: of the file, for errors.

    Raises:
        OpenFaceError: columns are missing; all of them are named.
    """

    def __init__(self, names: list[str], path: str) -> None:
        names = [name.strip().strip('"') for name in names]
        while names and not names[-1]:  # a comma at the end of the line
            names.pop()
        self.width = len(names)
        self._place = {name: index for index, name in reversed(list(enumerate(names)))}
        self._flat = self._has(LANDMARK_COLUMNS)
        self._angles = self._has(GAZE_COLUMNS)
        wanted = ['timestamp', 'confidence', 'success', *POSE_COLUMNS, *AU_COLUMNS]
        wanted += (
            LANDMARK_COLUMNS if self._flat or not self._has(_SPACE_COLUMNS) else _SPACE_COLUMNS
        )
        wanted += GAZE_COLUMNS if self._angles or not self._has(_GAZE_VECTORS) else _GAZE_VECTORS
        missing = [name for name in wanted if name not in self._place]
        if missing:
            shown = ', '.join(missing[:12]) + (
                f' and {len(missing) - 12} more' if missing[12:] else ''
            )
            if len(missing) > len(wanted) // 2:
                other = next((c for c in ';\t' if any(c in name for name in names)), '')
                hint = f' (is it separated by {other!r}? expected commas)' if other else ''
                raise OpenFaceError(f'{path}: no OpenFace CSV: its header lacks {shown}{hint}')
            raise OpenFaceError(f'{path}: columns are missing: {shown}')
        wanted += [name for name in ('face_id', 'frame') if name in self._place]
        self.names = wanted
        self.columns = [self._place[name] for name in wanted]
        self._index = {name: index for index, name in enumerate(wanted)}

    def _has(self, names: tuple[str, ...]) -> bool:
        return all(name in self._place for name in names)

    def _part(self, cells: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        return cells[:, [self._index[name] for name in names]]

    def table(self, cells: np.ndarray) -> FaceTable:
        """Frames from the cells (n, len(columns)) of rows; NaN where a cell was no number."""
        finite = np.isfinite(cells)
        needed = [index for name, index in self._index.items() if name != 'frame']
        whole = finite[:, needed].all(axis=1)
        cells = np.where(finite, cells, 0.0)
        timestamp, counted = self._times(cells)
        has_time = finite[:, self._index['timestamp']]
        pose = self._part(cells, POSE_COLUMNS)
        pose[:, 3] /= 1000.0  # millimetres
        if 'face_id' in self._index:
            face_id = cells[:, self._index['face_id']].astype(int)
        else:
            face_id = np.zeros(len(cells), int)
        return FaceTable(
            timestamp_s=np.where(has_time, timestamp, np.nan),
            face_id=face_id,
            confidence=np.where(whole, cells[:, self._index['confidence']].clip(0.0, 1.0), 0.0),
            success=whole & (cells[:, self._index['success']] > 0.5),
            landmarks=self._landmarks(cells).astype(np.float32),
            au=self._part(cells, AU_COLUMNS).astype(np.float32),
            pose=pose.astype(np.float32),
            gaze=self._gaze(cells).astype(np.float32),
            counted=counted & has_time,
        )

    def _times(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Seconds (n,), and where they come from the frame's number, which begins with 1."""
        timestamp = cells[:, self._index['timestamp']]
        if 'frame' not in self._index:
            return timestamp, np.zeros(len(cells), bool)
        frame = cells[:, self._index['frame']]
        later = frame > 1.0
        # All of them: a single 0 is a time that fell back, or is the first one once more.
        counted = later if not timestamp[later].any() else np.zeros(len(cells), bool)
        return np.where(counted, (frame - 1.0) / ASSUMED_HZ, timestamp), counted

    def _landmarks(self, cells: np.ndarray) -> np.ndarray:
        if self._flat:
            return self._part(cells, LANDMARK_COLUMNS)
        x, y, z = self._part(cells, _SPACE_COLUMNS).reshape(-1, 3, 68).transpose(1, 0, 2)
        depth = np.where(np.abs(z) > 1e-6, z, 1.0)  # a row without a face holds zeros
        return np.concatenate(
            (_FOCAL_PX * x / depth + _CENTRE_PX[0], _FOCAL_PX * y / depth + _CENTRE_PX[1]), axis=1
        )

    def _gaze(self, cells: np.ndarray) -> np.ndarray:
        if self._angles:
            return self._part(cells, GAZE_COLUMNS)
        # As OpenFace 2 does: the angles of the mean of both eyes' directions.
        x, y, z = self._part(cells, _GAZE_VECTORS).reshape(-1, 3, 2).mean(axis=2).T
        z = np.where(z == 0.0, -1.0, z)  # no eyes were seen, all is 0: straight ahead
        return np.stack((np.arctan2(x, -z), np.arctan2(y, -z)), axis=1)
