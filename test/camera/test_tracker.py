# SPDX-License-Identifier: Apache-2.0
"""Heads that turn and move by known amounts, seen by the whole tracker."""

import numpy as np
import pytest
from rendered_head import rotation

from robot_face_gen.camera.geometry import CameraModel
from robot_face_gen.camera.tracker import FaceTracker
from robot_face_gen.layout import AU, RX, RY, RZ, TZ

RATE_HZ = 25
CAMERA = CameraModel.guess(640, 480)
EMPTY = np.full((480, 640, 3), 127, np.uint8)


class Scene:
    """Shows images to a tracker at 25 Hz, or at another rate."""

    rate_hz = RATE_HZ

    def __init__(self, networks, head, **options):
        self.tracker = FaceTracker(networks, **options)
        self._head, self.stamp_ns = head, 10**18

    def show(self, place=(0.0, 0.0, 0.6), image=None, frames=1, gaze=(0.0, 0.0), **more):
        """The last of some frames: turn by pitch, yaw, roll; deform by blink, smile, ..."""
        turn = rotation(*(more.pop(name, 0.0) for name in ('pitch', 'yaw', 'roll')))
        if place is not None:
            image = self._head.draw(turn, np.array(place), CAMERA, image=image, gaze=gaze, **more)
        for _ in range(frames):
            self.stamp_ns += 10**9 // self.rate_hz
            frame = self.tracker.track(EMPTY if image is None else image, self.stamp_ns)
        return frame


@pytest.fixture
def scene(face_networks, head):
    return Scene(face_networks, head)


def moved(scene, steps=8, **amounts):
    """Frames while the named amounts grow from 0 to the given value, and the one after it."""
    frames = [scene.show()]
    for step in range(1, steps + 1):
        frames.append(scene.show(**{name: v * step / steps for name, v in amounts.items()}))
    return frames, scene.show(**amounts, frames=5)


def test_a_frame_says_when_and_how_it_was_taken(scene):
    frame = scene.show()
    assert frame.stamp_ns == scene.stamp_ns and frame.success and frame.confidence > 0.9
    assert (frame.image_width, frame.image_height) == (640, 480)
    missing = {name for name, place in AU.items() if np.isnan(frame.au[place])}
    assert missing == {'AU06', 'AU09', 'AU14', 'AU20'}
    for values in (frame.landmarks, frame.pose, frame.gaze):
        assert values.dtype == np.float32 and np.isfinite(values).all()
    assert frame.pose[TZ] == pytest.approx(0.88 * 0.6, rel=0.1)


@pytest.mark.parametrize(
    ('name', 'place', 'others'), [('pitch', RX, 0.12), ('yaw', RY, 0.12), ('roll', RZ, 0.12)]
)
@pytest.mark.parametrize('angle', [0.3, -0.3])
def test_a_turn_has_openface_s_axis_sign_and_size(scene, name, place, others, angle):
    frames, last = moved(scene, **{name: angle})
    change = last.pose - frames[0].pose
    assert 0.75 < change[place] / angle < 1.25
    assert np.abs(np.delete(change[:TZ], place)).max() < others
    # All the way there, not at its end alone.
    angles = np.array([frame.pose[place] for frame in frames]) * np.sign(angle)
    assert (np.diff(angles) > -0.01).all() and all(frame.success for frame in frames)


def test_gaze_follows_head_and_eyes(scene):
    ahead = scene.show()
    right = scene.show(gaze=(0.5, 0.0), frames=20)
    assert right.gaze[0] - ahead.gaze[0] > 0.05
    left = scene.show(gaze=(-0.5, 0.0), frames=20)
    assert left.gaze[0] - ahead.gaze[0] < -0.05
    assert scene.show(yaw=0.3, frames=20).gaze[0] < -0.1
    assert scene.show(pitch=0.3, frames=20).gaze[1] > 0.1


@pytest.mark.parametrize(
    ('deform', 'units'),
    [('blink', ('AU45',)), ('smile', ('AU12',)), ('jaw', ('AU25', 'AU26')),
     ('brows', ('AU01', 'AU02'))],
)  # fmt: skip
def test_a_face_that_moves_raises_its_action_units(scene, deform, units):
    calm = scene.show(frames=25)
    _, moved_face = moved(scene, steps=3, **{deform: 1.0})
    for unit in units:
        assert calm.au[AU[unit]] < 0.3, unit
        assert moved_face.au[AU[unit]] > 1.0, unit
    back = scene.show(frames=5)
    assert all(back.au[AU[unit]] < 0.5 for unit in units)


def test_a_blink_of_three_frames_is_seen_and_is_over_at_once(scene):
    scene.show(frames=25)
    closed = [scene.show(blink=amount).au[AU['AU45']] for amount in (0.5, 1.0, 0.5)]
    assert max(closed) > 1.0
    assert scene.show(frames=2).au[AU['AU45']] < 0.5


def test_landmarks_follow_without_lag_and_stand_still_without_jitter(scene):
    steps = [scene.show((x, 0.0, 0.6)) for x in np.linspace(-0.1, 0.1, 11)]
    x = np.array([frame.landmarks[:68].mean() for frame in steps])
    # The points are nearer than the head's origin.
    expected = np.linspace(-0.1, 0.1, 11) / 0.57 * 500
    lag_frames = ((expected - expected[0]) - (x - x[0]))[5:] / np.diff(expected)[0]
    assert np.abs(lag_frames).max() < 0.5
    still = np.array([scene.show((0.1, 0.0, 0.6)).landmarks for _ in range(10)])
    assert still[5:].std(axis=0).max() < 0.3


def test_a_lost_face_is_said_to_be_lost_and_is_found_again(scene):
    assert scene.show().success
    lost = scene.show(place=None)
    assert not lost.success and lost.confidence < 0.7 and not lost.mask.any()
    assert not lost.is_valid() and scene.tracker.mesh is None
    assert scene.show((0.05, 0.0, 0.6)).success
    assert scene.tracker.persons == 1


def test_a_face_that_comes_back_elsewhere_is_another_person(scene):
    scene.rate_hz = 5
    scene.show((-0.2, 0.0, 0.6))
    scene.show(place=None)
    # Not yet: the person who was lost may come back.
    assert not scene.show((0.22, 0.0, 0.7)).success
    assert scene.show((0.22, 0.0, 0.7), frames=15).success
    assert scene.tracker.persons == 2


def test_another_person_has_another_neutral_face(scene):
    scene.rate_hz = 5
    scene.show((-0.2, 0.0, 0.6), brows=1.0, frames=50)
    scene.show(place=None, frames=15)
    assert scene.show((0.22, 0.0, 0.7), frames=10).au[AU['AU01']] < 0.3
    assert scene.show((0.22, 0.0, 0.7), brows=1.0, frames=2).au[AU['AU01']] > 1.0


def both(head, first, second):
    image = head.draw(rotation(), np.array(first), CAMERA)
    return head.draw(rotation(), np.array(second), CAMERA, image=image)


def centre(frame):
    return float(frame.landmarks[:68].mean())


def test_the_largest_face_is_chosen_and_kept_while_others_come_and_go(scene, head):
    scene.rate_hz = 5
    small, large = (-0.25, 0.0, 0.9), (0.12, 0.0, 0.6)
    image = both(head, small, large)
    assert centre(scene.show(place=None, image=image)) > 350
    # The other one comes a little nearer than this one: not enough.
    image = both(head, (-0.14, 0.0, 0.55), large)
    assert centre(scene.show(place=None, image=image, frames=30)) > 350
    assert scene.tracker.persons == 1


def test_a_much_larger_face_takes_over_after_a_while(scene, head):
    scene.rate_hz = 5
    scene.show((0.25, 0.0, 0.9), frames=3)
    image = both(head, (0.25, 0.0, 0.9), (-0.1, 0.0, 0.45))
    assert centre(scene.show(place=None, image=image, frames=5)) > 400
    assert centre(scene.show(place=None, image=image, frames=20)) < 300
    assert scene.tracker.persons == 2


def test_a_passer_by_does_not_take_over(scene, head):
    scene.rate_hz = 5
    scene.show((0.25, 0.0, 0.9), frames=5)
    image = both(head, (0.25, 0.0, 0.9), (-0.1, 0.0, 0.45))
    assert centre(scene.show(place=None, image=image, frames=8)) > 400
    assert centre(scene.show((0.25, 0.0, 0.9), frames=20)) > 400
    assert scene.tracker.persons == 1


def test_a_recording_that_starts_again_is_followed_on(scene):
    scene.rate_hz = 5
    scene.show(frames=3)
    scene.stamp_ns -= 3600 * 10**9
    assert all(scene.show().success for _ in range(20))


@pytest.mark.parametrize('size', [(1, 1), (1, 400), (400, 1), (7, 3)])
def test_an_image_of_a_few_pixels_shows_no_face(face_networks, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    assert not FaceTracker(face_networks).track(image, 1).success


@pytest.mark.parametrize('value', [np.nan, np.inf, 0.0, 1e9])
def test_meshes_of_impossible_shape_are_no_face(scene, face_networks, monkeypatch, value):
    scene.show()
    impossible = [np.full((1, 1, 1, 1434), value, np.float32), np.full((1, 1), 9.0, np.float32)]
    with monkeypatch.context() as patch:
        patch.setattr(face_networks, '_mesh', lambda _: impossible)
        frame = scene.show()
    assert not frame.success and not frame.mask.any()
    assert scene.show().success


def test_a_mesh_that_no_head_has_is_no_face(scene, face_networks, monkeypatch):
    scene.show()
    flat = np.zeros((478, 3))
    flat[:, 0] = np.linspace(0, 255, 478)
    flat[:, 1] = np.tile((100.0, 140.0), 239)
    for noise in range(20):
        mesh = flat + np.random.default_rng(noise).normal(0, 30, flat.shape)
        with monkeypatch.context() as patch:
            output = [mesh.astype(np.float32), np.full((1, 1), 9.0, np.float32)]
            patch.setattr(face_networks, '_mesh', lambda _, output=output: output)
            frame = scene.show()
        assert not frame.success or np.isfinite(frame.pose).all()
    assert scene.show(frames=60).success


@pytest.mark.parametrize('size', [(320, 240), (1280, 720), (240, 320), (97, 101)])
def test_images_of_any_size_and_shape(face_networks, head, size):
    width, height = size
    camera = CameraModel.guess(width, height)
    image = head.draw(rotation(), np.array((0.0, 0.0, 0.5)), camera, width, height)
    frame = FaceTracker(face_networks).track(image, 1)
    assert frame.success
    assert frame.pose[TZ] == pytest.approx(0.88 * 0.5, rel=0.15)
    x, y = frame.landmarks.reshape(2, 68)
    assert min(x.min(), y.min()) > 0 and x.max() < width and y.max() < height


def test_a_calibrated_camera_gives_the_distance(face_networks, head):
    camera = CameraModel(900.0, 320.0, 240.0)
    image = head.draw(rotation(), np.array((0.0, 0.0, 1.0)), camera)
    distances = [
        FaceTracker(face_networks, camera=model).track(image, 1).pose[TZ]
        for model in (None, camera)
    ]
    assert distances[1] == pytest.approx(0.88, rel=0.1)
    assert distances[0] == pytest.approx(0.88 * 500 / 900, rel=0.1)
