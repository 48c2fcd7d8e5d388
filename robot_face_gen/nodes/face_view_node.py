# SPDX-License-Identifier: Apache-2.0
"""`face_view_node`: both faces as images and markers, for rviz, rqt and Foxglove."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, Quaternion, TransformStamped, Vector3
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from robot_face_gen.features.face_frame import MIN_CONFIDENCE
from robot_face_gen.pipeline.crop import FaceCrop
from robot_face_gen.timing import PERIOD_NS
from robot_face_gen.topics import FACE, REACTION_TOPIC
from robot_face_gen_msgs.msg import FaceFeatures, FaceReaction

from .base_node import BaseNode
from .inspection_tables import VIEW, ViewParameters
from .messages import to_face_frame, to_ns, to_reaction

STALL_S = 1.0
LOOK_S = 0.5  # interval at which subscribers are looked for
LINE_M = 0.0015  # width of the lines
MARKER_LIFE_S = 0.5  # a face whose messages have stopped disappears
ROBOT_COLOUR = ColorRGBA(r=1.0, g=0.67, b=0.43, a=1.0)
SPEAKER_COLOUR = ColorRGBA(r=0.51, g=0.78, b=0.82, a=1.0)
# From a body frame (x forward, z up) to an optical one (z forward, y down).
OPTICAL = Quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5)


class FaceViewNode(BaseNode[ViewParameters]):
    """Draws what somebody subscribes to, whenever a message comes; otherwise it does nothing.

    Publishers are reliable, because rviz asks for that unless told otherwise.
    """

    def __init__(self) -> None:
        super().__init__(VIEW)
        self._robot_image = self.advertise(
            Image, 'robot_face/image', flow='robot_images', depth=2, reliable=True
        )
        self._speaker_image = self.advertise(
            Image, 'speaker/image', flow='speaker_images', depth=2, reliable=True
        )
        self._markers = self.advertise(
            MarkerArray, 'robot_face/markers', flow='markers', depth=2, reliable=True
        )
        self._transforms: dict[str, TransformStamped] = {}  # by frame
        self._tf = self._advertise_tf() if self.parameters.publish_tf else None
        self._crop = FaceCrop()
        self._last: np.ndarray | None = None  # landmarks that were seen last, crop units
        self._drawn_ns = 0
        self._inputs: dict[str, Any] = {}  # subscriptions by flow
        self.every(LOOK_S, self._look)

    def _look(self) -> None:
        """Subscribe to what is needed for the outputs that somebody subscribes to."""
        for flow, kind, topic, callback, image in (
            ('frames_in', FaceFeatures, FACE[0], self._on_face, self._speaker_image),
            (
                'reactions_in', FaceReaction, REACTION_TOPIC[0], self._on_reaction,
                self._robot_image,
            ),
        ):  # fmt: skip
            is_needed = any(one.get_subscription_count() for one in (image, self._markers))
            if is_needed and flow not in self._inputs:
                self._inputs[flow] = self.subscribe(
                    kind, topic, callback, flow=flow, stall_s=STALL_S, depth=2
                )
            elif not is_needed and flow in self._inputs:
                self.unsubscribe(self._inputs.pop(flow), flow)

    def _advertise_tf(self) -> Any:
        """A publisher of static transforms; None without tf2_msgs."""
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            self.get_logger().warning(
                'tf2_msgs is not installed: there are no transforms; choose the frame of a '
                'marker as the fixed frame'
            )
            return None
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        return self.create_publisher(TFMessage, '/tf_static', latched)

    def _add_transform(self, frame_id: str, rotation: Quaternion, height_m: float) -> None:
        """Publish the transform from the base frame to that of a face, if it is new."""
        base = self.parameters.base_frame
        if self._tf is None or frame_id in self._transforms or frame_id in ('', base):
            return
        transform = TransformStamped(child_frame_id=frame_id)
        transform.header.frame_id = base
        transform.header.stamp = self.get_clock().now().to_msg()
        transform.transform.translation = Vector3(z=height_m)
        transform.transform.rotation = rotation
        self._transforms[frame_id] = transform
        # Late subscribers get the last message only: each contains all transforms.
        self._tf.publish(self._tf.msg_type(transforms=list(self._transforms.values())))

    def _on_face(self, message: FaceFeatures) -> None:
        self._add_transform(message.header.frame_id, OPTICAL, self.parameters.camera_height_m)
        frame, _ = to_face_frame(message)
        believed = frame.success and frame.confidence >= MIN_CONFIDENCE
        believed = believed and bool(np.isfinite(frame.landmarks).all())
        self._crop.update(frame.landmarks, believed)
        if believed:
            self._last = self._crop.to_crop(frame.landmarks)
        # Cameras may be faster than the 25 Hz of the images.
        if 0 <= frame.stamp_ns - self._drawn_ns < PERIOD_NS * 3 // 4:
            return
        self._drawn_ns = frame.stamp_ns
        if self._speaker_image.get_subscription_count():
            from robot_face_gen.face.view import speaker_picture

            side_px: int = self.parameters.image_size_px
            picture = speaker_picture(self._last, believed=believed, side_px=side_px)
            self._publish_image(self._speaker_image, 'speaker_images', picture, message.header)
        if believed and self._markers.get_subscription_count():
            from robot_face_gen.face.view import speaker_points

            points = speaker_points(
                frame.landmarks, frame.image_width, frame.image_height, float(frame.pose[3])
            )
            self._publish_lines('speaker', points, SPEAKER_COLOUR, message.header)

    def _on_reaction(self, message: FaceReaction) -> None:
        self._add_transform(message.header.frame_id, Quaternion(), 0.0)
        from robot_face_gen.face.view import robot_picture, robot_points

        face = to_reaction(message)
        if self._robot_image.get_subscription_count():
            picture = robot_picture(face, self.parameters.image_size_px)
            self._publish_image(self._robot_image, 'robot_images', picture, message.header)
        if self._markers.get_subscription_count():
            points = robot_points(face['landmarks'], self.parameters.crop_m)
            self._publish_lines('robot', points, ROBOT_COLOUR, message.header)
        delay_ns = self.now_ns() - to_ns(message.header.stamp)
        self.health.latency('latency', delay_ns / 1e9)

    def _publish_image(
        self, publisher: Any, flow: str, picture: np.ndarray, header: Header
    ) -> None:
        height, width, _ = picture.shape
        publisher.publish(
            Image(
                header=header,
                height=height,
                width=width,
                encoding='bgr8',
                step=3 * width,
                data=array.array('B', picture.tobytes()),
            )
        )
        self.health.tick(flow)

    def _publish_lines(
        self, name: str, points: np.ndarray, colour: ColorRGBA, header: Header
    ) -> None:
        from robot_face_gen.face.view import SEGMENTS

        marker = Marker(
            header=header, ns=name, id=0, type=Marker.LINE_LIST, action=Marker.ADD, color=colour
        )
        marker.pose.orientation.w = 1.0
        marker.scale.x = LINE_M
        marker.lifetime.nanosec = round(MARKER_LIFE_S * 1e9)
        ends = points[SEGMENTS.ravel()].tolist()
        marker.points = [Point(x=x, y=y, z=z) for x, y, z in ends]
        self._markers.publish(MarkerArray(markers=[marker]))
        self.health.tick('markers')


PROGRAM = FaceViewNode, VIEW
