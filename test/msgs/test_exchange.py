# SPDX-License-Identifier: Apache-2.0
"""All messages, over DDS between two processes; the types that the build made."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
robot_face_gen_msgs = pytest.importorskip('robot_face_gen_msgs.msg')

import rclpy  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from echo_node import RETAINED  # noqa: E402
from message_values import MESSAGES, differing_fields, fill  # noqa: E402

TF_HASH = 'RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087'
TYPE_HASHES = json.loads((HERE / 'type_hashes.json').read_text())


@pytest.fixture
def node(ros_domain):
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node('sender', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield node
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def spin_until(node, condition, what, process, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, f'the echo process ended with {process.returncode}'
        assert time.monotonic() < end, f'no {what} within {timeout_s} s'
        node.executor.spin_once(timeout_sec=0.1)


@pytest.mark.graph
def test_every_field_of_every_message_survives_a_round_trip_through_another_process(node):
    process = subprocess.Popen([sys.executable, str(HERE / 'echo_node.py')], env=os.environ)
    try:
        received = {kind: [] for kind in MESSAGES}
        sent = {kind: [fill(kind(), extreme) for extreme in (0, 1)] for kind in MESSAGES}
        publishers = []
        for kind in MESSAGES:
            node.create_subscription(
                kind, f'echo/{kind.__name__}', received[kind].append, RETAINED
            )
            publishers.append(node.create_publisher(kind, kind.__name__, RETAINED))
            for message in sent[kind]:
                publishers[-1].publish(message)
        spin_until(
            node,
            lambda: all(len(messages) == 2 for messages in received.values()),
            'echo of all messages',
            process,
        )
    finally:
        process.kill()
        process.wait()
    for kind in MESSAGES:
        for got, expected in zip(received[kind], sent[kind], strict=True):
            assert differing_fields(got, expected) == []


def test_the_type_hashes_are_the_recorded_ones(node):
    # Equal for every build, with pip or colcon; tools/colcon_check.sh runs this test too.
    found = {}
    for kind in MESSAGES:
        publisher = node.create_publisher(kind, f'hash/{kind.__name__}', 1)
        (info,) = node.get_publishers_info_by_topic(publisher.topic_name)
        if not hasattr(info, 'topic_type_hash'):
            pytest.skip('ROS 2 Humble has no type hashes')
        found[info.topic_type] = str(info.topic_type_hash)
    assert found == TYPE_HASHES


def test_transforms_are_those_of_ros(node):
    # The hash of geometry2's own package.
    kind = pytest.importorskip('tf2_msgs.msg').TFMessage
    publisher = node.create_publisher(kind, 'hash/tf', 1)
    (info,) = node.get_publishers_info_by_topic(publisher.topic_name)
    if not hasattr(info, 'topic_type_hash'):
        pytest.skip('ROS 2 Humble has no type hashes')
    assert str(info.topic_type_hash) == TF_HASH


def test_the_messages_are_those_of_the_build_under_test():
    # tools/colcon_check.sh names the folder; elsewhere any installed build is meant.
    folder = os.environ.get('ROBOT_FACE_GEN_MESSAGES_FROM')
    if folder:
        assert Path(robot_face_gen_msgs.__file__).is_relative_to(Path(folder).resolve())
