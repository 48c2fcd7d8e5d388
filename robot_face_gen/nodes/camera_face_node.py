# SPDX-License-Identifier: Apache-2.0
"""`camera_face_node`: tracks a face in pictures and publishes it as OpenFace would.

No picture is stored or published.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from robot_face_gen.camera.networks import FaceNetworks
from robot_face_gen.camera.sources import CameraDevice, Picture, VideoFile
from robot_face_gen.camera.tracker import FaceTracker, TrackerOptions
from robot_face_gen.pipeline.inbox import Inbox
from robot_face_gen.pipeline.playback import FramePlayer
from robot_face_gen.timing import SECOND_NS
from robot_face_gen_msgs.msg import FaceFeatures

from .base_node import sensor_qos
from .images import to_camera_model, to_image
from .messages import BadMessage, from_face_frame, to_ns
from .played_node import PlayedNode
from .run import run
from .tables import CAMERA, CAMERA_FACE, VIDEO, CameraParameters

READ_S = 0.2
STALL_S = 1.0
LOST_NS = 2 * SECOND_NS


class CameraFaceNode(PlayedNode[CameraParameters]):
    """A worker takes the newest picture, tracks the face and publishes; older ones are dropped."""

    def __init__(self) -> None:
        super().__init__(CAMERA_FACE)
        p = self.parameters
        self._publisher = self.advertise(FaceFeatures, 'openface/features', flow='frames_out')
        for name in ('no_face', 'persons'):
            self.health.count(name, 0)
        self._tracker = FaceTracker(
            FaceNetworks(threads=p.threads), TrackerOptions(field_of_view_deg=p.field_of_view)
        )
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
            self.start_worker(lambda: self._read_camera(camera), 'camera')
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
        self._info_subscription = self.create_subscription(
            CameraInfo,
            '/'.join((*image.split('/')[:-1], 'camera_info')),
            self._take_info,
            sensor_qos(1),
        )
        self.start_worker(lambda: self._take_messages(newest), 'tracker')

    def _take_info(self, message: CameraInfo) -> None:
        self._camera_info = message

    def _take_messages(self, newest: Inbox[Image | CompressedImage]) -> None:
        while not self.stopping.is_set():
            for message in newest.take_all(READ_S):
                try:
                    stamp_ns = to_ns(message.header.stamp)
                    if stamp_ns <= 0:
                        raise BadMessage('header.stamp = 0: expected the time of capture')
                    picture = Picture(stamp_ns, to_image(message))
                except BadMessage as error:
                    text = f'picture dropped: {error}'
                    self.health.count('invalid', trouble=text, logged=self.warn('image', text))
                    continue
                height, width = picture.image.shape[:2]
                if self._camera_info is not None:
                    self._tracker.camera = to_camera_model(self._camera_info, width, height)
                self._frame_id = message.header.frame_id or self.parameters.frame_id
                self._track(picture)

    def _play(self, video: VideoFile, begin_ns: int) -> None:
        player = FramePlayer(
            video.pictures,
            speed=self.parameters.speed,
            loop=self.parameters.loop,
            start_ns=begin_ns,
            period_ns=round(self.parameters.loop_period_s * SECOND_NS),
        )
        before_ns = min(begin_ns, self.now_ns())
        while (due_ns := player.next_due_ns) is not None:
            if not self.wait_for(due_ns, before_ns):
                return
            before_ns, skipped = due_ns, player.skipped
            pictures = player.pop(self.now_ns())
            late = len(pictures) - 1 if pictures else 0
            self.health.count('dropped', late + player.skipped - skipped)
            if pictures:
                self._track(pictures[-1])
        if player.end_ns is not None and not self.stopping.is_set():
            self.recording_ended(player.end_ns, 'frames_out')

    def _read_camera(self, camera: CameraDevice) -> None:
        trouble = ''
        try:
            while not self.stopping.is_set():
                picture = camera.read(READ_S)
                if picture is not None:
                    self.health.tick('pictures')
                    self._track(picture)
                if camera.trouble != trouble:
                    trouble = camera.trouble
                    if trouble:
                        self.get_logger().warning(f'{trouble}; it is tried again')
                        self.health.fail('camera', trouble, logged=True)
                    else:
                        self.health.mend('camera')
                        self.get_logger().info('the camera gives pictures')
                self.health.set_counters(camera.counters)
        finally:
            camera.close()

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


def main(args: Sequence[str] | None = None) -> int:
    """Run the node."""
    return run(CameraFaceNode, args, table=CAMERA_FACE)
