# SPDX-License-Identifier: Apache-2.0
"""The canonical face model of MediaPipe, read from the face landmarker's bundle."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

MESH_POINTS = 478  # 468 of the face, then 5 of each iris
FACE_POINTS = 468


@dataclass(frozen=True)
class CanonicalFace:
    """An average face; OpenFace's axes: x to the image's right, y down, z away from the camera."""

    points: np.ndarray  # (468, 3) metres
    triangles: np.ndarray  # (n, 3) indices of points
    # (468,) how much a point tells about the pose; 0 where expressions move it
    weights: np.ndarray


def read_canonical_face(data: bytes) -> CanonicalFace:
    """Read `geometry_pipeline_metadata_landmarks.binarypb`.

    It is a message of protocol buffers: field 1 is a mesh (3: x, y, z in centimetres and two
    coordinates of a texture for each point; 4: triangles), field 2 a point and its weight.

    Raises:
        ValueError: it is something else.
    """
    vertices: list[float] = []
    indices: list[int] = []
    weights = np.zeros(FACE_POINTS)
    try:
        for number, value in _fields(data):
            if number == 1:
                for part, cell in _fields(value):
                    if part == 3:
                        vertices += struct.unpack('<f', cell)
                    elif part == 4:
                        indices.append(cell)
            elif number == 2:
                weight = dict(_fields(value))
                weights[weight[1]] = struct.unpack('<f', weight[2])[0]
        points = np.array(vertices).reshape(FACE_POINTS, 5)[:, :3]
        triangles = np.array(indices, int).reshape(-1, 3)
    except (IndexError, KeyError, TypeError, ValueError, struct.error) as error:
        raise ValueError(f'the canonical face model cannot be read: {error}') from None
    # There, y is up and z towards the camera.
    return CanonicalFace(points * (0.01, -0.01, -0.01), triangles, weights)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Fields of a message: number and value (integers, or bytes)."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(data):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
            continue
        if kind not in (2, 5):
            raise ValueError(f'wire type {kind} in field {number}')
        size = 4 if kind == 5 else varint()
        yield number, data[place : place + size]
        place += size
