# SPDX-License-Identifier: Apache-2.0
"""From a mesh of 478 points to OpenFace's landmarks, head pose and gaze.

OpenFace's axes: x to the right of the image, y down, z away from the camera. Rotations are
R = Rx Ry Rz: a positive pitch (Rx) turns the nose down, a positive yaw (Ry) turns it to the left
of the image, a positive roll (Rz) turns the head clockwise in the image. Gaze angles are positive
to the right of the image and downwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from .canonical_face import CanonicalFace

# OpenFace's 68 points, each between two points of the mesh: (a, b, weight of b). The map is
# symmetric. It was chosen so that the points lie where OpenFace puts them on average, on four
# public clips of four people; the usual one-to-one map differs by a third more.
_LANDMARKS = (
    # jaw
    (127, 162, 0.25), (227, 234, 0.5), (93, 177, 0.25), (58, 177, 0.5), (58, 172, 0.5),
    (135, 136, 0.75), (149, 150, 0.5), (148, 176, 0.5), (152, 152, 0.0), (377, 400, 0.5),
    (378, 379, 0.5), (364, 365, 0.75), (288, 397, 0.5), (288, 401, 0.5), (323, 401, 0.25),
    (447, 454, 0.5), (356, 389, 0.25),
    # brows
    (70, 156, 0.25), (63, 105, 0.25), (66, 105, 0.75), (66, 107, 0.25), (55, 107, 0.75),
    (285, 336, 0.75), (296, 336, 0.25), (296, 334, 0.75), (293, 334, 0.25), (300, 383, 0.25),
    # nose
    (8, 168, 0.75), (6, 197, 0.5), (3, 248, 0.5), (4, 5, 0.25), (75, 235, 0.5), (99, 242, 0.25),
    (97, 326, 0.5), (328, 462, 0.25), (305, 455, 0.5),
    # eyes
    (33, 246, 0.25), (159, 160, 0.75), (56, 158, 0.75), (173, 173, 0.0), (145, 153, 0.75),
    (144, 163, 0.25), (398, 398, 0.0), (286, 385, 0.75), (386, 387, 0.75), (263, 466, 0.25),
    (373, 390, 0.25), (374, 380, 0.75),
    # lips, outside
    (57, 185, 0.5), (39, 40, 0.5), (37, 37, 0.0), (0, 0, 0.0), (267, 267, 0.0), (269, 270, 0.5),
    (287, 409, 0.5), (321, 404, 0.25), (314, 315, 0.75), (16, 17, 0.5), (84, 85, 0.75),
    (91, 180, 0.25),
    # lips, inside
    (62, 183, 0.25), (41, 82, 0.75), (13, 13, 0.0), (271, 312, 0.75), (292, 407, 0.25),
    (317, 402, 0.25), (14, 14, 0.0), (87, 178, 0.25),
)  # fmt: skip
_FIRST = np.array([first for first, _, _ in _LANDMARKS])
_SECOND = np.array([second for _, second, _ in _LANDMARKS])
_SHARE = np.array([share for _, _, share in _LANDMARKS])[:, None]

# OpenFace's model of a face is smaller than the canonical one: with this factor the distances
# (Tz) agree on the four clips.
_OPENFACE_SIZE = 0.88
# The mesh's depth is a guess of the network, larger than that of the canonical face.
_DEPTH_GAIN = 0.85
# The network's mesh pitches less than the head does, as a rendered head shows.
_PITCH_GAIN = 1.35
# Corners of the eyes (outer, inner) and the centre of the iris, person's right then left eye.
_EYES = np.array([(33, 133, 468), (263, 362, 473)])
_EYEBALL_RADIUS_M = 0.012
_IRIS_ABOVE_CORNERS_M = 0.002  # of an eye that looks straight ahead
# OpenFace's gaze follows the head more, and the eyes less, than the irises suggest.
_HEAD_GAIN, _EYE_GAIN = 0.75, 0.4


@dataclass(frozen=True)
class CameraModel:
    """A pinhole camera; all in pixels."""

    focal: float
    centre_x: float
    centre_y: float

    @classmethod
    def guess(cls, width: int, height: int, field_of_view_deg: float = 0.0) -> CameraModel:
        """A camera of which only the size of its images is known.

        The field of view is horizontal; 0.0: OpenFace's assumption, 65 degrees at 4:3.
        """
        focal = (width / 640 + height / 480) * 250
        if field_of_view_deg > 0.0:
            focal = width / 2 / math.tan(math.radians(field_of_view_deg) / 2)
        return cls(focal, width / 2, height / 2)

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) intrinsic matrix."""
        return np.array(
            [[self.focal, 0, self.centre_x], [0, self.focal, self.centre_y], [0, 0, 1.0]]
        )


def landmarks_68(mesh: np.ndarray) -> np.ndarray:
    """OpenFace's landmarks (68, k) from a mesh (478, k)."""
    return mesh[_FIRST] + _SHARE * (mesh[_SECOND] - mesh[_FIRST])


class HeadPose:
    """Estimates rotation and distance of a head.

    The rotation is the mean of two estimates that fail in different ways: one fits the image
    (perspective-n-point), the other also uses the depth that the network guesses. The points of
    the canonical face that have a weight are fitted.
    """

    def __init__(self, face: CanonicalFace) -> None:
        self._use = np.flatnonzero(face.weights > 0)
        self._weights = face.weights[self._use] / face.weights.sum()
        self._points = face.points[self._use] * _OPENFACE_SIZE

    def __call__(self, mesh: np.ndarray, camera: CameraModel) -> tuple[np.ndarray, np.ndarray]:
        """Rotation (3, 3) and position (3,) in metres from a mesh (478, 3) in pixels.

        Raises:
            LinAlgError, cv2.error: the mesh has no possible shape.
        """
        points = mesh[self._use]
        image, matrix = np.ascontiguousarray(points[:, :2]), camera.matrix
        found, turn, place = cv2.solvePnP(
            self._points, image, matrix, None, flags=cv2.SOLVEPNP_SQPNP
        )
        if not found:
            raise np.linalg.LinAlgError('no pose fits the mesh')
        turn, place = cv2.solvePnPRefineLM(self._points, image, matrix, None, turn, place)
        rotation = cv2.Rodrigues(turn)[0]
        between = cv2.Rodrigues(rotation.T @ self._with_depth(points, camera))[0]
        return rotation @ cv2.Rodrigues(between / 2)[0], place[:, 0]

    def _with_depth(self, points: np.ndarray, camera: CameraModel) -> np.ndarray:
        """Rotation that fits points (n, 3) of which the depth relative to their mean is known."""
        depth = _DEPTH_GAIN * points[:, 2]
        depth = depth - self._weights @ depth
        rays = (points[:, :2] - (camera.centre_x, camera.centre_y)) / camera.focal
        rotation, scale = self._fit(np.column_stack((points[:, :2], depth)))
        for _ in range(2):  # with perspective: far points are larger than they look
            z = camera.focal / scale + depth / scale
            rotation, more = self._fit(np.column_stack((rays * z[:, None], z)))
            scale *= more
        return rotation

    def _fit(self, points: np.ndarray) -> tuple[np.ndarray, float]:
        """Rotation and scale that turn the canonical points into `points` (n, 3); Umeyama 1991."""
        model = self._points - self._weights @ self._points
        moved = points - self._weights @ points
        left, sizes, right = np.linalg.svd((moved * self._weights[:, None]).T @ model)
        flip = np.array([1.0, 1.0, np.linalg.det(left @ right)])
        scale = (sizes * flip).sum() / (self._weights @ np.square(model).sum(axis=1))
        return (left * flip) @ right, float(scale)


def pose_angles(rotation: np.ndarray) -> np.ndarray:
    """(3,) pitch, yaw and roll in radians of a rotation Rx Ry Rz, as OpenFace would report it."""
    return np.array(
        [
            _PITCH_GAIN * math.atan2(-rotation[1, 2], rotation[2, 2]),
            math.asin(min(max(rotation[0, 2], -1.0), 1.0)),
            math.atan2(-rotation[0, 1], rotation[0, 0]),
        ]
    )


def gaze_angles(
    mesh: np.ndarray, rotation: np.ndarray, distance_m: float, camera: CameraModel
) -> np.ndarray:
    """(2,) gaze in radians, as OpenFace would report it.

    From a mesh (478, 3) in pixels, and the rotation (3, 3) and distance of the head.
    """
    corners, iris = mesh[_EYES[:, :2], :2].mean(axis=1), mesh[_EYES[:, 2], :2]
    offset = (iris - corners).mean(axis=0) * distance_m / camera.focal
    # In the face's own axes; a head in profile has no usable iris.
    plane = rotation[:2, :2]
    if abs(np.linalg.det(plane)) < 0.3:
        eye = np.zeros(2)
    else:
        eye = np.linalg.solve(plane, offset)
        eye[1] += _IRIS_ABOVE_CORNERS_M
    pitch, yaw, _ = pose_angles(rotation)
    return _HEAD_GAIN * np.array([-yaw, pitch]) + _EYE_GAIN * eye / _EYEBALL_RADIUS_M
