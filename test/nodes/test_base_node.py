# SPDX-License-Identifier: Apache-2.0
"""Parameters, bad messages and workers on a node of rclpy."""

import threading
import time

import pytest
import rclpy
from live_graph import Peer
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy

from robot_face_gen.nodes import graph_watch, tables
from robot_face_gen.nodes.base_node import BaseNode
from robot_face_gen_msgs.msg import FaceFeatures, FaceReaction

pytestmark = pytest.mark.graph


class Listener(BaseNode[tables.ModelParameters]):
    """The parameters of `reaction_node`, and a callback that refuses faces without success."""

    def __init__(self):
        self.changes = []
        super().__init__(tables.REACTION)
        self.reactions = self.advertise(FaceReaction, 'reaction', flow='out')
        self.subscribe(FaceFeatures, 'features', self.on_face, flow='faces', stall_s=1.0)
        self.faces = []

    def on_change(self, changes):
        if changes.get('hop') == 13:
            raise ValueError('13 is not liked')
        self.changes.append(changes)

    def on_face(self, message):
        if not message.success:
            raise ValueError('success = False: expected True')
        self.faces.append(message)


@pytest.fixture
def make_node(graph_domain):
    nodes = []

    def make(*arguments):
        rclpy.init(args=['--ros-args', *arguments])
        nodes.append(Listener())
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()


def test_declares_what_its_table_says_and_nothing_else(make_node):
    node = make_node()
    own = {
        name
        for name in node._parameters  # rclpy lists them only through a service
        if not name.startswith(('qos_overrides.', 'use_sim_time', 'start_type_description'))
    }
    assert own == {row.name for row in tables.REACTION}
    for row in tables.REACTION:
        assert node.get_parameter(row.name).value == row.default
        descriptor = node.describe_parameter(row.name)
        assert descriptor.description == row.text
        assert descriptor.read_only is not row.settable
        assert row.unit in descriptor.additional_constraints
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        if row.between is None:
            assert not ranges
        else:
            assert (ranges[0].from_value, ranges[0].to_value) == row.between


def test_a_change_while_running_is_taken_over_or_refused_with_a_reason(make_node):
    node = make_node()
    (result,) = node.set_parameters([Parameter('hop', value=4)])
    assert result.successful and node.parameters.hop == 4 and node.changes == [{'hop': 4}]
    for name, value, words in (
        ('hop', 17, 'hop'),  # rclpy's own words, as the next ones
        ('hop', True, 'INTEGER'),
        ('temperature', 10.5, 'temperature'),
        ('temperature', float('nan'), 'temperature'),
        ('temperature', 1, 'DOUBLE'),
        ('checkpoint', 'other.safetensors', 'read-only'),
        ('hop', 13, '13 is not liked'),
    ):
        before = getattr(node.parameters, name)
        (result,) = node.set_parameters([Parameter(name, value=value)])
        assert not result.successful and words in result.reason
        assert getattr(node.parameters, name) == before
    assert node.changes == [{'hop': 4}]


def test_several_changes_at_once_are_taken_over_all_or_none(make_node):
    node = make_node()
    bad = [Parameter('temperature', value=0.5), Parameter('hop', value=13)]
    assert not node.set_parameters_atomically(bad).successful
    assert node.parameters.temperature == 1.0 and node.changes == []


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        ('hop:=99', 'parameter hop: expected a whole number, 1 to 16'),
        ('temperature:=1', 'parameter temperature: expected a number such as 1.0, 0 to 10'),
        ('frame_id:=7', 'parameter frame_id: expected a text'),
    ],
)
def test_a_bad_value_at_start_up_is_one_clear_line(make_node, given, words):
    with pytest.raises(ValueError, match=words) as caught:
        make_node('-p', given)
    assert '\n' not in str(caught.value)


def test_a_parameter_that_nobody_reads_is_told_of(make_node, tmp_path, capfd):
    file = tmp_path / 'params.yaml'
    file.write_text(
        '/**:\n  ros__parameters:\n    use_sim_time: false\n    gain: 1\n'
        '    qos_overrides: {/x: {publisher: {depth: 5}}}\n'
        '/**/reaction_node:\n  ros__parameters: {temprature: 0.5, hop: {a: 1}}\n'
    )
    node = make_node('--params-file', str(file))
    unknown = 'gain, hop.a (did you mean hop?), temprature (did you mean temperature?)'
    assert report(node).values['unknown_parameters'] == unknown
    assert f'unknown parameters have no effect: {unknown}' in capfd.readouterr().err


def test_a_refused_message_is_counted_and_the_next_one_taken(make_node):
    node, peer = make_node(), Peer('sender')
    try:
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        publisher = peer.node.create_publisher(FaceFeatures, 'features', 10)

        def hear(success):
            publisher.publish(FaceFeatures(success=success))
            executor.spin_once(timeout_sec=0.05)
            return node.health.report().values

        peer.wait_for(lambda: int(hear(success=False)['invalid']) > 0, 'a bad face')
        peer.wait_for(lambda: hear(success=True) and node.faces, 'a good face')
        report = node.health.report()
        assert all(face.success for face in node.faces)
        assert int(report.values['faces']) == int(report.values['invalid']) + len(node.faces)
        assert '/features: message dropped: success = False: expected True' in report.message
    finally:
        peer.close()


def test_a_subscriber_that_wants_more_than_best_effort_is_told_of(make_node, capfd):
    node, peer = make_node(), Peer('reliable')
    try:
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        reliable = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
        peer.node.create_subscription(FaceReaction, 'reaction', lambda message: None, reliable)
        peer.wait_for(
            lambda: executor.spin_once(timeout_sec=0.1) or 'reliability' in report(node).message,
            'a warning that names the policy',
        )
        assert report(node).values['incompatible_qos'] == '1'
        assert '/reaction' in report(node).message
        node.diagnostics.publish()
        told = [
            line
            for line in capfd.readouterr().err.splitlines()
            if '[reaction_node]' in line and 'reliability' in line
        ]
        assert len(told) == 1
    finally:
        peer.close()


@pytest.mark.parametrize('reliability', list(ReliabilityPolicy)[1:3])
def test_peers_that_can_talk_are_no_trouble(make_node, reliability):
    node, peer = make_node(), Peer('friend')
    best_effort = qos(reliability=ReliabilityPolicy.BEST_EFFORT)
    try:
        peer.node.create_publisher(
            FaceFeatures, 'features', QoSProfile(depth=1, reliability=reliability)
        )
        peer.node.create_subscription(FaceReaction, 'reaction', lambda message: None, best_effort)
        peer.wait_for(lambda: node.count_publishers('/features'), 'the publisher')
        peer.wait_for(lambda: node.count_subscribers('/reaction'), 'the subscription')
        node.diagnostics.publish()
        assert 'incompatible_qos' not in report(node).values
    finally:
        peer.close()


def qos(**policies):
    return QoSProfile(depth=1, **policies)


@pytest.mark.parametrize(
    ('offered', 'requested', 'policies'),
    [
        (qos(), qos(), []),
        (qos(deadline=Duration(seconds=9e9)), qos(), []),
        (qos(), qos(deadline=Duration(seconds=1)), ['deadline']),
        (qos(deadline=Duration(seconds=1)), qos(), []),
        (qos(deadline=Duration(seconds=1)), qos(deadline=Duration(seconds=1)), []),
        (qos(), qos(durability=DurabilityPolicy.TRANSIENT_LOCAL), ['durability']),
        (qos(reliability=ReliabilityPolicy.BEST_EFFORT), qos(), ['reliability']),
        (qos(), qos(liveliness=LivelinessPolicy.MANUAL_BY_TOPIC), ['liveliness']),
        (qos(), qos(liveliness_lease_duration=Duration(seconds=2)), ['liveliness_lease_duration']),
    ],
)
def test_policies_that_a_publisher_does_not_meet_are_named(offered, requested, policies):
    assert graph_watch.incompatible_policies(offered, requested) == policies


def test_a_publisher_of_another_type_is_told_of(make_node):
    node, peer = make_node(), Peer('other')
    try:
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        peer.node.create_publisher(FaceReaction, 'features', 1)
        peer.wait_for(
            lambda: executor.spin_once(timeout_sec=0.1) or 'FaceReaction' in report(node).message,
            'a warning that names the type',
        )
        assert '/features: node /other uses type' in report(node).message
    finally:
        peer.close()


@pytest.mark.parametrize(
    ('kind', 'topic'), [(FaceFeatures, 'features'), (FaceReaction, 'reaction')]
)
def test_several_publishers_of_one_topic_are_told_of(make_node, monkeypatch, kind, topic):
    monkeypatch.setattr(graph_watch, 'LEASE_LOOKS', 2)
    monkeypatch.setattr(graph_watch, 'CROWDED_LOOKS', 2)
    node, peer = make_node(), Peer('sender')
    own = 1 if topic == 'reaction' else 0
    try:
        others = [peer.node.create_publisher(kind, topic, 1) for _ in range(2 - own)]
        peer.wait_for(lambda: node.count_publishers(f'/{topic}') == 2, 'both publishers')
        node.diagnostics.publish()
        assert 'publishers' not in report(node).message  # one that was respawned?
        node.diagnostics.publish()
        text = report(node).message
        assert f'/{topic}: 2 publishers (' in text
        assert 'messages are mixed' in text
        assert ('started twice?' in text) == (not own)  # both publishers are of one node
        before = report(node).values['crowded']
        peer.destroy(others[0])
        peer.wait_for(lambda: node.count_publishers(f'/{topic}') == 1, 'the second to go')
        node.diagnostics.publish()
        assert report(node).values['crowded'] == before
    finally:
        peer.close()


def test_every_fault_that_begins_or_ends_is_logged_once(make_node, capfd):
    node = make_node()
    node.health.fail('source', 'no microphone')
    for _ in range(2):
        node.diagnostics.publish()
    node.health.fail('camera', 'no camera')  # a second fault while the first stands
    for _ in range(2):
        node.diagnostics.publish()
    node.health.mend('source')
    for _ in range(2):
        node.diagnostics.publish()
    node.health.fail('camera', 'camera 1 is busy since 3 s')  # another cause of the same fault
    node.diagnostics.publish()
    node.health.fail('camera', 'camera 1 is busy since 4 s')
    node.diagnostics.publish()
    node.health.mend('camera')
    node.diagnostics.publish()
    node.health.count('late', trouble='the input is late')
    node.diagnostics.publish()
    logged = [
        line.split(']: ', 1)[1] for line in capfd.readouterr().err.splitlines() if ']: ' in line
    ]
    logged = [line for line in logged if not line.startswith('waiting')]
    assert logged == [
        'no microphone',
        'no camera',
        'over after 0 s: no microphone',
        'camera 1 is busy since 3 s',
        'over after 0 s: camera 1 is busy since 3 s',
        'the input is late',
    ]


def report(node):
    return node.health.report()


def test_a_worker_that_fails_ends_the_node_with_an_error(make_node):
    node = make_node()

    def work():
        raise RuntimeError('no more sound')

    node.start_worker(work, 'worker')
    for worker in node._workers:
        worker.join(10.0)
    assert node.exit_code == 1


def test_destroying_a_node_wakes_its_workers(make_node):
    node, slept = make_node(), []
    begun = threading.Event()

    def work():
        begun.set()
        slept.append(node.sleep_until(node.now_ns() + 3_600_000_000_000))

    node.start_worker(work, 'sleeper')
    assert begun.wait(10.0)
    before = time.monotonic()
    node.destroy_node()
    assert slept == [False] and time.monotonic() - before < 2.0
    assert node.exit_code is None
