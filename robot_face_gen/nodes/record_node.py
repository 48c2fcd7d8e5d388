# SPDX-License-Identifier: Apache-2.0
"""`record_node`: writes the topics of the robot into a bag (MCAP)."""

from __future__ import annotations

import shutil
import sys
import time
from functools import partial
from typing import Any

from robot_face_gen.data.bag_file import BagWriter, Definitions, recover_command
from robot_face_gen.tools.topic import message_class, weakest_qos

from .bag_qos import profiles_text
from .base_node import BaseNode
from .inspection_tables import RECORD, RecordParameters

LOOK_S = 0.5  # interval at which new topics are looked for
DEPTH = 500  # messages that the middleware keeps while the disk is busy
MAX_EARLY = 1000  # messages kept until simulated time has started
ROBOT = 'robot'
ALL = 'all'
# What 'robot' records: our own types, joint commands, and these topics. No images: somebody would
# have to draw them.
_TYPES = ('sensor_msgs/msg/JointState', 'trajectory_msgs/msg/JointTrajectory')
_GLOBAL = ('/diagnostics', '/rosout', '/tf', '/tf_static')


class RecordNode(BaseNode[RecordParameters]):
    """Subscribes to each topic as soon as it appears; messages are written as they are received.

    The file has its name only when it is complete: after Ctrl-C, `duration_s`, or when the disk
    is nearly full.
    """

    def __init__(self) -> None:
        super().__init__(RECORD)
        self._definitions = Definitions()
        name = self.parameters.output or time.strftime('recording_%Y_%m_%d-%H_%M_%S.mcap')
        self._writer: BagWriter | None = BagWriter(name)
        self._path, self._part = self._writer.path, self._writer.part
        self._channels: dict[str, int] = {}
        self._subscriptions_made: dict[str, tuple[Any, Any]] = {}  # QoS profile, subscription
        self._refused: set[str] = set()
        self._early: list[tuple[int, bytes]] = []  # received before the first /clock
        self._begin_s = time.monotonic()
        self.health.add_flow('messages')
        self.get_logger().info(
            f'recording to {self._part}, which becomes {self._path.name} at the end (if this '
            f'process is killed: {recover_command(self._part)})'
        )
        self._look()
        self.every(LOOK_S, self._look)

    def _look(self) -> None:
        """Subscribe to new topics; write what has come; end when it is time to."""
        if self._writer is None:
            return
        for topic, kinds in self.get_topic_names_and_types():
            if self._is_wanted(topic, kinds):
                self._subscribe(topic, kinds[0])
        try:
            self._writer.flush()
            free_mb = shutil.disk_usage(self._part.parent).free / 1e6
        except OSError as error:
            return self._fail(error)
        length_s = time.monotonic() - self._begin_s
        size_mb = self._writer.bytes / 1e6
        self.health.note(f'recording {self._path.name}: {length_s:.0f} s, {size_mb:.1f} MB')
        self.health.fact('recording', str(self._path))
        self.health.fact('topics', len(self._channels))
        self.health.fact('size_mb', f'{size_mb:.1f}')
        self.health.fact('disk_free_mb', f'{free_mb:.0f}')
        if 0.0 < self.parameters.duration_s <= length_s:
            self.finish()
        elif free_mb < self.parameters.min_free_mb:
            self.get_logger().error(
                f'the disk is nearly full ({free_mb:.0f} MB left, min_free_mb = '
                f'{self.parameters.min_free_mb}): the recording ends here'
            )
            self.exit_code = 1

    def _is_wanted(self, topic: str, kinds: list[str]) -> bool:
        if topic in self._refused:
            return False
        if len(kinds) != 1:
            return self._refuse(topic, f'has several types: {", ".join(kinds)}')
        wanted = self.parameters.topics.strip()
        if wanted == ALL:
            return True
        if wanted != ROBOT:
            names = (self.resolve_topic_name(name.strip()) for name in wanted.split(','))
            return topic in names
        ours = kinds[0].startswith('robot_face_gen_msgs/') or kinds[0] in _TYPES
        inside = topic.startswith(f'{self.get_namespace().rstrip("/")}/')
        return topic in _GLOBAL or (ours and inside)

    def _refuse(self, topic: str, why: str) -> bool:
        self._refused.add(topic)
        text = f'{topic} is not recorded: {why}'
        self.health.count('topics_refused', trouble=text, about=topic)
        return False

    def _subscribe(self, topic: str, kind: str) -> None:
        """Subscribe with what all publishers offer; again where a weaker one has come."""
        publishers = self.get_publishers_info_by_topic(topic)
        if not publishers:
            return
        offered = [one.qos_profile for one in publishers]
        profile = weakest_qos(offered, DEPTH)
        before, subscription = self._subscriptions_made.get(topic, (None, None))
        if profile == before:
            return
        try:
            channel = self._channel(topic, kind, offered)
            made = self.create_subscription(
                message_class(kind), topic, partial(self._write, channel), profile, raw=True
            )
        except ValueError as error:
            self._refuse(topic, str(error))
            return
        if subscription is not None:
            self.destroy_subscription(subscription)
        self._subscriptions_made[topic] = (profile, made)

    def _channel(self, topic: str, kind: str, profiles: list[Any]) -> int:
        if topic not in self._channels:
            assert self._writer is not None
            definition, type_hash = self._definitions.of(kind)
            metadata = {
                'offered_qos_profiles': profiles_text(profiles),
                'topic_type_hash': type_hash,
            }
            self._channels[topic] = self._writer.add_topic(topic, kind, definition, metadata)
            self.get_logger().info(f'records {topic}')
        return self._channels[topic]

    def _write(self, channel: int, data: bytes) -> None:
        if self._writer is None:
            return
        now_ns = self.now_ns()
        if now_ns == 0:  # simulated time has not started
            self._early.append((channel, data))
            del self._early[:-MAX_EARLY]
            return
        try:
            for message in (*self._early, (channel, data)):
                self._writer.write(message[0], now_ns, message[1])
            self._early.clear()
        except OSError as error:
            self._fail(error)
        else:
            self.health.tick('messages')

    def _fail(self, error: OSError) -> None:
        """The file cannot be written: what is in it stays, under its temporary name."""
        assert self._writer is not None
        self._writer.abandon()
        self._writer = None
        self.get_logger().fatal(
            f'{self._part}: {error.strerror or error}: the recording has ended; what was written '
            f'is kept: {recover_command(self._part)}'
        )
        self.exit_code = 1

    def destroy_node(self) -> None:
        """Complete the file."""
        writer, self._writer = getattr(self, '_writer', None), None
        if writer is not None:
            self._complete(writer)
        super().destroy_node()

    def _complete(self, writer: BagWriter) -> None:
        if not writer.count:
            writer.abandon()
            writer.part.unlink()
            self.exit_code = 1
            return self._say('no message was received: there is no recording', is_error=True)
        try:
            writer.close()
        except OSError as error:
            self.exit_code = 1
            return self._say(
                f'{self._path} cannot be completed ({error.strerror or error}): '
                f'{recover_command(self._part)}',
                is_error=True,
            )
        size_mb = writer.path.stat().st_size / 1e6
        self._say(
            f'recorded {writer.path}: {writer.duration_s:.1f} s, {writer.count} messages of '
            f'{len(self._channels)} topics, {size_mb:.1f} MB'
        )

    def _say(self, text: str, *, is_error: bool = False) -> None:
        if self.context.ok():
            (self.get_logger().error if is_error else self.get_logger().info)(text)
        else:  # after Ctrl-C, the logger would complain that its topic is gone
            print(text, file=sys.stderr, flush=True)


PROGRAM = RecordNode, RECORD
