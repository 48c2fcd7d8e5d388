# SPDX-License-Identifier: Apache-2.0
"""Others in the same domain and namespace: reported in the log and the diagnostics within 5 s."""

import contextlib
import time

import pytest
from live_graph import NodeProcess, Peer
from rclpy.qos import QoSProfile, ReliabilityPolicy

from robot_face_gen.nodes.diagnostics import REMIND_S
from robot_face_gen_msgs.msg import AudioChunk, FaceFeatures, FaceReaction

pytestmark = [pytest.mark.graph, pytest.mark.real_time]
REACTION = '/robot_face/reaction'
REPORTED_S = 5.0


@contextlib.contextmanager
def publisher_of(kind, topic):
    """A publisher of another process' graph; it publishes nothing."""
    with other_node() as peer:
        peer.node.create_publisher(kind, topic, 10)
        yield


@contextlib.contextmanager
def other_node():
    peer = Peer('other_robot')
    try:
        yield peer
    finally:
        peer.close()


@contextlib.contextmanager
def reliable_subscription():
    with other_node() as peer:
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        peer.node.create_subscription(FaceReaction, REACTION, lambda _: None, qos)
        yield


CONFLICTS = {
    'two publishers of the reaction': (
        lambda: publisher_of(FaceReaction, REACTION),
        f'{REACTION}: 2 publishers (/other_robot, /reaction_node): messages are mixed',
    ),
    'two trackers': (
        lambda: publisher_of(FaceFeatures, '/openface/features'),
        '/openface/features: 2 publishers (/lab, /other_robot): messages are mixed',
    ),
    'incompatible QoS': (
        reliable_subscription,
        f'{REACTION}: node /other_robot: incompatible QoS (reliability): no messages will be '
        'delivered to it',
    ),
    'another message type': (
        lambda: publisher_of(AudioChunk, '/openface/features'),
        '/openface/features: node /other_robot uses type robot_face_gen_msgs/msg/AudioChunk, '
        'expected robot_face_gen_msgs/msg/FaceFeatures',
    ),
}


@pytest.mark.parametrize('name', CONFLICTS)
def test_a_conflict_is_reported(lab, attempt, note, name):
    make, text = CONFLICTS[name]
    # In the first seconds of a node, another publisher may be its own predecessor.
    begin_s = lab.begin_s + 5.0

    def disturb():
        nonlocal begin_s
        time.sleep(max(0.0, begin_s - time.monotonic()))
        size = len(lab.log_since(0))
        with lab.fault() as found, make():
            took_s = wait_until_reported(lab, 'reaction_node', text, size)
        begin_s = time.monotonic() + REMIND_S  # the same text is not logged earlier
        note(f'{name}: report', 'in the log and the diagnostics', after_s=took_s)
        return found[0]

    attempt(lab, name, disturb, 400.0, 3.0)


def wait_until_reported(lab, node, text, size, most_s=REPORTED_S):
    """Wait for a text in the status of a node and in the log; returns how long, s."""
    begin_s = time.monotonic()
    lab.peer.wait_for(
        lambda: node in lab.peer.statuses and text in lab.peer.statuses[node].message, text
    )
    lab.peer.wait_for(lambda: text in lab.log_since(size), f'{text} in the log')
    took_s = time.monotonic() - begin_s
    # A status comes once a second; a machine that is too busy to send 25 reactions delays it.
    assert took_s < most_s * lab.busy, took_s
    return took_s


@pytest.mark.faults
def test_a_second_graph_is_reported_by_both(lab, note, tries, tmp_path):
    """The same nodes once more, as by an operator who starts the robot twice."""
    text = f'{REACTION}: 2 publishers (/reaction_node)'
    for _ in tries[:3]:
        size = len(lab.log_since(0))
        begin_s = time.monotonic()
        second = NodeProcess('reaction_node', tmp_path, device='cpu')
        try:
            wait_until_reported(lab, 'reaction_node', text, size, 10.0)
            running_s = time.monotonic() - begin_s
            lab.peer.wait_for(lambda second=second: text in second.text, 'its warning')
            took_s = time.monotonic() - begin_s
            # The second one may have replaced the first, which Fast DDS lists for 20 s if killed.
            note('a second graph, from its start', 'both report it', by_the_first_s=running_s,
                 by_the_second_s=took_s)  # fmt: skip
            assert second.interrupt() == 0
        finally:
            second.kill()
        time.sleep(max(0.0, begin_s + took_s + REMIND_S - time.monotonic()))
