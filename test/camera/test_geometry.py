# SPDX-License-Identifier: Apache-2.0
"""Angles, distance and landmarks of heads that are projected exactly."""

import numpy as np
import pytest
from rendered_head import rotation

from robot_face_gen.camera.geometry import (
    CameraModel,
    HeadPose,
    gaze_angles,
    landmarks_68,
    pose_angles,
)

# OpenFace's landmarks, each with the one on the other side of the face.
MIRRORED = [
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
]  # fmt: skip


def project(points, turn, place, camera):
    """A mesh as the network gives it: x and y in pixels, depth in pixels from the mean."""
    seen = points @ turn.T + place
    scale = camera.focal / place[2]
    x = camera.focal * seen[:, 0] / seen[:, 2] + camera.centre_x
    y = camera.focal * seen[:, 1] / seen[:, 2] + camera.centre_y
    return np.column_stack((x, y, (seen[:, 2] - place[2]) * scale))


def with_irises(points, look):
    """468 points and the irises, whose centres lie on spheres that are turned by `look`."""
    irises = []
    for corners in ((33, 133), (263, 362)):
        middle = points[list(corners)].mean(axis=0)
        centre = middle + np.array((*0.012 * np.sin(look), 0.0)) - (0.0, 0.002, 0.0)
        irises += [centre] * 5
    return np.concatenate((points, irises))


def test_a_camera_is_guessed_as_openface_guesses_it():
    assert CameraModel.guess(640, 480) == CameraModel(500.0, 320.0, 240.0)
    assert CameraModel.guess(1280, 720).focal == pytest.approx((1000 + 750) / 2)
    assert CameraModel.guess(640, 480, 90.0).focal == pytest.approx(320.0)


@pytest.mark.parametrize('axis', range(3))
@pytest.mark.parametrize('angle', [-0.5, -0.2, 0.2, 0.5])
def test_a_rotation_about_one_axis_has_its_sign_and_size(face_networks, axis, angle):
    face, camera = face_networks.canonical_face, CameraModel.guess(640, 480)
    turn = rotation(*np.eye(3)[axis] * angle)
    mesh = project(with_irises(face.points, (0, 0)), turn, np.array((0.05, -0.02, 0.7)), camera)
    found, place = HeadPose(face)(mesh, camera)
    change = pose_angles(found) - pose_angles(HeadPose(face)(
        project(with_irises(face.points, (0, 0)), np.eye(3), np.array((0.05, -0.02, 0.7)), camera),
        camera,
    )[0])  # fmt: skip
    expected = np.eye(3)[axis] * angle * ((1.35, 1.0, 1.0)[axis])
    assert np.allclose(change, expected, atol=0.15 * abs(angle) + 0.02)
    # OpenFace's model is smaller, so that the head seems to be nearer.
    assert place[2] == pytest.approx(0.88 * 0.7, rel=0.02)


def test_nose_down_is_positive_pitch_and_nose_to_the_left_of_the_image_positive_yaw(face_networks):
    nose, camera = face_networks.canonical_face.points[[1]], CameraModel.guess(640, 480)
    place = np.array((0.0, 0.0, 0.7))
    straight = project(nose, np.eye(3), place, camera)[0]
    assert project(nose, rotation(pitch=0.3), place, camera)[0, 1] > straight[1] + 10
    assert project(nose, rotation(yaw=0.3), place, camera)[0, 0] < straight[0] - 10
    eyes = face_networks.canonical_face.points[[33, 263]]  # left and right in the image
    left, right = project(eyes, rotation(roll=0.3), place, camera)
    assert right[1] > left[1] + 10


@pytest.mark.parametrize('sign', [(1, 0), (0, 1), (-1, 0), (0, -1)])
@pytest.mark.parametrize('turn', [rotation(), rotation(yaw=0.3, roll=0.2)])
def test_gaze_follows_the_eyes(face_networks, sign, turn):
    face, camera = face_networks.canonical_face, CameraModel.guess(640, 480)
    place = np.array((0.0, 0.0, 0.7))

    def gaze(look):
        mesh = project(with_irises(face.points, look), turn, place, camera)
        return gaze_angles(mesh, turn, 0.7, camera)

    change = gaze(0.3 * np.array(sign)) - gaze((0, 0))
    assert np.allclose(change, 0.4 * np.sin(0.3) * np.array(sign), atol=0.04)


def test_gaze_follows_the_head_and_a_straight_face_looks_ahead(face_networks):
    face, camera = face_networks.canonical_face, CameraModel.guess(640, 480)
    place = np.array((0.0, 0.0, 0.7))

    def gaze(turn):
        mesh = project(with_irises(face.points, (0, 0)), turn, place, camera)
        return gaze_angles(mesh, turn, 0.7, camera)

    assert np.allclose(gaze(np.eye(3)), 0.0, atol=0.03)
    assert gaze(rotation(yaw=0.3))[0] < -0.15  # to the left of the image
    assert gaze(rotation(pitch=0.3))[1] > 0.15  # down


def test_landmarks_are_symmetric_and_in_openface_s_order(face_networks):
    points = landmarks_68(face_networks.canonical_face.points)
    assert np.allclose(points[MIRRORED] * (-1, 1, 1), points, atol=1e-4)
    x, y = points[:, 0], points[:, 1]
    assert (np.diff(x[:17]) > 0).all()  # the jaw from the image's left to its right
    assert (np.diff(x[17:27]) > 0).all()  # both brows
    assert (np.diff(y[27:31]) > 0).all()  # down the nose
    assert (np.diff(x[31:36]) > 0).all()
    assert (np.diff(x[[36, 37, 38, 39, 42, 43, 44, 45]]) > 0).all()  # upper lids
    assert (y[[37, 38, 43, 44]] < y[[41, 40, 47, 46]]).all()
    assert (np.diff(x[48:55]) > 0).all() and (np.diff(x[54:60]) < 0).all()  # lips, clockwise
    assert (np.diff(x[60:65]) > 0).all() and (np.diff(x[64:68]) < 0).all()
    assert y[8] == y.max()
