# SPDX-License-Identifier: Apache-2.0
"""The commands topic, param and node: on a real graph, and the text they print."""

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Point32, Polygon
from hypothesis import given, settings
from hypothesis import strategies as st
from launching import run_python, until
from live_graph import Peer
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import ByteMultiArray, Float32, Header, MultiArrayLayout

from robot_face_gen import cli
from robot_face_gen.tools.topic import message_class, rate, to_plain, weakest_qos
from robot_face_gen_msgs.msg import FaceReaction

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


def start(code):
    """A program that has printed 'up'."""
    process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'up\n'
    return process


def started(log, *words):
    """The command in a process of its own; its output goes to a file."""
    with log.open('wb') as output:
        line = [sys.executable, '-m', 'robot_face_gen.cli', *words]
        return subprocess.Popen(line, stdout=output, stderr=output)


@pytest.fixture(autouse=True)
def announced(monkeypatch):
    """The tests' nodes announce themselves more often (`quick_discovery.xml`)."""
    monkeypatch.setattr('robot_face_gen.tools.node.ANNOUNCED_S', 1.0)


@pytest.fixture(scope='module')
def graph(graph_domain):
    """A node that publishes."""
    with start(TALKER) as talker:
        yield
        talker.send_signal(signal.SIGINT)
        assert talker.wait(60) == 0


@pytest.mark.graph
def test_nodes_and_topics_are_listed(graph, command):
    assert command('node', 'list').stdout == '/robot/talker\n'
    lines = command('topic', 'list', '-t').stdout.splitlines()
    assert '/robot_face/reaction [robot_face_gen_msgs/msg/FaceReaction]' in lines
    assert '/chat [std_msgs/msg/String]' in lines
    assert lines == sorted(lines)
    names = command('topic', 'list').stdout.split()
    assert names == [line.split()[0] for line in lines]


INTERRUPTED = """
import os, signal, sys, time, rclpy
from robot_face_gen import cli
make = rclpy.create_node
def create_node(*args, **options):
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    while rclpy.ok():  # the signal is handled by a thread
        time.sleep(0.01)
    return make(*args, **options)
rclpy.create_node = create_node
sys.exit(cli.main(['node', 'list']))
"""


@pytest.mark.graph
@pytest.mark.parametrize('name', ['SIGINT', 'SIGTERM'])
def test_a_signal_before_the_node_is_there_ends_the_command(ros_domain, name):
    ended = run_python(INTERRUPTED, name)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, '', '')


@pytest.mark.graph
def test_without_nodes_the_list_says_so(ros_domain, command):
    told = command('node', 'list')
    assert (told.stdout, told.returncode) == ('', 0)
    assert told.stderr == f'no nodes (ROS_DOMAIN_ID {os.environ["ROS_DOMAIN_ID"]})\n'


@pytest.mark.graph
def test_echo_shows_messages_as_yaml(graph, command):
    told = command('topic', 'echo', 'robot_face/reaction', '-n', '2')
    documents = list(yaml.safe_load_all(told.stdout))
    assert documents[2] is None and len(documents) == 3
    message = documents[0]
    assert message == documents[1]
    assert (message['frame'], message['gaze']) == (7, [0.1, -0.25])
    assert (len(message['landmarks']), message['header']['stamp']['sec']) == (136, 0)
    # What a durable publisher sent before is received, too.
    assert command('topic', 'echo', 'chat', '--once').stdout == "{data: 'first: é'}\n---\n"


@pytest.mark.graph
@pytest.mark.parametrize(
    ('topic', 'expected'),
    [
        (
            'robot_face/reaction',
            r'average rate: \d+\.\d{3}\n'
            r'\tmin: \d\.\d{3}s max: \d\.\d{3}s std dev: \d\.\d{5}s window: \d+\n',
        ),
        ('nix', "waiting for topic '/nix' ..."),
        ('chat', "^'/chat': no message for 5 s from 1 publisher\n$"),
    ],
)
def test_hz_until_ctrl_c(graph, tmp_path, topic, expected):
    log = tmp_path / 'log'
    with started(log, 'topic', 'hz', topic) as process:
        until(lambda: re.search(expected, log.read_text()), timeout=40.0, what=expected)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert 'Traceback' not in log.read_text()


@pytest.mark.graph
def test_a_later_publisher_with_another_qos_is_received(ros_domain, tmp_path):
    """A subscription makes the topic known before anybody publishes it."""
    peer, log, talker = Peer('listener'), tmp_path / 'log', None
    topic = '/robot_face/reaction'
    peer.listen(FaceReaction, topic)
    with started(log, 'topic', 'echo', topic) as process:
        try:
            peer.wait_for(lambda: peer.node.count_subscribers(topic) == 2, 'the command')
            talker = start(TALKER)
            until(lambda: 'frame: 7' in log.read_text(), timeout=40.0, what='a message')
        finally:
            process.kill()
            if talker:
                talker.kill()
                talker.communicate()
            peer.close()


@pytest.mark.graph
@pytest.mark.parametrize('words', [('topic', 'echo', 'nix'), ('param', 'get', 'nix', 'gain')])
def test_a_missing_topic_or_node_is_an_error_after_the_timeout(graph, command, words):
    told = command(*words, '--timeout', '0.5')
    assert told.returncode == 2
    assert re.search(r"^robot-face-gen: error: no (topic|node) '/nix' within 0.5 s$", told.stderr)


@pytest.mark.graph
def test_parameters_are_listed(graph, command):
    told = command('param', 'list', 'robot/talker').stdout
    assert re.search(r'^  gain\n  on\n(  .*\n)*  words\n$', told)
    assert command('param', 'list').stdout == f'/robot/talker:\n{told}'


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
def test_parameters_are_set_and_shown(graph, command, name, value, shown):
    told = command('param', 'set', '/robot/talker', name, value)
    assert (told.returncode, told.stdout) == (0, 'Set parameter successful\n')
    assert command('param', 'get', '/robot/talker', name).stdout == shown


@pytest.mark.graph
@pytest.mark.parametrize(
    ('words', 'code', 'problem'),
    [
        (('set', 'gain', '2.0'), 1, 'Setting parameter failed: too much'),
        (('set', 'gain', 'much'), 1, 'DOUBLE'),
        (('get', 'nix'), 2, "node '/robot/talker' has no parameter 'nix', or it is not set"),
        (('set', 'gian', '0.5'), 2, "has no parameter 'gian'; did you mean 'gain'?"),
        (('set', 'gian', '1'), 2, "has no parameter 'gian'; did you mean 'gain'?"),
    ],
)
def test_a_refused_value_or_name_is_reported_with_the_reason(graph, command, words, code, problem):
    what, *rest = words
    told = command('param', what, 'robot/talker', *rest)
    assert told.returncode == code
    assert problem in (told.stdout if code == 1 else told.stderr)


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
        QoSProfile(depth=1, reliability=kinds[r], durability=kinds[d]) for r, d in publishers
    ]
    profile = weakest_qos(offered)
    assert profile.reliability == ReliabilityPolicy[reliability]
    assert profile.durability == DurabilityPolicy[durability]


@pytest.mark.parametrize(
    'code',
    [
        "from robot_face_gen.cli import main; main(['node', 'list'])",
        'from robot_face_gen.demo.recorder import Recorder, own_domain\n'
        'with own_domain() as domain: Recorder(domain).close()',
    ],
)
def test_a_home_folder_that_cannot_be_written(code, tmp_path, ros_domain):
    home = tmp_path / 'home'
    home.touch()  # a file: not even root can make a folder in it
    env = {k: v for k, v in os.environ.items() if k not in ('ROS_LOG_DIR', 'ROS_HOME')}
    done = subprocess.run(
        [sys.executable, '-c', code],
        env=env | {'HOME': str(home)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "ROS' log files are in" in done.stderr


def test_a_service_without_a_home(ros_domain):
    """systemd sets no HOME for a service of the system; ROS alone would not start."""
    env = {k: v for k, v in os.environ.items() if k not in ('ROS_LOG_DIR', 'ROS_HOME', 'HOME')}
    code = "from robot_face_gen.cli import main; main(['node', 'list'])"
    done = subprocess.run(
        [sys.executable, '-c', code], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and 'no nodes' in done.stderr, done.stderr
    assert 'error' not in done.stderr
