# SPDX-License-Identifier: Apache-2.0
"""`replay_node`: publishes the messages of a bag at the times when they were recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from rosgraph_msgs.msg import Clock

from robot_face_gen.data.bag_file import open_bag
from robot_face_gen.data.bags import speaker_namespace
from robot_face_gen.tools.topic import message_class, weakest_qos
from robot_face_gen.topics import AUDIO, FACE

from .base_node import BaseNode
from .inspection_tables import REPLAY, ReplayParameters
from .messages import to_time

ALL, SOURCES = 'all', 'sources'
DEPTH = 50  # the graph does not tell the depth that was recorded
PRELUDE_S = 1.0  # interval of /clock while it stands still before the start
AFTER_NS = 1_000_000_000  # /clock continues after the last message, for the last answers


class ReplayNode(BaseNode[ReplayParameters]):
    """A worker reads the bag and publishes each message, still serialized, when it is due."""

    def __init__(self) -> None:
        super().__init__(REPLAY)
        if self.get_parameter('use_sim_time').value:
            raise ValueError('use_sim_time = true: replay_node itself runs on the system clock')
        self.health.add_flow('messages_out')
        self._publishers_made: dict[str, Any] = {}  # by topic
        self._outputs: dict[int, Any] = {}  # by id of a connection of the bag
        with open_bag(self.parameters.source) as bag:  # a bag that cannot be read ends the node
            for connection, topic in self._selected(bag):
                self._add(connection, topic)
            if not self._outputs:
                raise ValueError(f'{self.parameters.source}: no topic can be replayed')
            first = next(iter(bag.messages(connections=self._chosen(bag))), None)
            if first is None:
                raise ValueError(f'{self.parameters.source}: the topics have no message')
            self._start_ns, length_s = first[1], (bag.end_time - first[1]) / 1e9
        self._clock_output = (
            self.create_publisher(Clock, '/clock', 1) if self.parameters.clock_hz else None
        )
        self.get_logger().info(
            f'{self.parameters.source}: {length_s:.1f} s, replays '
            f'{", ".join(sorted(self._publishers_made))}'
        )
        self.start_worker(self._play, 'player')

    def _selected(self, bag: Any) -> Iterator[tuple[Any, str]]:
        """Connections of the bag to replay, and the name of the topic of each."""
        wanted = self.parameters.topics.strip()
        if wanted == SOURCES:
            namespace = speaker_namespace(bag, self.parameters.bag_namespace, 'bag_namespace = ')
            for connection in bag.connections:
                for topic, kind in (FACE, AUDIO):
                    if (connection.topic, connection.msgtype) == (f'{namespace}/{topic}', kind):
                        yield connection, topic
            return
        names = {f'/{name.strip().lstrip("/")}' for name in wanted.split(',')}
        recorded = {connection.topic for connection in bag.connections}
        if wanted != ALL and (missing := sorted(names - recorded)):
            raise ValueError(
                f'{self.parameters.source}: no topic {missing[0]}; it has '
                f'{", ".join(sorted(recorded))}'
            )
        for connection in bag.connections:
            # Our own /clock has the bag's time.
            of_clock = connection.topic == '/clock' and self.parameters.clock_hz
            if (wanted == ALL or connection.topic in names) and not of_clock:
                yield connection, connection.topic

    def _add(self, connection: Any, topic: str) -> None:
        try:
            kind = message_class(connection.msgtype)
        except ValueError as error:
            text = f'{connection.topic} is not replayed: {error}'
            self.health.count('topics_refused', trouble=text, about=topic)
            return
        profile = weakest_qos(connection.ext.offered_qos_profiles, DEPTH)
        publisher = self._publishers_made.get(topic)
        if publisher is None:
            publisher = self._publishers_made[topic] = self.create_publisher(kind, topic, profile)
        self._outputs[connection.id] = publisher

    def _play(self) -> None:
        begin_ns = self.now_ns() + round(self.parameters.delay_s * 1e9)
        begin_ns = max(begin_ns, round(self.parameters.start_time * 1e9))
        while (left_s := (begin_ns - self.now_ns()) / 1e9) > 0.0 and not self.stopping.is_set():
            # Nodes that load their models meanwhile have the time of the bag from the start.
            self._publish_clock(self._start_ns)
            self.stopping.wait(min(left_s, PRELUDE_S))
        while not self.stopping.is_set():
            self._play_once()
            if not self.parameters.loop or self.stopping.is_set():
                break
            self.get_logger().info('the bag starts again')
        if not self.stopping.is_set():
            self.health.fact('finished', True)
            self.get_logger().info('end of the bag')
            if self.parameters.exit_at_end:
                self.finish()

    def _play_once(self) -> None:
        begin_s, self._clock_ns = time.monotonic(), self._start_ns
        with open_bag(self.parameters.source) as bag:
            for connection, time_ns, data in bag.messages(connections=self._chosen(bag)):
                self._tick(begin_s, time_ns)
                if not self._wait(begin_s, time_ns):
                    return
                self._outputs[connection.id].publish(bytes(data))
                self.health.tick('messages_out')
                self.health.note(f'replays: {(time_ns - self._start_ns) / 1e9:.1f} s')
        self._tick(begin_s, time_ns + AFTER_NS)

    def _chosen(self, bag: Any) -> list[Any]:
        return [one for one in bag.connections if one.id in self._outputs]

    def _tick(self, begin_s: float, until_ns: int) -> None:
        """Publish /clock until a time of the bag."""
        if self._clock_output is not None:
            while self._clock_ns <= until_ns and self._wait(begin_s, self._clock_ns):
                self._publish_clock(self._clock_ns)
                self._clock_ns += round(1e9 / self.parameters.clock_hz)

    def _wait(self, begin_s: float, time_ns: int) -> bool:
        """Wait until a time of the bag; False if the node is stopping."""
        due_s = begin_s + (time_ns - self._start_ns) / 1e9 / self.parameters.speed
        while (left_s := due_s - time.monotonic()) > 0.0 and not self.stopping.is_set():
            self.stopping.wait(left_s)
        return not self.stopping.is_set()

    def _publish_clock(self, time_ns: int) -> None:
        if self._clock_output is not None:
            self._clock_output.publish(Clock(clock=to_time(time_ns)))


PROGRAM = ReplayNode, REPLAY
