# SPDX-License-Identifier: Apache-2.0
"""Follows one person's face from image to image."""

from __future__ import annotations

import cv2
import numpy as np

from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.layout import BRANCHES
from robot_face_gen.timing import SECOND_NS

from .action_units import ActionUnits, distances
from .geometry import CameraModel, HeadPose, gaze_angles, landmarks_68, pose_angles
from .networks import FaceNetworks, Region, region_of_mesh
from .one_euro import OneEuro

_PRESENT = 0.5  # less certain than this: no face
_SAME_FACE = 0.2  # regions that overlap more are of one face
_LOOK_AROUND_S = 1.0  # interval at which other faces are looked for while one is followed
_LARGER, _TAKEOVER_S = 1.5, 2.0  # another face takes over if it is so much larger for so long
_RETURN_S = 2.0  # for this long, only a face near the place where the person was lost is taken
_REMEMBER_S = 30.0  # a face that appears there until then is the same person
# Of the landmarks' One Euro filter; speeds are in regions (about 1.5 faces) a second.
_CUTOFF_HZ, _BETA = 5.0, 120.0


class FaceTracker:
    """Faces of one person in a sequence of images, as OpenFace reports them.

    Attributes:
        camera: of the images, may be set at any time; None: guessed from their size, and from the
            horizontal field of view (0.0: as OpenFace assumes).
        mesh: (478, 3) pixels, of the latest image; None without a face.
        persons: how many times a new person was chosen.
    """

    def __init__(
        self,
        networks: FaceNetworks,
        *,
        field_of_view_deg: float = 0.0,
        camera: CameraModel | None = None,
    ) -> None:
        self.camera = camera
        self.mesh: np.ndarray | None = None
        self.persons = 0
        self._networks, self._field_of_view_deg = networks, field_of_view_deg
        self._pose = HeadPose(networks.canonical_face)
        self._smooth = OneEuro(_CUTOFF_HZ, _BETA)
        self._units = ActionUnits()
        self._region: Region | None = None  # of the person in the latest image
        self._last: Region | None = None  # where the person was seen last
        self._seen_s = self._look_s = -np.inf
        self._larger_since_s: float | None = None

    def track(self, image: np.ndarray, stamp_ns: int) -> FaceFrame:
        """Find the person's face in an image (height, width, 3) uint8 BGR.

        Where there is none, values are NaN and `success` is False.
        """
        time_s = stamp_ns / SECOND_NS
        found, presence = self._find(image, time_s)
        height, width = image.shape[:2]
        values: dict[str, np.ndarray] = {
            name: np.full(size, np.nan, np.float32) for name, size in BRANCHES.items()
        }
        self.mesh = None
        if found is not None:
            # Speeds count in sizes of the face: the same smoothing near and far.
            mesh = self._smooth(found, time_s, region_of_mesh(found).side)
            try:
                values = self._describe(mesh, time_s, width, height)
                self.mesh = mesh
            except (cv2.error, np.linalg.LinAlgError):  # no head has such a shape
                self._region = None
        return FaceFrame(
            stamp_ns=stamp_ns, confidence=presence, success=self.mesh is not None,
            image_width=width, image_height=height, **values,
        )  # fmt: skip

    def _describe(
        self, mesh: np.ndarray, time_s: float, width: int, height: int
    ) -> dict[str, np.ndarray]:
        camera = self.camera or CameraModel.guess(width, height, self._field_of_view_deg)
        rotation, place = self._pose(mesh, camera)
        distance_m = float(place[2])
        measured = distances(mesh, rotation, 1e3 * distance_m / camera.focal)
        values = {
            'landmarks': landmarks_68(mesh)[:, :2].T.ravel(),
            'au': self._units(self._networks.blendshapes(mesh), measured, time_s),
            'pose': np.append(pose_angles(rotation), distance_m),
            'gaze': gaze_angles(mesh, rotation, distance_m, camera),
        }
        return {name: array.astype(np.float32) for name, array in values.items()}

    def _find(self, image: np.ndarray, time_s: float) -> tuple[np.ndarray | None, float]:
        """The person's mesh, and how certain it is that there is a face (0..1)."""
        if time_s < self._seen_s:  # the clock was set back, or a recording starts again
            self._seen_s = self._look_s = time_s
            self._larger_since_s = None
        presence = 0.0
        if self._region is not None:
            mesh, presence = self._networks.mesh(image, self._region)
            if presence >= _PRESENT:
                other = self._someone_larger(image, time_s)
                if other is None:
                    return self._follow(mesh, time_s), presence
                self._last = None  # a new person
                mesh, presence = self._networks.mesh(image, other)
                if presence >= _PRESENT:
                    return self._follow(mesh, time_s), presence
        self._region = None
        for region in self._candidates(image, time_s):
            mesh, presence = self._networks.mesh(image, region)
            if presence >= _PRESENT:
                return self._follow(mesh, time_s), presence
        return None, min(presence, _PRESENT)

    def _follow(self, mesh: np.ndarray, time_s: float) -> np.ndarray:
        region = region_of_mesh(mesh)
        if self._last is None or not (
            time_s - self._seen_s <= _REMEMBER_S and _near(region, self._last)
        ):
            self._units.reset()
            self._smooth.reset()
            self.persons += 1
            self._look_s = time_s + _LOOK_AROUND_S
        self._region = self._last = region
        self._seen_s = time_s
        return mesh

    def _candidates(self, image: np.ndarray, time_s: float) -> list[Region]:
        """Faces that may be the person, the largest first."""
        faces = sorted(self._networks.detect(image), key=lambda face: -face.side)
        if self._last is not None and time_s - self._seen_s <= _RETURN_S:
            return [face for face in faces if _near(face, self._last)]
        return faces

    def _someone_larger(self, image: np.ndarray, time_s: float) -> Region | None:
        """A face that takes over from the one that is followed."""
        if time_s < self._look_s or self._region is None:
            return None
        self._look_s = time_s + _LOOK_AROUND_S
        own, largest = self._region.side, None
        for face in self._networks.detect(image):
            if face.overlap(self._region) > _SAME_FACE:
                own = face.side
            elif largest is None or face.side > largest.side:
                largest = face
        if largest is None or largest.side < _LARGER * own:
            self._larger_since_s = None
        elif self._larger_since_s is None:
            self._larger_since_s = time_s
        elif time_s - self._larger_since_s >= _TAKEOVER_S:
            self._larger_since_s = None
            return largest
        return None


def _near(face: Region, last: Region) -> bool:
    """Whether a face may be the one that was seen before: not far away, of a similar size."""
    distance = np.hypot(face.x - last.x, face.y - last.y)
    return bool(distance < last.side and 0.5 < face.side / last.side < 2.0)
