# SPDX-License-Identifier: Apache-2.0
"""`camera_face_node` alone, as a process, with films, topics and cameras that are not there."""

import array
import contextlib
import time
from functools import partial

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from films import write_film
from rendered_head import rotation
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from robot_face_gen.camera.geometry import CameraModel
from robot_face_gen.layout import TZ
from robot_face_gen.nodes.messages import to_ns, to_time

pytestmark = pytest.mark.graph
NODE = 'camera_face_node'
CAMERA = CameraModel.guess(320, 240)


def draw(head, yaw=0.0):
    return head.draw(rotation(yaw=yaw), np.array((0.0, 0.0, 0.55)), CAMERA, 320, 240)


@pytest.fixture(scope='module')
def film(head, tmp_path_factory):
    """Two seconds of a head that turns from the image's left to its right."""
    images = [draw(head, yaw) for yaw in np.linspace(0.3, -0.3, 50)]
    return write_film(tmp_path_factory.mktemp('film') / 'head.mp4', images)


def test_plays_a_film_at_its_pace_and_ends(peer, heard, start, film):
    begin = time.time() + 6.0
    node = start(
        NODE, source=f'video:{film}', start_time=f'{begin:.3f}', exit_at_end='true',
        frame_id='left_camera',
    )  # fmt: skip
    assert node.wait() == 0, node.text
    peer.wait_for(lambda: len(heard) >= 10, 'frames')
    messages = [message for _, message in heard]
    # A busy machine drops pictures; what comes has the time of its picture.
    index = np.array([(to_ns(m.header.stamp) / 1e9 - begin) / 0.04 for m in messages])
    assert np.allclose(index, index.round(), atol=0.03)
    assert (np.diff(index) > 0.5).all() and index[0] > -0.5 and index[-1] < 49.5
    assert all(m.success and m.confidence > 0.7 for m in messages)
    assert {(m.image_width, m.image_height) for m in messages} == {(320, 240)}
    assert messages[0].header.frame_id == 'left_camera'
    yaw = np.array([m.pose[1] for m in messages])
    assert np.corrcoef(yaw, -index)[0, 1] > 0.98
    assert 'end of the recording' in node.text and 'Traceback' not in node.text
    values = peer.values(NODE)
    assert {'latency_p50_ms', 'track_p50_ms', 'dropped', 'no_face'} <= set(values)


def image_message(image, encoding):
    data = np.ascontiguousarray(image)
    return Image(
        height=image.shape[0], width=image.shape[1], encoding=encoding,
        step=data.nbytes // image.shape[0], data=array.array('B', data.tobytes()),
    )  # fmt: skip


def test_follows_an_image_topic_and_its_calibration(peer, heard, start, head):
    start(NODE, source='image:/eye/image_raw')
    publisher = peer.publisher(Image, '/eye/image_raw', NODE, depth=1)
    image, stamp_ns = draw(head), 10**18

    def answer_to(stamp_ns):
        return next((m for _, m in heard if to_ns(m.header.stamp) == stamp_ns), None)

    def answer(message):
        """The frame that answers a picture; a picture that was lost is sent again."""
        nonlocal stamp_ns
        for _ in range(20):
            stamp_ns += 40_000_000
            message.header.stamp, message.header.frame_id = to_time(stamp_ns), 'eye'
            publisher.publish(message)
            with contextlib.suppress(AssertionError):
                return peer.wait_for(partial(answer_to, stamp_ns), 'an answer', 2.0)
        raise AssertionError('no picture is answered')

    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    faces = [
        answer(image_message(picture, encoding))
        for picture, encoding in ((image, 'bgr8'), (image[:, :, ::-1], 'rgb8'), (grey, 'mono8'))
    ]
    assert all(face.success and face.header.frame_id == 'eye' for face in faces)
    assert all(np.allclose(f.landmarks, faces[0].landmarks, atol=4) for f in faces)
    empty = answer(image_message(np.full_like(image, 127), 'bgr8'))
    assert not empty.success and np.isnan(empty.landmarks).all()
    # A camera with twice the focal length sees the face at twice the distance.
    twice = 2 * CAMERA.focal
    info = CameraInfo(width=320, height=240, k=[twice, 0, 160.0, 0, twice, 120.0, 0, 0, 1.0])
    calibration = peer.node.create_publisher(CameraInfo, '/eye/camera_info', 1)

    def is_calibrated():
        calibration.publish(info)
        return answer(image_message(image, 'bgr8')).pose[TZ] > 1.7 * faces[0].pose[TZ]

    peer.wait_for(is_calibrated, 'a frame with the calibration')
    before = int(peer.values(NODE)['invalid'])
    publisher.publish(Image(encoding='bayer_rggb8'))
    peer.wait_for(lambda: int(peer.values(NODE)['invalid']) > before, 'a count of bad pictures')


def test_follows_compressed_images(peer, heard, start, head):
    start(NODE, source='image:/eye/image_raw/compressed')
    publisher = peer.publisher(CompressedImage, '/eye/image_raw/compressed', NODE, depth=1)
    message = CompressedImage(format='jpeg')
    message.data = array.array('B', cv2.imencode('.jpg', draw(head))[1].tobytes())

    def is_answered():
        message.header.stamp = to_time(time.time_ns())
        publisher.publish(message)
        return any(m.success for _, m in heard)

    peer.wait_for(is_answered, 'a face')


def test_a_camera_that_is_plugged_in_later_is_used(peer, heard, start, film, tmp_path):
    # OpenCV opens a film as it opens a camera.
    device = tmp_path / 'camera.mp4'
    node = start(NODE, source=f'camera:{device}', retry_s='0.2')
    status = peer.wait_for(
        lambda: (s := peer.statuses.get(NODE)) and s.level == DiagnosticStatus.ERROR and s,
        'an error',
    )
    assert f'camera {device}: {device} does not exist' in status.message
    assert 'does not exist' in node.text and 'it is tried again' in node.text
    device.write_bytes(film.read_bytes())
    peer.wait_for(lambda: any(m.success for _, m in heard), 'a face')
    peer.wait_for(lambda: 'the camera gives pictures' in node.text, 'the good news')
    device.unlink()
    peer.wait_for(
        lambda: (
            peer.statuses[NODE].level == DiagnosticStatus.ERROR
            and int(peer.values(NODE)['losses']) > 0
        ),
        'an error again',
    )
    assert node.process.poll() is None and node.interrupt() == 0
    assert 'Traceback' not in node.text


@pytest.mark.parametrize(
    ('source', 'complaint'),
    [('video:/none.mp4', 'none.mp4'), ('webcam', "source = 'webcam': expected camera:NUMBER"),
     ('"camera:"', 'expected camera:NUMBER, video:FILE or image:TOPIC')],
)  # fmt: skip
def test_a_bad_source_ends_the_node_in_one_line(fails, face_networks, source, complaint):
    assert complaint in fails(NODE, source=source)


def test_a_missing_model_file_ends_the_node_in_one_line(fails, film, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    text = fails(NODE, source=f'video:{film}')
    assert 'run `robot-face-gen models get face-landmarker`' in text
