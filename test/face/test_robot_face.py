# SPDX-License-Identifier: Apache-2.0
"""The drawn robot: each action is visible in its part of the face, for any values."""

import numpy as np
import pytest
from drawn_faces import make_face

from robot_face_gen.face.drawing import curve
from robot_face_gen.face.robot_face import draw_contours, draw_robot, place_points

SIDE = 224


def draw(face):
    image = np.full((SIDE, SIDE, 3), 40, np.uint8)
    draw_robot(image, face, SIDE, (0.0, 0.0))
    return image.astype(int)


def changed(a, b):
    """Rows and columns (0..1) of the pixels that differ between two pictures."""
    rows, columns = np.nonzero(np.abs(draw(a) - draw(b)).sum(axis=2) > 60)
    return rows / SIDE, columns / SIDE


@pytest.mark.parametrize(
    ('unit', 'highest', 'lowest'),
    [
        ('AU12', 0.55, 0.9),  # the smile is at the mouth and the cheeks
        ('AU45', 0.3, 0.5),  # the blink at the eyes
        ('AU26', 0.6, 1.0),  # the jaw below
        ('AU01', 0.1, 0.3),  # the brows above
        ('AU04', 0.1, 0.35),
    ],
)
def test_an_action_unit_changes_its_part_of_the_face(unit, highest, lowest):
    rows, _ = changed(make_face(), make_face(**{unit: 3.0}))
    assert len(rows) > 30
    assert highest < np.median(rows) < lowest


def test_eyes_close_and_the_mouth_opens():
    white = np.array([255, 255, 255])

    def whiteness(face, rows):
        part = draw(face)[rows]
        return int((np.abs(part - white).sum(axis=2) < 20).sum())

    eyes = slice(int(0.33 * SIDE), int(0.47 * SIDE))
    assert whiteness(make_face(AU45=3.5), eyes) < 0.2 * whiteness(make_face(), eyes)
    mouth = slice(int(0.6 * SIDE), int(0.78 * SIDE))
    middle = slice(int(0.38 * SIDE), int(0.62 * SIDE))
    dark = [
        int((draw(face)[mouth, middle].sum(axis=2) < 260).sum())
        for face in (make_face(), make_face(AU26=4, AU25=4))
    ]
    assert dark[1] > dark[0] + 20


def test_the_eyes_are_whole():
    face = make_face()
    points = place_points(face['landmarks'], SIDE, (0.0, 0.0))
    rows, columns = np.nonzero((draw(face) > 245).all(axis=2))
    for eye in (points[36:42], points[42:48]):
        x, y = eye.mean(axis=0)
        near = (np.abs(rows - y) < 20) & (np.abs(columns - x) < 30)
        for white, middle, half in ((columns[near], x, 18.5), (rows[near], y, 15.0)):
            assert white.min() - middle == pytest.approx(-half, abs=1.0)
            assert white.max() - middle == pytest.approx(half, abs=1.0)


def test_a_frown_lowers_the_inner_ends_of_the_brows():
    def ends(face):
        """Middle row of the left brow's outer and inner end."""
        picture, rows = draw(face), []
        for left, right in ((0.2, 0.26), (0.4, 0.44)):
            part = picture[: int(0.36 * SIDE), int(left * SIDE) : int(right * SIDE)]
            rows.append(np.nonzero(np.abs(part - (92, 70, 56)).sum(axis=2) < 12)[0].mean())
        return rows

    calm, frown = ends(make_face()), ends(make_face(AU04=3.0))
    assert frown[1] > calm[1] + 4
    assert frown[1] - calm[1] > frown[0] - calm[0] + 3


def test_the_eyes_follow_the_gaze_and_the_head_turns():
    def iris(face):
        blue = draw(face)
        rows, columns = np.nonzero((blue[..., 0] > 150) & (blue[..., 2] < 90))
        keep = (rows > 0.3 * SIDE) & (rows < 0.5 * SIDE)
        return columns[keep].mean() / SIDE

    assert iris(make_face(gaze=(0.4, 0.0))) > iris(make_face()) + 0.005
    assert iris(make_face(gaze=(-0.4, 0.0))) < iris(make_face()) - 0.005
    rows, _ = changed(make_face(), make_face(pose=(0.3, 0.0, 0.0)))
    assert len(rows) > 500


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e5])
def test_invalid_values_are_drawn_without_an_error(value):
    face = make_face()
    for name in face:
        broken = {**face, name: np.full_like(face[name], value)}
        assert draw(broken).shape == (SIDE, SIDE, 3)
        draw_contours(np.zeros((SIDE, SIDE, 3), np.uint8), broken['landmarks'], SIDE, (0.0, 0.0))
    random = np.random.default_rng(0)
    for _ in range(20):
        draw({name: random.normal(0, 3, x.shape) for name, x in face.items()})


def test_the_same_face_gives_the_same_picture():
    assert (draw(make_face(AU12=2.0)) == draw(make_face(AU12=2.0))).all()


def test_points_and_curves():
    points = place_points(np.concatenate((np.linspace(0, 1, 68), np.zeros(68))), 100, (10.0, 5.0))
    assert points[0].tolist() == [10.0, 5.0]
    assert points[-1].tolist() == [110.0, 5.0]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    assert curve(corners, True, 5).shape == (20, 2)
    opened = curve(corners, False, 5)
    assert opened.shape == (16, 2)
    assert opened[::5] == pytest.approx(corners)  # the curve contains the points
