# SPDX-License-Identifier: Apache-2.0
"""A node that records what a running graph publishes, and the ROS domain of that graph."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from robot_face_gen.tools.ros import require_ros, use_writable_log_folder
from robot_face_gen.topics import FACE, REACTION_TOPIC

from .report import Record, RecordedReaction

# Below 101, so that DDS' ports stay out of the range that systems give to other programs.
DOMAINS = range(60, 100)
_PORT_BASE, _PORTS_PER_DOMAIN, _FIRST_UNICAST = 7400, 250, 10  # of DDS (UDP)


@contextmanager
def own_domain() -> Iterator[int]:
    """The domain that ROS_DOMAIN_ID names, or a free one, reserved until the end of the block.

    Runs that begin at the same moment on this machine get different ones.

    Raises:
        ValueError: ROS_DOMAIN_ID is not a domain.
        OSError: no domain is free.
    """
    given = os.environ.get('ROS_DOMAIN_ID')
    if given:
        if not given.isdecimal() or not 0 <= int(given) <= 232:
            raise ValueError(f'ROS_DOMAIN_ID={given}: expected a whole number, 0 to 232')
        yield int(given)
        return
    start = os.getpid() % len(DOMAINS)
    for domain in (*DOMAINS[start:], *DOMAINS[:start]):
        # Reserved by a TCP port, which DDS does not use: freed however this process ends.
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as reservation:
            if not _binds(reservation, _PORT_BASE + _PORTS_PER_DOMAIN * domain):
                continue
            if _is_used(domain):
                continue
            try:
                yield domain
            finally:
                os.environ.pop('ROS_DOMAIN_ID', None)  # a recorder has set it for its time
            return
    raise OSError(
        f'no ROS domain from {DOMAINS[0]} to {DOMAINS[-1]} is free on this machine: choose one '
        'with ROS_DOMAIN_ID'
    )


def _is_used(domain: int) -> bool:
    """Whether a DDS participant of this machine is in the domain."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return not _binds(probe, _PORT_BASE + _PORTS_PER_DOMAIN * domain + _FIRST_UNICAST, '')


def _binds(probe: socket.socket, port: int, address: str = '127.0.0.1') -> bool:
    try:
        probe.bind((address, port))
    except OSError:
        return False
    return True


class NodeThread:
    """A node that a thread spins, from `start` until `close`; the domain is set for this process.

    Raises:
        ImportError: ROS 2 or the messages are missing.
    """

    def __init__(self, name: str, domain: int) -> None:
        require_ros()
        use_writable_log_folder()
        os.environ['ROS_DOMAIN_ID'] = str(domain)
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.signals import SignalHandlerOptions

        self._rclpy = rclpy
        # Ctrl-C is this program's, not the node's: what has come is still to be written down.
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node(name)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, *work: Callable[[], None]) -> None:
        """Spin the node, and do other work, each in a thread; it ends when `_stop` is set."""
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._spin, *work)
        ]
        for thread in self._threads:
            thread.start()

    def _spin(self) -> None:
        while not self._stop.is_set():
            self._executor.spin_once(timeout_sec=0.2)

    def close(self) -> None:
        """End the threads and the node."""
        self._stop.set()
        for thread in self._threads:
            thread.join(5.0)
        self._executor.shutdown()
        self.node.destroy_node()
        self._rclpy.try_shutdown()


class Recorder(NodeThread):
    """Listens from its making until `close`; arguments and errors are those of `NodeThread`."""

    def __init__(self, domain: int) -> None:
        super().__init__('demo_recorder', domain)
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.qos import QoSProfile, ReliabilityPolicy

        from robot_face_gen_msgs.msg import FaceFeatures, FaceReaction

        self.record = Record()
        sensor = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.node.create_subscription(FaceFeatures, FACE[0], self._on_face, sensor)
        self.node.create_subscription(FaceReaction, REACTION_TOPIC[0], self._on_reaction, sensor)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self.start()

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
        for topic, _ in (FACE, REACTION_TOPIC):
            if self.node.count_publishers(topic) > 1:
                self.record.mixed.add(topic)
