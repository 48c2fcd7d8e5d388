# SPDX-License-Identifier: Apache-2.0
"""The three networks of MediaPipe's face landmarker, and what surrounds each of them.

`face_landmarker.task` is a zip file with a detector, a mesh of 478 landmarks, 52 blendshapes and
the canonical face model. The processing before and after each network follows MediaPipe's graphs
(https://github.com/google-ai-edge/mediapipe, `tasks/cc/vision/face_landmarker`, Apache-2.0). They
run on LiteRT, in this process; nothing is sent anywhere.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from robot_face_gen.extras import require
from robot_face_gen.models import store

from .canonical_face import MESH_POINTS, read_canonical_face

MODEL = 'face-landmarker'
_DETECTOR_PX, _MESH_PX = 128, 256
_MIN_DETECTION = 0.5
_MIN_OVERLAP = 0.3  # detections that overlap more (intersection over union) are one face
_REGION_SCALE = 1.5
_OUTER_EYES = (33, 263)  # of the mesh: outer corners, person's right and left eye
# The mesh points that the network of blendshapes takes.
_BLENDSHAPE_POINTS = np.array([
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65,
    66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136,
    144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172,
    173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283,
    284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324,
    332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385,
    386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472,
    473, 474, 475, 476, 477,
])  # fmt: skip
BLENDSHAPES = (
    '_neutral', 'browDownLeft', 'browDownRight', 'browInnerUp', 'browOuterUpLeft',
    'browOuterUpRight', 'cheekPuff', 'cheekSquintLeft', 'cheekSquintRight', 'eyeBlinkLeft',
    'eyeBlinkRight', 'eyeLookDownLeft', 'eyeLookDownRight', 'eyeLookInLeft', 'eyeLookInRight',
    'eyeLookOutLeft', 'eyeLookOutRight', 'eyeLookUpLeft', 'eyeLookUpRight', 'eyeSquintLeft',
    'eyeSquintRight', 'eyeWideLeft', 'eyeWideRight', 'jawForward', 'jawLeft', 'jawOpen',
    'jawRight', 'mouthClose', 'mouthDimpleLeft', 'mouthDimpleRight', 'mouthFrownLeft',
    'mouthFrownRight', 'mouthFunnel', 'mouthLeft', 'mouthLowerDownLeft', 'mouthLowerDownRight',
    'mouthPressLeft', 'mouthPressRight', 'mouthPucker', 'mouthRight', 'mouthRollLower',
    'mouthRollUpper', 'mouthShrugLower', 'mouthShrugUpper', 'mouthSmileLeft', 'mouthSmileRight',
    'mouthStretchLeft', 'mouthStretchRight', 'mouthUpperUpLeft', 'mouthUpperUpRight',
    'noseSneerLeft', 'noseSneerRight',
)  # fmt: skip


@dataclass(frozen=True)
class Region:
    """A rotated square of an image that holds a face."""

    x: float  # of the centre, pixels
    y: float  # of the centre, pixels
    side: float  # pixels
    angle: float = 0.0  # radians, positive where the person's left eye is lower in the image

    def to_square(self, side_px: int) -> np.ndarray:
        """(2, 3) transform from the image to a square of `side_px` pixels."""
        scale = side_px / self.side
        cos, sin = scale * np.cos(self.angle), scale * np.sin(self.angle)
        half = side_px / 2
        return np.array(
            [
                [cos, sin, half - cos * self.x - sin * self.y],
                [-sin, cos, half + sin * self.x - cos * self.y],
            ]
        )

    def overlap(self, other: Region) -> float:
        """Intersection over union, as if both were upright; 0..1."""
        reach = (self.side + other.side) / 2
        sides = min(self.side, other.side)
        width = min(reach - abs(self.x - other.x), sides)
        height = min(reach - abs(self.y - other.y), sides)
        both = max(width, 0.0) * max(height, 0.0)
        return both / (self.side**2 + other.side**2 - both)


def region_of_mesh(points: np.ndarray) -> Region:
    """Where to look for a face in the next image, from its mesh (478, 3) in pixels."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    x, y = (low + high) / 2
    right, left = points[_OUTER_EYES, :2]
    angle = np.arctan2(left[1] - right[1], left[0] - right[0])
    side = max(float((high - low).max()) * _REGION_SCALE, 1.0)
    return Region(float(x), float(y), side, float(angle))


class FaceNetworks:
    """The networks of a `face_landmarker.task`.

    Args:
        path: of the file; None: the one of the model store.
        threads: of each network.

    Raises:
        ImportError: LiteRT is not installed; one line says how to install it.
        FileNotFoundError: there is no such file; one line says how to get it.
        ValueError: it is another file.
    """

    def __init__(self, path: str | Path | None = None, *, threads: int = 1) -> None:
        litert = require('ai_edge_litert.interpreter', 'camera')
        found = Path(path) if path else store.find(MODEL)
        if found is None:
            raise FileNotFoundError(store.how_to_get(MODEL))
        try:
            with zipfile.ZipFile(found) as bundle, _without_info_lines():
                networks = [
                    _Network(litert, bundle.read(f'face_{name}.tflite'), threads)
                    for name in ('detector', 'landmarks_detector', 'blendshapes')
                ]
                geometry = bundle.read('geometry_pipeline_metadata_landmarks.binarypb')
        except (zipfile.BadZipFile, KeyError) as error:
            raise ValueError(
                f'{found}: no face_landmarker.task of MediaPipe ({error}): '
                f'`robot-face-gen models get {MODEL} --force` downloads it'
            ) from None
        self._detector, self._mesh, self._blendshapes = networks
        self.canonical_face = read_canonical_face(geometry)
        self._anchors = _anchors()

    def detect(self, image: np.ndarray) -> list[Region]:
        """Faces in an image (height, width, 3) BGR, the most certain first."""
        height, width = image.shape[:2]
        side = max(height, width)
        scale = _DETECTOR_PX / side
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        left, top = (_DETECTOR_PX - size[0]) // 2, (_DETECTOR_PX - size[1]) // 2
        square = np.zeros((_DETECTOR_PX, _DETECTOR_PX, 3), np.uint8)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        square[top : top + size[1], left : left + size[0]] = small
        boxes, scores = self._detector(square[None, :, :, ::-1].astype(np.float32) / 127.5 - 1.0)
        likely = 1 / (1 + np.exp(-scores[0, :, 0].clip(-50.0, 50.0)))
        keep = np.flatnonzero(likely >= _MIN_DETECTION)
        # Each row: centre, size, then six points (eyes, nose, mouth, ears), x and y.
        rows = boxes[0, keep].astype(np.float64) / _DETECTOR_PX
        rows[:, [0, *range(4, 16, 2)]] += self._anchors[keep, :1]
        rows[:, [1, *range(5, 16, 2)]] += self._anchors[keep, 1:]
        regions = []
        for row in _merged(rows, likely[keep]):
            pixels = (row * _DETECTOR_PX).reshape(8, 2)
            x, y = (pixels[0] - (left, top)) / scale
            eyes = pixels[3] - pixels[2]
            regions.append(
                Region(
                    float(x),
                    float(y),
                    float(pixels[1].max() / scale) * _REGION_SCALE,
                    float(np.arctan2(eyes[1], eyes[0])),
                )
            )
        return regions

    def mesh(self, image: np.ndarray, region: Region) -> tuple[np.ndarray, float]:
        """The mesh (478, 3) float64 of the face in a region of an image (height, width, 3) BGR.

        Its x and y are pixels of the image, z too, smaller towards the camera. Also returns how
        certain it is that there is a face, 0..1.
        """
        transform = region.to_square(_MESH_PX)
        square = cv2.warpAffine(
            image, transform, (_MESH_PX, _MESH_PX), borderMode=cv2.BORDER_REPLICATE
        )
        found, presence, *_ = self._mesh(square[None, :, :, ::-1].astype(np.float32) / 255.0)
        points = found.reshape(MESH_POINTS, 3).astype(np.float64)
        scale = region.side / _MESH_PX
        cos, sin = scale * np.cos(region.angle), scale * np.sin(region.angle)
        x, y = (points[:, :2] - _MESH_PX / 2).T
        mesh = np.column_stack(
            (cos * x - sin * y + region.x, sin * x + cos * y + region.y, points[:, 2] * scale)
        )
        certain = 1 / (1 + np.exp(-presence.item()))
        return mesh, float(certain) if _is_plausible(points) else 0.0

    def blendshapes(self, mesh: np.ndarray) -> np.ndarray:
        """(52,) float32, 0..1 in the order of BLENDSHAPES, from a mesh (478, 3) in pixels."""
        points = mesh[_BLENDSHAPE_POINTS, :2].astype(np.float32)
        return self._blendshapes(points[None])[0]


def _is_plausible(points: np.ndarray) -> bool:
    """Whether a mesh (478, 3) in the network's pixels has the size of a face."""
    # False for NaN, too.
    sides = np.ptp(points[:, :2], axis=0)
    return bool(sides.min() > _MESH_PX / 16 and np.abs(points).max() < 4 * _MESH_PX)


class _Network:
    """One network: an array in, its outputs out, which the next call overwrites."""

    def __init__(self, litert: Any, model: bytes, threads: int) -> None:
        self._interpreter = litert.Interpreter(model_content=model, num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]['index']
        self._outputs = [each['index'] for each in self._interpreter.get_output_details()]

    def __call__(self, values: np.ndarray) -> list[np.ndarray]:
        self._interpreter.set_tensor(self._input, values)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


@contextlib.contextmanager
def _without_info_lines() -> Iterator[None]:
    """Keep LiteRT's INFO lines off stderr: its C++ library writes them, and has no option."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        before = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            kept.seek(0)
            for line in kept.read().decode(errors='replace').splitlines():
                if not line.startswith('INFO:'):
                    print(line, file=sys.stderr)


def _anchors() -> np.ndarray:
    """(896, 2) centres of the detector's boxes, 0..1: two a cell of 8 pixels, six of 16."""
    parts = []
    for stride, count in ((8, 2), (16, 6)):
        cells = _DETECTOR_PX // stride
        y, x = np.divmod(np.arange(cells * cells), cells)
        parts.append(np.repeat((np.column_stack((x, y)) + 0.5) / cells, count, axis=0))
    return np.concatenate(parts)


def _merged(rows: np.ndarray, scores: np.ndarray) -> list[np.ndarray]:
    """Non-maximum suppression: rows (n, 16) that overlap become their mean, weighted by score."""
    merged = []
    left = np.argsort(-scores)
    low, high = rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2
    area = np.prod(high - low, axis=1)
    while left.size:
        best = left[0]
        sides = np.minimum(high[left], high[best]) - np.maximum(low[left], low[best])
        both = np.prod(sides.clip(0.0), axis=1)
        same = both > _MIN_OVERLAP * (area[left] + area[best] - both)
        same[0] = True
        weights = scores[left[same]]
        merged.append(weights @ rows[left[same]] / weights.sum())
        left = left[~same]
    return merged
