# SPDX-License-Identifier: Apache-2.0
"""The commands topic, param and node: on a real graph, and the text they print."""

import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Point32, Polygon
from hypothesis import given, settings
from hypothesis import strategies as st
from launching import until
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import ByteMultiArray, Float32, Header, MultiArrayLayout

from robot_face_gen import cli
from robot_face_gen.tools.topic import message_class, rate, suitable_qos, to_plain

TALKER = """
import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import ExternalShutdownException
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from robot_face_gen_msgs.msg import FaceReaction
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node('talker', namespace='robot')
node.declare_parameter('gain', 0.5)
node.declare_parameter('words', ['a', 'b'])
node.declare_parameter('on', True)
def judge(parameters):
    refused = any(one.name == 'gain' and one.value > 1.0 for one in parameters)
    return SetParametersResult(successful=not refused, reason='too much' if refused else '')
node.add_on_set_parameters_callback(judge)
reaction = node.create_publisher(FaceReaction, '/robot_face/reaction', qos_profile_sensor_data)
kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
chat = node.create_publisher(String, '/chat', kept)
chat.publish(String(data='first: \\u00e9'))
message = FaceReaction(frame=7)
message.gaze[:] = [0.1, -0.25]
node.create_timer(0.02, lambda: reaction.publish(message))
print('up', flush=True)
try:
    rclpy.spin(node)
except (KeyboardInterrupt, ExternalShutdownException):
    pass
"""
LISTENER = """
import rclpy
from robot_face_gen_msgs.msg import FaceReaction
rclpy.init()
node = rclpy.create_node('listener')
node.create_subscription(FaceReaction, '/robot_face/reaction', print, 1)
print('up', flush=True)
rclpy.spin(node)
"""


def start(code, env):
    """A program that has printed 'up'."""
    process = subprocess.Popen(
        [sys.executable, '-c', code], env=env, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == 'up\n'
    return process


@pytest.fixture(scope='module')
def graph():
    """A node that publishes, in a domain of its own; the environment to find it in."""
    env = {
        **os.environ,
        'ROS_DOMAIN_ID': str(101 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    }
    with start(TALKER, env) as talker:
        yield env
        talker.send_signal(signal.SIGINT)
        assert talker.wait(10) == 0


def command(*words):
    return [sys.executable, '-m', 'robot_face_gen.cli', *words]


def run(env, *words):
    """Run the command to its end."""
    return subprocess.run(command(*words), env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.graph
def test_node_list(graph):
    assert run(graph, 'node', 'list').stdout == '/robot/talker\n'


@pytest.mark.graph
def test_topic_list(graph):
    lines = run(graph, 'topic', 'list', '-t').stdout.splitlines()
    assert '/robot_face/reaction [robot_face_gen_msgs/msg/FaceReaction]' in lines
    assert '/chat [std_msgs/msg/String]' in lines
    assert lines == sorted(lines)
    names = run(graph, 'topic', 'list').stdout.split()
    assert names == [line.split()[0] for line in lines]


@pytest.mark.graph
def test_echo_shows_messages_as_yaml(graph):
    told = run(graph, 'topic', 'echo', 'robot_face/reaction', '-n', '2')
    documents = list(yaml.safe_load_all(told.stdout))
    assert documents[2] is None and len(documents) == 3
    message = documents[0]
    assert message == documents[1]
    assert (message['frame'], message['gaze']) == (7, [0.1, -0.25])
    assert (len(message['landmarks']), message['header']['stamp']['sec']) == (136, 0)


@pytest.mark.graph
def test_echo_receives_what_a_durable_publisher_sent_before(graph):
    assert run(graph, 'topic', 'echo', 'chat', '--once').stdout == "{data: 'first: é'}\n---\n"


@pytest.mark.graph
def test_hz_until_ctrl_c(graph):
    with subprocess.Popen(
        command('topic', 'hz', 'robot_face/reaction'),
        env=graph,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        found = re.fullmatch(r'average rate: (.+)\n', process.stdout.readline())
        assert 40.0 < float(found[1]) < 60.0
        assert re.fullmatch(
            r'\tmin: \d\.\d{3}s max: \d\.\d{3}s std dev: \d\.\d{5}s window: \d+\n',
            process.stdout.readline(),
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert 'Traceback' not in process.stderr.read()


@pytest.mark.graph
@pytest.mark.parametrize('what', ['echo', 'hz'])
def test_a_later_publisher_with_another_qos_is_received(what, ros_domain, tmp_path):
    """A subscription makes the topic known before anybody publishes it."""
    log = tmp_path / 'log'
    env = dict(os.environ)
    children = [start(LISTENER, env)]
    try:
        with log.open('wb') as output:
            words = command('topic', what, 'robot_face/reaction')
            children.append(subprocess.Popen(words, env=env, stdout=output, stderr=output))
        until(lambda: '_robot_face_gen' in seen_subscribers(env), timeout=40.0)
        children.append(start(TALKER, env))
        expected = 'average rate' if what == 'hz' else 'frame: 7'
        until(lambda: expected in log.read_text(), timeout=40.0, what=expected)
    finally:
        for child in children:
            child.kill()
            child.wait()
            if child.stdout:
                child.stdout.close()


def seen_subscribers(env):
    """Names of the nodes that subscribe to the reaction."""
    code = """
import time, rclpy
rclpy.init()
node = rclpy.create_node('observer')
end = time.monotonic() + 3.0
found = []
while time.monotonic() < end and len(found) < 2:
    rclpy.spin_once(node, timeout_sec=0.1)
    found = node.get_subscriptions_info_by_topic('/robot_face/reaction')
print(*(one.node_name for one in found))
rclpy.shutdown()
"""
    told = subprocess.run([sys.executable, '-c', code], env=env, capture_output=True, text=True)
    return told.stdout


@pytest.mark.graph
def test_a_missing_topic_is_waited_for(graph, tmp_path):
    log = tmp_path / 'log'
    with (
        log.open('wb') as output,
        subprocess.Popen(
            command('topic', 'hz', 'nix'), env=graph, stdout=output, stderr=output
        ) as process,
    ):
        until(lambda: "waiting for topic '/nix' ..." in log.read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert 'Traceback' not in log.read_text()


@pytest.mark.graph
@pytest.mark.parametrize('words', [('topic', 'echo', 'nix'), ('param', 'get', 'nix', 'gain')])
def test_a_missing_topic_or_node_is_an_error_after_the_timeout(graph, words):
    told = run(graph, *words, '--timeout', '0.5')
    assert told.returncode == 2
    assert re.search(r"^robot-face-gen: error: no (topic|node) '/nix' within 0.5 s$", told.stderr)


@pytest.mark.graph
def test_parameters_are_listed(graph):
    told = run(graph, 'param', 'list', 'robot/talker').stdout
    assert re.search(r'^  gain\n  on\n(  .*\n)*  words\n$', told)
    assert run(graph, 'param', 'list').stdout == f'/robot/talker:\n{told}'


@pytest.mark.graph
@pytest.mark.parametrize(
    ('name', 'value', 'shown'),
    [
        ('gain', '0.25', 'Double value is: 0.25\n'),
        ('gain', '1', 'Double value is: 1.0\n'),
        ('on', 'false', 'Boolean value is: False\n'),
        ('words', '[x, y z]', "String values are: ['x', 'y z']\n"),
    ],
)
def test_parameters_are_set_and_shown(graph, name, value, shown):
    told = run(graph, 'param', 'set', '/robot/talker', name, value)
    assert (told.returncode, told.stdout) == (0, 'Set parameter successful\n')
    assert run(graph, 'param', 'get', '/robot/talker', name).stdout == shown


@pytest.mark.graph
@pytest.mark.parametrize(('value', 'reason'), [('2.0', 'too much'), ('much', 'DOUBLE')])
def test_a_refused_value_is_reported_with_the_reason(graph, value, reason):
    told = run(graph, 'param', 'set', 'robot/talker', 'gain', value)
    assert told.returncode == 1
    assert told.stdout.startswith('Setting parameter failed: ') and reason in told.stdout


@pytest.mark.graph
@pytest.mark.parametrize(
    ('words', 'problem'),
    [
        (('get', 'robot/talker', 'nix'), "'nix', or it is not set"),
        (('set', 'robot/talker', 'gian', '0.5'), "'gian'; did you mean 'gain'?"),
        (('set', 'robot/talker', 'gian', '1'), "'gian'; did you mean 'gain'?"),
    ],
)
def test_an_unknown_parameter_is_an_error(graph, words, problem):
    told = run(graph, 'param', *words)
    assert told.returncode == 2
    assert f"node '/robot/talker' has no parameter {problem}" in told.stderr


@pytest.mark.parametrize(
    'words', [['topic', 'echo'], ['topic'], ['param', 'set', 'n', 'p'], ['node', 'nix']]
)
def test_wrong_arguments_are_refused(words, capsys):
    with pytest.raises(SystemExit) as refused:
        cli.main(words)
    assert refused.value.code == 2
    assert 'error: ' in capsys.readouterr().err


def test_rate():
    assert rate([0.0, 0.04, 0.08, 0.14]) == (
        'average rate: 21.429\n\tmin: 0.040s max: 0.060s std dev: 0.00943s window: 3'
    )
    assert rate([1.0, 1.0]).startswith('average rate: inf\n')


def test_the_message_type_must_be_installed():
    assert message_class('std_msgs/msg/Header') is Header
    for name in ('no_msgs/msg/Nix', 'std_msgs/msg/Nix', 'std_msgs/srv/Nix'):
        with pytest.raises(ValueError, match=f"the message type '{name}' is not installed"):
            message_class(name)


@given(st.floats(width=32, allow_nan=False))
@settings(deadline=None, max_examples=30)
def test_32_bit_floats_are_short_and_equal(value):
    shown = to_plain(Float32(data=value))['data']
    assert np.float32(shown) == np.float32(value)
    assert len(repr(shown)) <= len(repr(float(np.float32(value))))


def test_messages_of_all_kinds_become_yaml():
    image = Image(height=2, width=1, encoding='mono8', data=b'\x01\xff')
    assert to_plain(image)['data'] == [1, 255]
    polygon = Polygon(points=[Point32(x=0.1)])
    assert to_plain(polygon) == {'points': [{'x': 0.1, 'y': 0.0, 'z': 0.0}]}
    assert to_plain(DiagnosticStatus(level=DiagnosticStatus.WARN))['level'] == 1
    bytes_message = ByteMultiArray(layout=MultiArrayLayout(data_offset=1), data=[b'\x07', b'\x08'])
    assert to_plain(bytes_message) == {'layout': {'dim': [], 'data_offset': 1}, 'data': [7, 8]}
    assert yaml.safe_load(yaml.safe_dump(to_plain(bytes_message))) == to_plain(bytes_message)


@pytest.mark.parametrize(
    ('publishers', 'reliability', 'durability'),
    [
        ([], 'RELIABLE', 'VOLATILE'),
        (['rt', 'rt'], 'RELIABLE', 'TRANSIENT_LOCAL'),
        (['rt', 'rv'], 'RELIABLE', 'VOLATILE'),
        (['rv', 'bv'], 'BEST_EFFORT', 'VOLATILE'),
    ],
)
def test_the_qos_is_the_strictest_that_all_publishers_offer(publishers, reliability, durability):
    kinds = {
        'r': ReliabilityPolicy.RELIABLE,
        'b': ReliabilityPolicy.BEST_EFFORT,
        't': DurabilityPolicy.TRANSIENT_LOCAL,
        'v': DurabilityPolicy.VOLATILE,
    }
    offered = [
        SimpleNamespace(qos_profile=QoSProfile(depth=1, reliability=kinds[r], durability=kinds[d]))
        for r, d in publishers
    ]
    profile = suitable_qos(offered)
    assert profile.reliability == ReliabilityPolicy[reliability]
    assert profile.durability == DurabilityPolicy[durability]
