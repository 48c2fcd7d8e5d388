# SPDX-License-Identifier: Apache-2.0
"""A node that records what a running graph publishes."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from .report import Record, RecordedReaction


class Recorder:
    """Listens in a thread of its own, from its making until `close`.

    Args:
        domain: ROS domain to listen in; it is set for this process.
    """

    def __init__(self, domain: int) -> None:
        os.environ['ROS_DOMAIN_ID'] = str(domain)
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from rclpy.signals import SignalHandlerOptions

        from robot_face_gen_msgs.msg import FaceFeatures, FaceReaction

        self.record = Record()
        self._rclpy = rclpy
        # Ctrl-C is this program's, not the node's: what has come is still to be written down.
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node('demo_recorder')
        sensor = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.node.create_subscription(FaceFeatures, 'openface/features', self._on_face, sensor)
        self.node.create_subscription(
            FaceReaction, 'robot_face/reaction', self._on_reaction, sensor
        )
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._spin, name='recorder', daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._stop.is_set():
            self._executor.spin_once(timeout_sec=0.2)

    def _on_face(self, message: Any) -> None:
        from robot_face_gen.nodes.messages import BadMessage, to_face_frame

        try:
            self.record.frames.append(to_face_frame(message)[0])
        except BadMessage:  # no frame of ours: the nodes drop and count it as well
            self.record.refused += 1

    def _on_reaction(self, message: Any) -> None:
        from robot_face_gen.nodes.messages import BadMessage, to_ns, to_reaction

        arrived_ns = time.time_ns()
        try:
            face = to_reaction(message)
        except BadMessage:
            self.record.not_finite += 1
            return
        self.record.reactions.append(
            RecordedReaction(
                frame=int(message.frame),
                published_ns=to_ns(message.header.stamp),
                source_ns=to_ns(message.source_stamp),
                arrived_ns=arrived_ns,
                face=face,
            )
        )

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
            values = {pair.key: pair.value for pair in status.values}
            self.record.diagnostics[status.name] = {
                **values,
                'level': str(level),
                'message': status.message,
            }

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(5.0)
        self._executor.shutdown()
        self.node.destroy_node()
        self._rclpy.try_shutdown()
