# SPDX-License-Identifier: Apache-2.0
"""Writes faces as an OpenFace CSV, which other tools can read."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from robot_face_gen.files import atomic_file
from robot_face_gen.layout import AU_COLUMNS, GAZE_COLUMNS, LANDMARK_COLUMNS

from .face_frame import FaceFrame

CROP_PX = 224  # side of the face crop in which a reaction's landmarks are written
# In OpenFace's own order.
_HEADER = (
    'frame', 'face_id', 'timestamp', 'confidence', 'success', *GAZE_COLUMNS,
    'pose_Tx', 'pose_Ty', 'pose_Tz', 'pose_Rx', 'pose_Ry', 'pose_Rz',
    *LANDMARK_COLUMNS, *AU_COLUMNS,
)  # fmt: skip


class OpenFaceWriter:
    """Writes frames one by one; use it in a `with` block.

    Missing values are written as nan. `pose_Tx` and `pose_Ty` are 0: they are not known here.

    Args:
        path: of the CSV; it is written completely or not at all, and replaces an existing file.
        flush: after each row, for a reader that follows the file, which is written in place.
        begin_ns: stamp that is written as time 0; None: that of the first frame.
        without: columns of action units that are left out, because no frame has a value there.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        flush: bool = False,
        begin_ns: int | None = None,
        without: Collection[str] = (),
    ) -> None:
        self._open = contextlib.ExitStack()
        if not flush:
            path = self._open.enter_context(atomic_file(Path(path)))
        file = open(path, 'w', encoding='utf-8', newline='')  # noqa: SIM115 (closed by close)
        self._file = self._open.enter_context(file)
        self._flush = flush
        self._count = 0
        self._begin_ns = begin_ns
        self._units = [k for k, name in enumerate(AU_COLUMNS) if name not in without]
        header = [name for name in _HEADER if name not in without]
        self._file.write(','.join(header) + '\n')

    def write(self, frame: FaceFrame) -> None:
        """Append a frame."""
        if self._begin_ns is None:
            self._begin_ns = frame.stamp_ns
        self._count += 1
        rx, ry, rz, tz = (float(x) for x in frame.pose)
        cells = [
            str(self._count), '0', f'{(frame.stamp_ns - self._begin_ns) / 1e9:.6f}',
            f'{float(np.float32(frame.confidence)):.4g}', str(int(frame.success)),
            *(f'{x:.5f}' for x in frame.gaze),
            '0.0', '0.0', f'{tz * 1000:.3f}', f'{rx:.5f}', f'{ry:.5f}', f'{rz:.5f}',
            *(f'{x:.3f}' for x in frame.landmarks),
            *(f'{x:.4f}' for x in frame.au[self._units]),
        ]  # fmt: skip
        self._file.write(','.join(cells) + '\n')
        if self._flush:
            self._file.flush()

    def close(self) -> None:
        """Complete the file."""
        self._open.close()

    def __enter__(self) -> OpenFaceWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)


def write_openface_csv(
    path: str | Path, frames: Iterable[FaceFrame], *, begin_ns: int | None = None
) -> None:
    """Write all frames to a file, see `OpenFaceWriter`."""
    with OpenFaceWriter(path, begin_ns=begin_ns) as writer:
        for frame in frames:
            writer.write(frame)


def reaction_frame(face: dict[str, np.ndarray], stamp_ns: int) -> FaceFrame:
    """A listener's face (landmarks in crop units) as a frame of a picture of the crop's size."""
    return FaceFrame(
        stamp_ns=stamp_ns, confidence=1.0, success=True, image_width=CROP_PX, image_height=CROP_PX,
        landmarks=np.asarray(face['landmarks'], np.float32) * CROP_PX,
        au=np.asarray(face['au'], np.float32), pose=np.asarray(face['pose'], np.float32),
        gaze=np.asarray(face['gaze'], np.float32))  # fmt: skip
