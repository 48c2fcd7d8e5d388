# SPDX-License-Identifier: Apache-2.0
"""The topic command: on a real graph, and what it shows of messages and times."""

import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from launching import until
from std_msgs.msg import Header, String

from robot_face_gen import cli
from robot_face_gen.topic_text import pick, rate, to_plain

pytestmark = pytest.mark.filterwarnings('ignore::ResourceWarning')

TALKER = """
from robot_face_gen.ros_runtime import activate
activate()
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from robot_face_gen_msgs.msg import FaceReaction
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node('talker')
reaction = node.create_publisher(FaceReaction, 'robot_face/reaction', qos_profile_sensor_data)
kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
chat = node.create_publisher(String, 'chat', kept)
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


@pytest.fixture(scope='module')
def graph():
    """A node that publishes, in a domain of its own; the environment to meet it in."""
    import os

    env = {
        **os.environ,
        'ROS_DOMAIN_ID': str(101 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    }
    env.pop('CYCLONEDDS_URI', None)
    with subprocess.Popen(
        [sys.executable, '-c', TALKER], env=env, stdout=subprocess.PIPE, text=True
    ) as talker:
        assert talker.stdout.readline() == 'up\n'
        yield env
        talker.send_signal(signal.SIGINT)
        assert talker.wait(10) == 0


def command(*words):
    return [sys.executable, '-m', 'robot_face_gen.cli', 'topic', *words]


def topic(env, *words):
    """Run the command to its end."""
    return subprocess.run(command(*words), env=env, capture_output=True, text=True, timeout=30)


@pytest.mark.graph
def test_list(graph):
    lines = topic(graph, 'list', '-t').stdout.splitlines()
    assert '/robot_face/reaction [robot_face_gen_msgs/msg/FaceReaction]' in lines
    assert '/chat [std_msgs/msg/String]' in lines
    assert lines == sorted(lines)
    names = topic(graph, 'list', '--spin-time', '0.5').stdout.split()
    assert names == [line.split()[0] for line in lines]


@pytest.mark.graph
def test_info(graph):
    told = topic(graph, 'info', 'chat', '--spin-time', '0.5')
    assert told.stdout == (
        'Type: std_msgs/msg/String\n\nPublisher count: 1\n\nSubscription count: 0\n'
    )
    told = topic(graph, 'info', '/nix', '--spin-time', '0.2')
    assert told.returncode == 2
    assert re.fullmatch(r"robot-face-gen: error: unknown topic '/nix' .*\n", told.stderr)


@pytest.mark.graph
def test_echo_shows_messages_as_yaml(graph):
    told = topic(graph, 'echo', 'robot_face/reaction', '-n', '2', '--full-length')
    documents = list(yaml.safe_load_all(told.stdout))
    assert documents[2] is None and len(documents) == 3
    message = documents[0]
    assert message == documents[1]
    assert (message['frame'], message['gaze']) == (7, [0.1, -0.25])
    assert (len(message['landmarks']), message['header']['stamp']['sec']) == (136, 0)
    told = topic(graph, 'echo', '/robot_face/reaction', '--once', '--no-arr')
    assert "gaze: '<array type: float[2]>'" in told.stdout


@pytest.mark.graph
def test_echo_gets_what_was_said_before_it_came(graph):
    told = topic(graph, 'echo', 'chat', '--once', '--field', 'data')
    assert told.stdout == "'first: é'\n---\n"


@pytest.mark.graph
def test_echo_of_a_field_that_is_not_there(graph):
    told = topic(graph, 'echo', 'chat', '--field', 'date')
    assert told.returncode == 2
    assert "no field 'date' (there are: data)" in told.stderr


@pytest.mark.graph
def test_hz_until_ctrl_c(graph):
    with subprocess.Popen(
        command('hz', 'robot_face/reaction'),
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
        assert process.stderr.read() == '\n'


@pytest.mark.graph
@pytest.mark.parametrize('what', ['echo', 'hz'])
def test_a_publisher_that_comes_later_is_heard_whatever_its_qos(what, tmp_path):
    """The topic is known from a subscription before anybody publishes it."""
    import os

    listener = TALKER.partition('reaction =')[0] + (
        "node.create_subscription(FaceReaction, 'robot_face/reaction', print, 1)\n"
        "print('up', flush=True)\nrclpy.spin(node)\n"
    )
    env = {
        **os.environ,
        'ROS_DOMAIN_ID': str(1 + os.getpid() % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    }
    env.pop('CYCLONEDDS_URI', None)
    log = tmp_path / 'log'
    children = []
    with log.open('wb') as output:
        try:
            for code in (listener, None, TALKER):
                children.append(
                    subprocess.Popen(
                        [sys.executable, '-c', code]
                        if code
                        else [*command(what, 'robot_face/reaction')],
                        env=env,
                        stdout=subprocess.PIPE if code else output,
                        stderr=output if code is None else subprocess.DEVNULL,
                        text=True,
                    )
                )
                if code:
                    assert children[-1].stdout.readline() == 'up\n'
                else:
                    until(lambda: subscriptions(env) == 2)
            until(lambda: ('average rate' if what == 'hz' else 'frame: 7') in log.read_text())
        finally:
            for child in children:
                child.kill()
                child.wait()
                if child.stdout:
                    child.stdout.close()


def subscriptions(env):
    """Of the reactions."""
    told = topic(env, 'info', 'robot_face/reaction', '--spin-time', '0.5').stdout
    return int(re.search(r'Subscription count: (\d+)', told)[1])


@pytest.mark.graph
@pytest.mark.parametrize('what', ['echo', 'hz'])
def test_a_topic_that_is_not_there_is_waited_for(graph, what, tmp_path):
    log = tmp_path / 'log'
    with (
        log.open('wb') as output,
        subprocess.Popen(
            command(what, 'nix'), env=graph, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        until(lambda: "waiting for topic '/nix' ..." in log.read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert 'Traceback' not in log.read_text()


@pytest.mark.parametrize(
    'words', [['echo', 'x', '-n', '0'], ['list', '--spin-time', '-1'], ['hz'], [], ['nix']]
)
def test_wrong_arguments_are_refused(words, capsys):
    with pytest.raises(SystemExit) as refused:
        cli.main(['topic', *words])
    assert refused.value.code == 2
    assert 'error: ' in capsys.readouterr().err


def test_rate():
    assert rate([0.0, 0.04, 0.08, 0.14]) == (
        'average rate: 21.429\n\tmin: 0.040s max: 0.060s std dev: 0.00943s window: 3'
    )


def test_rate_of_messages_at_one_moment_is_no_division_by_zero():
    assert rate([1.0, 1.0]).startswith('average rate: inf\n')


@given(st.floats(width=32, allow_nan=False))
@settings(deadline=None, max_examples=30)
def test_32_bit_floats_are_short_and_the_same(value):
    shown = to_plain(value, 'float')
    assert np.float32(shown) == np.float32(value)
    assert len(repr(shown)) <= len(repr(float(np.float32(value))))


def test_plain_values_of_arrays_and_sequences():
    values = np.arange(5, dtype=np.float32) / 10
    assert to_plain(values, 'float[5]', length=2) == [0.0, 0.1, '...']
    assert to_plain(values, 'float[5]', length=5) == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert to_plain(values, 'float[5]', arrays=False) == '<array type: float[5]>'
    assert to_plain([1, 2], 'sequence<int32>', arrays=False) == (
        '<sequence type: sequence<int32>, length: 2>'
    )
    assert to_plain([String(data='a')], 'sequence<std_msgs/String>') == [{'data': 'a'}]
    assert to_plain(b'\x01\xff', 'sequence<octet>') == [1, 255]


def test_pick():
    header = Header(frame_id='x')
    assert pick(header, 'frame_id') == ('x', 'string')
    assert pick(header, 'stamp.sec') == (0, 'int32')
    assert pick(SimpleNamespace(), None)[1] == ''
    with pytest.raises(ValueError, match="no field 'nix'"):
        pick(header, 'stamp.nix')
    with pytest.raises(ValueError, match='there are: none'):
        pick(header, 'frame_id.more')
