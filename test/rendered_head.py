# SPDX-License-Identifier: Apache-2.0
"""Draws a head from the canonical face model, turned and deformed by known amounts."""

import cv2
import numpy as np

# Rings of the mesh.
_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
_MOUTH = (
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95,
)  # fmt: skip
_UPPER_LIDS = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133),
    (263, 466, 388, 387, 386, 385, 384, 398, 362),
)
_LOWER_LIDS = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133),
    (263, 249, 390, 373, 374, 380, 381, 382, 362),
)
_BROWS = (
    (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
)
_NOSTRILS = ((98, 97, 99), (327, 326, 328))
_LOWER_FACE = (17, 84, 181, 91, 146, 314, 405, 321, 375, 14, 87, 178, 88, 95, 317, 402, 318, 324)

_SKIN, _HAIR, _LIP, _DARK = (150, 172, 218), (32, 40, 56), (92, 92, 186), (30, 26, 44)
_SHARP = 2  # supersampling


def rotation(pitch=0.0, yaw=0.0, roll=0.0):
    """OpenFace's: Rx Ry Rz, radians; x right, y down, z away from the camera."""
    x, y, z = (cv2.Rodrigues(np.array(v))[0] for v in ((pitch, 0, 0), (0, yaw, 0), (0, 0, roll)))
    return x @ y @ z


class Head:
    """A head that can be drawn."""

    def __init__(self, canonical_face):
        self._points, self._triangles = canonical_face.points, canonical_face.triangles

    def deformed(self, blink=0.0, smile=0.0, jaw=0.0, brows=0.0):
        """(468, 3) points in metres; each argument 0..1."""
        points = self._points.copy()
        for upper, lower in zip(_UPPER_LIDS, _LOWER_LIDS, strict=True):
            points[list(upper)] += blink * (points[list(lower)] - points[list(upper)])
        for corner, out in ((61, -1), (291, 1)):
            near = np.exp(
                -((np.linalg.norm(self._points - self._points[corner], axis=1) / 0.014) ** 2)
            )
            points += smile * near[:, None] * (out * 0.008, -0.010, 0.002)
        chin = np.exp(-((np.linalg.norm(self._points - self._points[17], axis=1) / 0.03) ** 2))
        chin[list(_MOUTH[:11])] = chin[list(_LIPS[:11])] = 0.0
        chin[self._points[:, 1] < self._points[13, 1]] = 0.0
        points[:, 1] += jaw * 0.025 * chin
        for brow in _BROWS:
            near = np.exp(
                -(
                    (
                        np.linalg.norm(
                            self._points[:, None] - self._points[list(brow)], axis=2
                        ).min(1)
                        / 0.01
                    )
                    ** 2
                )
            )
            points[:, 1] -= brows * 0.008 * near
        return points

    def draw(
        self, turn, place, camera, width=640, height=480, gaze=(0.0, 0.0), image=None, **deform
    ):
        """An image (height, width, 3) BGR.

        Args:
            turn: (3, 3) rotation.
            place: (3,) metres.
            camera: `CameraModel`.
            width: pixels.
            height: pixels.
            gaze: of the eyes in the head, radians, right and down.
            image: to draw into.
            deform: of `deformed`.
        """
        s = _SHARP
        if image is None:
            image = np.full((height, width, 3), (150, 140, 130), np.uint8)
        canvas = cv2.resize(image, None, fx=s, fy=s, interpolation=cv2.INTER_NEAREST)

        def project(points):
            seen = points @ turn.T + place
            return s * (
                camera.focal * seen[:, :2] / seen[:, 2:] + (camera.centre_x, camera.centre_y)
            ), seen

        def fill(points, colour):
            cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)

        # Skull and neck: the outlines of clouds of points.
        sphere = np.stack(np.meshgrid(*[np.linspace(-1, 1, 15)] * 3), -1).reshape(-1, 3)
        sphere /= np.linalg.norm(sphere, axis=1, keepdims=True) + 1e-9
        neck = sphere * (0.055, 0.09, 0.055) + (0.0, 0.11, 0.07)
        skull = sphere * (0.080, 0.105, 0.09) + (0.0, -0.035, 0.045)
        for cloud, colour in ((neck, tuple(0.8 * np.array(_SKIN))), (skull, _HAIR)):
            hull = cv2.convexHull(project(cloud)[0].astype(np.float32))[:, 0]
            fill(hull, colour)
        points = self.deformed(**deform)
        pixels, seen = project(points)
        corners = seen[self._triangles]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
        facing = (normals * corners.mean(1)).sum(1)
        sign = np.sign(np.median((normals * corners.mean(1)).sum(1)))
        light = np.array((0.3, -0.5, -0.8)) / np.linalg.norm((0.3, -0.5, -0.8))
        shade = 0.55 + 0.5 * np.clip((-sign * normals) @ -light * -1, 0, 1)
        order = np.argsort(-corners[:, :, 2].mean(1))
        for index in order:
            if facing[index] * sign > 0:
                fill(
                    pixels[self._triangles[index]],
                    tuple(float(c) for c in np.clip(shade[index] * np.array(_SKIN), 0, 255)),
                )
        ring = lambda indices: pixels[list(indices)]  # noqa: E731
        fill(ring(_LIPS), _LIP)
        fill(ring(_MOUTH), _DARK)
        for brow in _BROWS:
            fill(ring(brow), _HAIR)
        for nostril in _NOSTRILS:
            fill(ring(nostril), _DARK)
        for upper, lower in zip(_UPPER_LIDS, _LOWER_LIDS, strict=True):
            eye = ring((*upper, *lower[-2:0:-1]))
            mask = np.zeros(canvas.shape[:2], np.uint8)
            cv2.fillPoly(mask, [np.round(eye * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
            white = canvas.copy()
            white[:] = (225, 228, 232)
            middle = self._points[[upper[0], upper[-1]]].mean(0) + np.array((0, -0.002, 0.006))
            look = np.array((np.sin(gaze[0]), np.sin(gaze[1]), -np.cos(gaze[0]) * np.cos(gaze[1])))
            iris, at = project((middle + 0.012 * look)[None])
            radius = s * camera.focal * 0.0058 / at[0, 2]
            for size, colour in ((1.0, (70, 90, 110)), (0.5, (15, 15, 15))):
                cv2.circle(
                    white,
                    tuple(np.round(iris[0] * 16).astype(int)),
                    round(radius * size * 16),
                    colour,
                    -1,
                    cv2.LINE_AA,
                    4,
                )
            canvas[mask > 0] = white[mask > 0]
            cv2.polylines(
                canvas,
                [np.round(ring(upper) * 16).astype(np.int32)],
                False,
                _DARK,
                s,
                cv2.LINE_AA,
                4,
            )
        return cv2.resize(canvas, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_AREA)
