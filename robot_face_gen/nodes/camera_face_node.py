# SPDX-License-Identifier: Apache-2.0
"""`camera_face_node`: tracks a face in pictures and publishes it as OpenFace would.

No picture is stored or published.
"""

from __future__ import annotations

import time
from functools import partial

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from robot_face_gen.camera.networks import FaceNetworks
from robot_face_gen.camera.sources import CameraDevice, Picture, VideoFile
from robot_face_gen.camera.tracker import FaceTracker
from robot_face_gen.pipeline.inbox import Inbox
from robot_face_gen.sources import CAMERA, VIDEO
from robot_face_gen.timing import SECOND_NS
from robot_face_gen.topics import FACE
from robot_face_gen_msgs.msg import FaceFeatures

from .base_node import sensor_qos
from .images import to_camera_model, to_image
from .messages import BadMessage, capture_time, from_face_frame
from .played_node import READ_S, PlayedNode
from .source_tables import CAMERA_FACE, CameraParameters

STALL_S = 1.0
LOST_NS = 2 * SECOND_NS


class CameraFaceNode(PlayedNode[CameraParameters]):
    """A worker takes the newest picture, tracks the face and publishes; older ones are dropped."""

    def __init__(self) -> None:
        super().__init__(CAMERA_FACE)
        p = self.parameters
        self._publisher = self.advertise(FaceFeatures, FACE[0], flow='frames_out')
        for name in ('no_face', 'persons'):
            self.health.count(name, 0)
        networks = FaceNetworks(threads=p.threads)
        self._tracker = FaceTracker(networks, field_of_view_deg=p.field_of_view)
        self._camera_info: CameraInfo | None = None
        self._face_ns = -LOST_NS  # stamp of the newest face
        self._sees_face: bool | None = None
        self._frame_id = p.frame_id
        kind, _, name = p.source.partition(':')
        if f'{kind}:' == VIDEO:
            video = VideoFile(name)  # a film that cannot be read ends the node here
            self.get_logger().info(
                f'{name}: {video.duration_s:.1f} s, {video.width} x {video.height}, '
                f'{video.rate_hz:g} pictures a second'
            )
            self.start_worker(lambda: self.play(partial(self._play, video)), 'player')
        elif f'{kind}:' == CAMERA:
            self.health.add_flow('pictures', f'the first picture of camera {name}', STALL_S)
            camera = CameraDevice(
                name, width=p.width, height=p.height, rate_hz=p.rate, retry_s=p.retry_s,
                clock=self.now_ns,
            )  # fmt: skip
            self.start_worker(
                lambda: self.use_device(
                    camera, 'camera', 'pictures', self._track, 'the camera gives pictures'
                ),
                'camera',
            )
        else:
            self._subscribe(name)

    def _subscribe(self, topic: str) -> None:
        """Follow an image topic, and the camera_info beside it."""
        newest: Inbox[Image | CompressedImage] = Inbox(1)
        compressed = topic.endswith('compressed')
        image = topic.rpartition('/')[0] if compressed else topic
        self.subscribe(
            CompressedImage if compressed else Image,
            topic,
            lambda message: self.health.count('dropped', newest.put(message)),
            flow='pictures',
            stall_s=STALL_S,
            depth=1,
        )
        info = '/'.join((*image.split('/')[:-1], 'camera_info'))
        self.create_subscription(CameraInfo, info, self._take_info, sensor_qos(1))
        self.start_worker(lambda: self._take_messages(newest), 'tracker')

    def _take_info(self, message: CameraInfo) -> None:
        self._camera_info = message

    def _take_messages(self, newest: Inbox[Image | CompressedImage]) -> None:
        while not self.stopping.is_set():
            for message in newest.take_all(READ_S):
                try:
                    picture = Picture(capture_time(message.header), to_image(message))
                except BadMessage as error:
                    self.health.count('invalid', trouble=f'picture dropped: {error}')
                    continue
                height, width = picture.image.shape[:2]
                if self._camera_info is not None:
                    self._tracker.camera = to_camera_model(self._camera_info, width, height)
                self._frame_id = message.header.frame_id or self.parameters.frame_id
                self._track(picture)

    def _play(self, video: VideoFile, begin_ns: int) -> None:
        for pictures, skipped in self.due(video.pictures, begin_ns):
            self.health.count('dropped', max(len(pictures) - 1, 0) + skipped)
            if pictures:
                self._track(pictures[-1])
        self.recording_ended('frames_out')

    def _track(self, picture: Picture) -> None:
        """Find the face, publish it, and keep the measurements for the diagnostics."""
        begin_ns = time.monotonic_ns()
        frame = self._tracker.track(picture.image, picture.stamp_ns)
        self.health.latency('track', (time.monotonic_ns() - begin_ns) / SECOND_NS)
        self._publisher.publish(from_face_frame(frame, self._frame_id))
        self.health.tick('frames_out')
        self.health.latency('latency', max(self.now_ns() - picture.stamp_ns, 0) / SECOND_NS)
        self.health.count('no_face', not frame.success)
        self.health.set_counters({'persons': self._tracker.persons})
        self.health.fact('face', 'yes' if frame.success else 'no')
        self.health.fact('image', f'{frame.image_width} x {frame.image_height}')
        if frame.success:
            self._face_ns = picture.stamp_ns
        # A short loss is in the messages alone, not in the log.
        sees_face = 0 <= picture.stamp_ns - self._face_ns < LOST_NS
        if sees_face != self._sees_face:
            self._sees_face = sees_face
            self.get_logger().info('a face is seen' if sees_face else 'no face is seen')


PROGRAM = CameraFaceNode, CAMERA_FACE
