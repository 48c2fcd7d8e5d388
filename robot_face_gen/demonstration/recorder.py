# SPDX-License-Identifier: Apache-2.0
"""A node that writes down what a running graph says."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robot_face_gen.features.openface import FaceFrame
from robot_face_gen.tools.ros import require_ros


@dataclass(frozen=True)
class RecordedReaction:
    """A reaction as it came: its face, and the times (ns) of its course."""

    frame: int
    published_ns: int
    source_ns: int
    arrived_ns: int
    face: dict[str, np.ndarray]


@dataclass
class Record:
    """All that came: the speaker's frames, the reactions, each node's last diagnostics.

    `while_playing` is the diagnostics at the recording's end, `refused` the number of faces of
    somebody else that were none, `not_finite` that of reactions with impossible numbers.
    """

    frames: list[FaceFrame] = field(default_factory=list)
    reactions: list[RecordedReaction] = field(default_factory=list)
    diagnostics: dict[str, dict[str, str]] = field(default_factory=dict)
    while_playing: dict[str, dict[str, str]] = field(default_factory=dict)
    refused: int = 0
    not_finite: int = 0

    def end_playing(self) -> None:
        """The recording is over: keep the nodes' figures as they are now.

        Afterwards nodes wait for frames that never come, and would count that as latency.
        """
        self.while_playing = {name: dict(values) for name, values in self.diagnostics.items()}

    def cut(self, end_ns: int) -> None:
        """Leave out the frames from a time on, and what answers them."""
        self.frames = [frame for frame in self.frames if frame.stamp_ns < end_ns]
        self.reactions = [r for r in self.reactions if r.source_ns < end_ns]

    def answered(self) -> int:
        """How many of the speaker's frames have a reaction."""
        return len({r.source_ns for r in self.reactions} & {f.stamp_ns for f in self.frames})


class Recorder:
    """Listens in a thread of its own, from its making until `close`.

    Args:
        domain: ROS domain to listen in; it is set for this process.
    """

    def __init__(self, domain: int) -> None:
        os.environ['ROS_DOMAIN_ID'] = str(domain)
        require_ros()
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
            self.record.frames.append(to_face_frame(message))
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
