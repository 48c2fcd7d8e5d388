# SPDX-License-Identifier: Apache-2.0
"""The networks on rendered heads; what they find is known exactly."""

import os
import zipfile

import cv2
import numpy as np
import pytest
from rendered_head import rotation

from robot_face_gen.camera.geometry import CameraModel
from robot_face_gen.camera.networks import (
    BLENDSHAPES,
    FaceNetworks,
    Region,
    _without_info_lines,
    region_of_mesh,
)

CAMERA = CameraModel.guess(640, 480)
EYES, NOSE, MOUTH = (33, 133, 263, 362), (1, 4, 5), (61, 291, 0, 17)


def draw(head, place=(0.0, 0.0, 0.6), turn=None, **more):
    return head.draw(rotation() if turn is None else turn, np.array(place), CAMERA, **more)


def test_a_face_is_found_where_it_is(face_networks, head):
    (region,) = face_networks.detect(draw(head, (0.10, -0.03, 0.7)))
    assert abs(region.x - (320 + 500 * 0.10 / 0.7)) < 15
    assert abs(region.y - (240 - 500 * 0.03 / 0.7)) < 25
    assert 100 < region.side < 250 and abs(region.angle) < 0.1


def test_the_region_turns_with_the_head(face_networks, head):
    (region,) = face_networks.detect(draw(head, turn=rotation(roll=0.5)))
    assert region.angle == pytest.approx(0.5, abs=0.1)


def test_every_face_is_found_once(face_networks, head):
    image = draw(head, (-0.18, 0.0, 0.8))
    faces = face_networks.detect(draw(head, (0.18, 0.0, 0.6), image=image))
    assert len(faces) == 2
    left, right = sorted(faces, key=lambda face: face.x)
    assert right.side > 1.1 * left.side and left.overlap(right) == 0.0


@pytest.mark.parametrize('kind', ['empty', 'noise', 'stripes'])
def test_there_is_no_face_where_none_is(face_networks, kind):
    image = np.full((480, 640, 3), 127, np.uint8)
    if kind == 'noise':
        image[:] = np.random.default_rng(0).integers(0, 256, image.shape)
    elif kind == 'stripes':
        image[:, ::16] = image[::24] = 255
    for face in face_networks.detect(image):
        assert face_networks.mesh(image, face)[1] < 0.5
    assert face_networks.mesh(image, Region(320, 240, 200))[1] < 0.5


@pytest.mark.parametrize('turn', [{}, {'roll': 0.6}, {'yaw': 0.3}, {'yaw': -0.3}, {'pitch': 0.2}])
def test_the_mesh_lies_on_the_face(face_networks, head, turn):
    turn, place = rotation(**turn), np.array((0.05, 0.02, 0.6))
    image = head.draw(turn, place, CAMERA)
    (region,) = face_networks.detect(image)
    mesh, presence = face_networks.mesh(image, region)
    assert presence > 0.9
    mesh, presence = face_networks.mesh(image, region_of_mesh(mesh))
    seen = head.deformed() @ turn.T + place
    pixels = seen[:, :2] / seen[:, 2:] * CAMERA.focal + (CAMERA.centre_x, CAMERA.centre_y)
    eyes = np.linalg.norm(pixels[33] - pixels[263])
    error = np.linalg.norm(mesh[:468, :2] - pixels, axis=1) / eyes
    for part in (EYES, NOSE, MOUTH):
        assert error[list(part)].mean() < 0.06
    # Depth is smaller towards the camera: the nose is before the ears.
    assert mesh[4, 2] < mesh[[127, 356], 2].min() - 0.3 * eyes


def test_a_face_at_the_image_s_edge_is_still_a_face(face_networks, head):
    image = draw(head, (-0.30, 0.0, 0.6))[:, :400]
    (region,) = face_networks.detect(image)
    assert face_networks.mesh(image, region)[1] > 0.5


def test_the_blendshapes_do_not_depend_on_place_and_size(face_networks, head):
    shapes = []
    for place in ((0.0, 0.0, 0.5), (0.15, 0.05, 0.8)):
        image = draw(head, place, smile=1.0)
        mesh, _ = face_networks.mesh(image, face_networks.detect(image)[0])
        shapes.append(
            face_networks.blendshapes(face_networks.mesh(image, region_of_mesh(mesh))[0])
        )
    smile = BLENDSHAPES.index('mouthSmileLeft')
    assert min(s[smile] for s in shapes) > 0.5 and len(BLENDSHAPES) == len(shapes[0]) == 52
    assert np.abs(shapes[0] - shapes[1]).max() < 0.35


def test_a_region_maps_its_corners_to_the_square_s():
    region = Region(100.0, 60.0, 80.0, np.pi / 2)
    transform = region.to_square(256)
    assert np.allclose(transform @ (100, 60, 1), (128, 128))
    # Turned by a quarter, the square's right side is the image's lower one.
    assert np.allclose(transform @ (100, 100, 1), (256, 128))


@pytest.mark.parametrize(
    ('other', 'expected'),
    [(Region(0, 0, 10), 1.0), (Region(5, 0, 10), 1 / 3), (Region(20, 0, 10), 0.0),
     (Region(0, 0, 5), 0.25), (Region(-5, 5, 10), 1 / 7)],
)  # fmt: skip
def test_overlap_is_intersection_over_union(other, expected):
    assert Region(0, 0, 10).overlap(other) == pytest.approx(expected)
    assert other.overlap(Region(0, 0, 10)) == pytest.approx(expected)


def test_litert_says_nothing_but_what_is_wrong(face_networks, capfd):
    FaceNetworks()
    with _without_info_lines():
        os.write(2, b'INFO: Created a delegate\nERROR: no memory\n')
    assert capfd.readouterr().err == 'ERROR: no memory\n'


def test_another_file_is_refused_in_one_line(face_networks, tmp_path):
    text = tmp_path / 'face_landmarker.task'
    text.write_text('not a zip file')
    with pytest.raises(ValueError, match=r'face_landmarker.task: no face_landmarker.task of Med'):
        FaceNetworks(text)
    with zipfile.ZipFile(text, 'w') as bundle:
        bundle.writestr('hand_detector.tflite', b'')
    with pytest.raises(ValueError, match='models get face-landmarker --force'):
        FaceNetworks(text)


def test_a_missing_file_is_named_with_the_command_that_gets_it(
    face_networks, tmp_path, monkeypatch
):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    with pytest.raises(FileNotFoundError, match='robot-face-gen models get face-landmarker'):
        FaceNetworks()


def test_the_networks_get_red_green_and_blue(face_networks, monkeypatch):
    image = np.zeros((100, 100, 3), np.uint8)
    image[:] = (255, 51, 0)  # BGR
    for name, call, expected in (
        ('_detector', lambda: face_networks.detect(image), (-1.0, -0.6, 1.0)),
        ('_mesh', lambda: face_networks.mesh(image, Region(50, 50, 60)), (0.0, 0.2, 1.0)),
    ):
        network, got = getattr(face_networks, name), []
        monkeypatch.setattr(
            face_networks, name, lambda x, n=network, g=got: (g.append(x), n(x))[1]
        )
        call()
        assert np.allclose(got[0][0, 60, 60], expected, atol=0.01)


def test_the_image_is_not_changed(face_networks, head):
    image = draw(head)
    before = image.copy()
    face_networks.mesh(image, face_networks.detect(image)[0])
    assert (image == before).all()
    # A view in another layout gives the same.
    turned = cv2.rotate(cv2.rotate(image, cv2.ROTATE_180), cv2.ROTATE_180)
    assert face_networks.detect(turned[:, :, :]) == face_networks.detect(image)
