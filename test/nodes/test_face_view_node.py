# SPDX-License-Identifier: Apache-2.0
"""`face_view_node` alone, as a process: what its topics say, drawn again by a small reader."""

import cv2
import numpy as np
import pytest
from faces import make_frame
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from visualization_msgs.msg import Marker, MarkerArray

from robot_face_gen.face.view import SEGMENTS, robot_picture, speaker_picture
from robot_face_gen.layout import LANDMARK_POINTS
from robot_face_gen.nodes.messages import from_face_frame, from_reaction
from robot_face_gen.pipeline.crop import FaceCrop
from robot_face_gen.synthetic.config import GeneratorConfig
from robot_face_gen.synthetic.conversation import generate_conversation
from robot_face_gen_msgs.msg import FaceFeatures, FaceReaction

tf2_msgs = pytest.importorskip('tf2_msgs.msg')
pytestmark = pytest.mark.graph
STAMP_NS = 1_700_000_000_000_000_000
SIDE_PX = 200


@pytest.fixture(scope='module')
def faces():
    """A speaker and a listener with plausible landmarks."""
    dyad = generate_conversation(3, GeneratorConfig(duration_s=2.0, listeners=1))
    speaker, listener = dyad.speaker.frames[30], dyad.listeners[0].frames[30]
    crop = FaceCrop()
    crop.update(listener.landmarks, True)
    face = {'landmarks': crop.to_crop(listener.landmarks)}
    face |= {'au': listener.au, 'pose': listener.pose, 'gaze': listener.gaze}
    return speaker, face


@pytest.fixture(scope='module')
def node(peer, start_shared):
    return start_shared('face_view_node', image_size_px=SIDE_PX)


class Viewer:
    """Subscribes like a viewer; keeps the newest message of each topic."""

    def __init__(self, peer, *topics):
        self.peer, self.found = peer, {}
        kinds = {
            '/robot_face/image': Image,
            '/speaker/image': Image,
            '/robot_face/markers': MarkerArray,
        }
        self._subscriptions = [
            peer.node.create_subscription(
                kinds[topic], topic, self._keep(topic), QoSProfile(depth=5)
            )
            for topic in topics
        ]

    def _keep(self, topic):
        def keep(message):
            if topic == '/robot_face/markers':
                (marker,) = message.markers
                self.found[marker.ns] = marker
            else:
                self.found[topic] = message

        return keep

    def close(self):
        self.peer.destroy(*self._subscriptions)


@pytest.fixture
def publish(peer):
    """Publishes a face and a reaction again and again until the viewer has seen all it wants."""
    senders = {
        kind: peer.node.create_publisher(kind, topic, 5)
        for kind, topic in (
            (FaceFeatures, '/openface/features'),
            (FaceReaction, '/robot_face/reaction'),
        )
    }

    def publish(condition, what, *messages):
        state = {'next': 0}

        def step():
            for message in messages:
                # Stamps advance: a camera's frames that come too soon are left out.
                message.header.stamp.nanosec = state['next'] % 1_000_000_000
                senders[type(message)].publish(message)
            state['next'] += 40_000_000
            return condition()

        peer.wait_for(step, what)

    yield publish
    peer.destroy(*senders.values())


def picture(message):
    assert (message.encoding, message.step) == ('bgr8', 3 * message.width)
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)


def shows(image, speaker, *, believed):
    crop = FaceCrop()
    crop.update(speaker.landmarks, True)
    expected = speaker_picture(crop.to_crop(speaker.landmarks), believed=believed, side_px=SIDE_PX)
    # The node's crop is a mean over equal frames.
    return np.abs(picture(image).astype(int) - expected).mean() < 0.5


def lines(marker):
    """Ends of the lines of a marker, (lines, 2, 3) in metres."""
    assert (marker.type, marker.action) == (Marker.LINE_LIST, Marker.ADD)
    assert marker.pose.orientation.w == 1.0 and 0 < marker.scale.x < 0.01 and marker.color.a == 1
    assert 0 < marker.lifetime.nanosec < 1_000_000_000
    return np.array([(p.x, p.y, p.z) for p in marker.points]).reshape(-1, 2, 3)


def matrix(transform):
    q = transform.rotation
    t = np.eye(4)
    t[:3, :3] = [
        [1 - 2 * (q.y**2 + q.z**2), 2 * (q.x * q.y - q.z * q.w), 2 * (q.x * q.z + q.y * q.w)],
        [2 * (q.x * q.y + q.z * q.w), 1 - 2 * (q.x**2 + q.z**2), 2 * (q.y * q.z - q.x * q.w)],
        [2 * (q.x * q.z - q.y * q.w), 2 * (q.y * q.z + q.x * q.w), 1 - 2 * (q.x**2 + q.y**2)],
    ]
    t[:3, 3] = transform.translation.x, transform.translation.y, transform.translation.z
    return t


def seen_by(camera, points, width=640, height=480):
    """Points (n, 3) of the base frame as an optical camera sees them, (n, 2) in pixels.

    The focal length is OpenFace's guess.
    """
    local = (np.linalg.inv(camera) @ np.c_[points, np.ones(len(points))].T)[:3]
    assert (local[2] > 0).all(), 'behind the camera'
    focal = 500 * (width / 640 + height / 480) / 2
    return (focal * local[:2] / local[2]).T + np.array([width / 2, height / 2])


def test_images_and_markers_say_what_the_messages_say(peer, publish, node, faces, tmp_path):
    speaker, robot = faces
    latched = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    transforms = {}
    peer.node.create_subscription(
        tf2_msgs.TFMessage,
        '/tf_static',
        lambda m: transforms.update({t.child_frame_id: t for t in m.transforms}),
        latched,
    )
    viewer = Viewer(peer, '/robot_face/image', '/speaker/image', '/robot_face/markers')
    wanted = {'/robot_face/image', '/speaker/image', 'robot', 'speaker'}
    publish(
        lambda: set(viewer.found) == wanted and len(transforms) == 2,
        f'images, markers and transforms ({node.text})',
        from_face_frame(speaker, 'camera_optical_frame'),
        from_reaction(robot, 0, STAMP_NS, STAMP_NS, 'robot_face'),
    )
    viewer.close()

    robot_image = picture(viewer.found['/robot_face/image'])
    np.testing.assert_array_equal(robot_image, robot_picture(robot, SIDE_PX))
    assert shows(viewer.found['/speaker/image'], speaker, believed=True)
    assert viewer.found['/robot_face/image'].header.frame_id == 'robot_face'
    assert viewer.found['/speaker/image'].header.frame_id == 'camera_optical_frame'

    frames = {name: matrix(t.transform) for name, t in transforms.items()}
    assert set(frames) == {'robot_face', 'camera_optical_frame'}
    assert {t.header.frame_id for t in transforms.values()} == {'base_link'}
    camera = frames['camera_optical_frame']
    np.testing.assert_allclose(camera @ [0, 0, 1, 0], [1, 0, 0, 0], atol=1e-9)  # looks forward
    np.testing.assert_allclose(camera @ [0, 1, 0, 0], [0, 0, -1, 0], atol=1e-9)

    def in_base(marker):
        ends = lines(marker).reshape(-1, 3)
        return (frames[marker.header.frame_id] @ np.c_[ends, np.ones(len(ends))].T)[:3].T

    # The camera itself sees the speaker's lines where the tracker saw the landmarks.
    points = in_base(viewer.found['speaker'])
    expected = speaker.landmarks.reshape(2, LANDMARK_POINTS).T[SEGMENTS.ravel()]
    size = (speaker.image_width, speaker.image_height)
    np.testing.assert_allclose(seen_by(camera, points, *size), expected, atol=0.01)
    assert points[:, 0] == pytest.approx(speaker.pose[3])  # in front of the robot, metres
    # A person of life size, upright: brows above the mouth.
    width = np.ptp(points[:, 1])
    assert 0.08 < width < 0.25
    # The speaker looks at the robot, whose face has the same size, and whose left is on the left.
    face = in_base(viewer.found['robot'])
    assert 0.08 < np.ptp(face[:, 1]) < 0.25 and 0.08 < np.ptp(face[:, 2]) < 0.3
    brows, mouth = lines(viewer.found['robot'])[16:24], lines(viewer.found['robot'])[-20:]
    assert brows[..., 2].min() > mouth[..., 2].max()
    crop_x = robot['landmarks'][:LANDMARK_POINTS]
    left = lines(viewer.found['robot'])[0, 0]  # the jaw begins at the face's own right
    assert crop_x[0] < 0.5 and left[1] < 0

    # The same picture as a person who stands beside the speaker sees it.
    canvas = np.full((480, 640, 3), 30, np.uint8)
    eye = np.eye(4)
    eye[:3, :3] = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]])
    eye[:3, 3] = (1.0, 0, 0)
    for a, b in np.rint(seen_by(eye, face)).astype(int).reshape(-1, 2, 2):
        cv2.line(canvas, a.tolist(), b.tolist(), (110, 170, 255), 1, cv2.LINE_AA)
    cv2.imwrite(str(tmp_path / 'markers.png'), canvas)
    drawn = np.argwhere(canvas.max(axis=2) > 60)
    assert len(drawn) > 300 and 60 < np.ptp(drawn[:, 1]) < 140


def test_nothing_is_subscribed_or_drawn_while_nobody_looks(peer, publish, node, faces):
    speaker, robot = faces
    peer.statuses.pop('face_view_node', None)
    peer.wait_for(lambda: 'face_view_node' in peer.statuses, 'a status')
    messages = (
        from_face_frame(speaker, 'camera'),
        from_reaction(robot, 0, STAMP_NS, STAMP_NS, 'robot_face'),
    )

    def subscribers():
        return {
            topic: sum(
                one.node_name == 'face_view_node'
                for one in peer.node.get_subscriptions_info_by_topic(topic)
            )
            for topic in ('/openface/features', '/robot_face/reaction')
        }

    peer.wait_for(lambda: not any(subscribers().values()), 'the end of earlier subscriptions')
    viewer = Viewer(peer, '/speaker/image')
    publish(lambda: '/speaker/image' in viewer.found, "the speaker's image", *messages)
    assert subscribers() == {'/openface/features': 1, '/robot_face/reaction': 0}
    viewer.close()
    peer.wait_for(lambda: not any(subscribers().values()), 'the end of the subscriptions')
    peer.statuses.pop('face_view_node')
    peer.wait_for(lambda: 'face_view_node' in peer.statuses, 'another status')
    assert peer.statuses['face_view_node'].message == 'OK'


def test_a_face_that_is_lost_is_shown_as_such_and_has_no_lines(peer, publish, node, faces):
    viewer = Viewer(peer, '/speaker/image', '/robot_face/markers')
    lost = from_face_frame(make_frame(STAMP_NS, confidence=0.1, success=False), 'camera')

    def is_shown(believed):
        image = viewer.found.get('/speaker/image')
        return image and shows(image, faces[0], believed=believed)

    publish(lambda: is_shown(True), 'the face', from_face_frame(faces[0], 'camera'))
    publish(lambda: is_shown(False), 'the face that was seen last', lost)
    viewer.found.clear()  # lines may have come until now
    publish(lambda: is_shown(False), 'another image', lost)
    viewer.close()
    assert 'speaker' not in viewer.found


def test_parameters_can_be_set_while_it_runs(peer, publish, node, faces):
    viewer = Viewer(peer, '/robot_face/image')
    message = from_reaction(faces[1], 0, STAMP_NS, STAMP_NS, 'robot_face')
    publish(lambda: viewer.found, 'an image', message)
    assert peer.set_parameter('face_view_node', 'image_size_px', 96) == (True, '')
    publish(lambda: viewer.found['/robot_face/image'].width == 96, 'a smaller image', message)
    viewer.close()
    assert not peer.set_parameter('face_view_node', 'image_size_px', 5000)[0]
    assert peer.set_parameter('face_view_node', 'image_size_px', SIDE_PX) == (True, '')
