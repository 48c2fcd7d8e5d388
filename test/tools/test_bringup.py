# SPDX-License-Identifier: Apache-2.0
"""The bringup command and its Python form: real processes, real signals, no torch."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from launching import BRINGUP, is_alive, until

from robot_face_gen import cli
from robot_face_gen.bringup import (
    BringupError,
    find_launch_file,
    parse_arguments,
    start_bringup,
)
from robot_face_gen.ros_runtime import has_ros2

NODES = ('openface_node', 'microphone_node', 'whisper_node', 'reaction_node')

# In place of a node: tells its command line, then waits to be told to end.
PROGRAM = f"""#!{sys.executable}
import json, os, signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
print('words', json.dumps(sys.argv[1:]), flush=True)
if os.environ.get('DIES') == os.path.basename(sys.argv[0]):
    sys.exit('error: it was to die')
while True:
    signal.pause()
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Programs of the package that stand where a ROS 2 installation has its nodes."""
    folder = tmp_path / 'prefix' / 'lib' / 'robot_face_gen'
    folder.mkdir(parents=True)
    for name in NODES:
        (folder / name).write_text(PROGRAM)
        (folder / name).chmod(0o755)
    index = tmp_path / 'prefix' / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    (index / 'robot_face_gen').touch()
    share = tmp_path / 'prefix' / 'share' / 'robot_face_gen'
    share.mkdir()
    (share / 'package.xml').touch()
    others = os.environ.get('AMENT_PREFIX_PATH', '')
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{tmp_path / "prefix"}{os.pathsep}{others}')
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path))
    (tmp_path / 'face.csv').touch()
    return tmp_path


def words_of(bringup, name):
    """The command line that a node's stand-in told."""
    pattern = re.compile(rf'^\[{name}-\d+\] words (.*)$', re.MULTILINE)
    return json.loads(until(lambda: pattern.search(bringup.log_file.read_text()))[1])


def test_it_starts_the_launch_file_s_nodes(programs):
    arguments = {'openface': str(programs / 'face.csv'), 'audio': 'none', 'namespace': 'robot'}
    with start_bringup(arguments, log_file=programs / 'log') as bringup:
        pids = bringup.wait_for('openface_node', 'whisper_node', 'reaction_node')
        assert set(pids) == {'openface_node', 'whisper_node', 'reaction_node'}
        assert all(map(is_alive, pids.values()))
        for name in pids:
            assert words_of(bringup, name)[:-1] == [
                *('--ros-args', '--log-level', 'info', '--ros-args'),
                *('-r', f'__node:={name}', '-r', '__ns:=/robot'),
                *('--params-file', str(BRINGUP.parents[1] / 'config' / 'bringup.yaml')),
                '--params-file',
            ]
        assert bringup.returncode is None
    assert bringup.returncode == 0
    assert bringup.exits == dict.fromkeys(pids, 0)
    assert bringup.processes == {}
    assert not any(map(is_alive, [*pids.values(), bringup.pid]))


def test_a_death_is_seen_and_makes_the_exit_code(programs):
    with start_bringup(
        {'audio': ''}, env={'DIES': 'whisper_node'}, log_file=programs / 'log'
    ) as bringup:
        until(lambda: 'whisper_node' in bringup.exits)
        assert set(bringup.wait_for('reaction_node')) == {'reaction_node'}
        words_of(bringup, 'reaction_node')
        told = r'whisper_node has ended with exit code 1: \[whisper_node-1\] error: it was to die'
        with pytest.raises(BringupError, match=told):
            bringup.wait_for('whisper_node')
        with pytest.raises(TimeoutError, match=r'not started within 0.05 s: no_node'):
            bringup.wait_for('no_node', timeout=0.05)
    assert bringup.exits == {'whisper_node': 1, 'reaction_node': 0}
    assert bringup.returncode == 1


def test_a_respawned_node_has_a_new_pid(programs):
    with start_bringup({'audio': '', 'use_respawn': 'true'}, log_file=programs / 'log') as bringup:
        first = bringup.wait_for('whisper_node', 'reaction_node')
        words_of(bringup, 'reaction_node')
        os.kill(first['reaction_node'], signal.SIGKILL)
        again = until(
            lambda: (
                bringup.processes.get('reaction_node', first['reaction_node'])
                != first['reaction_node']
                and bringup.processes
            )
        )
        assert again['whisper_node'] == first['whisper_node']
        until(lambda: bringup.log_file.read_text().count('] words') == 3)
    assert 'exit code -9' in bringup.log_file.read_text()
    assert bringup.returncode == 0


@pytest.mark.parametrize(
    'arguments, complaint',
    [
        ({'opnface': 'x'}, "unknown argument 'opnface'; did you mean 'openface'"),
        ({'openface': '/nix.csv'}, 'openface:=/nix.csv: there is no such file'),
        ({'namespace': '1st'}, 'namespace'),
    ],
)
def test_what_cannot_be_started_says_why(programs, arguments, complaint):
    with pytest.raises(BringupError, match=re.escape(complaint)):
        start_bringup(arguments, log_file=programs / 'log')


def test_a_misspelt_node_in_the_parameters_is_told_and_the_graph_starts(programs):
    (programs / 'mine.yaml').write_text('reaction_nod:\n  ros__parameters: {hop: 2}\n')
    arguments = {'audio': '', 'params_file': str(programs / 'mine.yaml')}
    with start_bringup(arguments, log_file=programs / 'log') as bringup:
        words_of(bringup, 'reaction_node')
    assert "did you mean 'reaction_node'?" in (programs / 'log').read_text()


def test_everything_ends_with_the_program_that_started_it(programs):
    script = (
        'import sys\n'
        'from robot_face_gen.bringup import start_bringup\n'
        'bringup = start_bringup({"audio": ""}, log_file=sys.argv[1])\n'
        'pids = bringup.wait_for("whisper_node", "reaction_node")\n'
        'print(bringup.pid, *pids.values(), flush=True)\n'
        'sys.stdin.read()\n'
    )
    with subprocess.Popen(
        [sys.executable, '-c', script, str(programs / 'log')],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 3 and all(map(is_alive, pids))
        parent.kill()
    until(lambda: not any(map(is_alive, pids)), what='the end of all')


def test_ctrl_c_on_the_command_line(programs):
    log = programs / 'log'
    with (
        log.open('wb') as output,
        subprocess.Popen(
            [sys.executable, '-m', 'robot_face_gen.cli', 'bringup', 'audio:=none'],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        ) as process,
    ):
        until(lambda: log.read_text().count('] words') == 2)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert 'Traceback' not in log.read_text()


def test_user_s_own_launch_file_and_its_arguments(programs, capsys):
    file = programs / 'mine.launch.py'
    file.write_text(
        'from launch import LaunchDescription\n'
        'from launch.actions import DeclareLaunchArgument, ExecuteProcess\n'
        'from launch.substitutions import LaunchConfiguration\n'
        'def generate_launch_description():\n'
        '    return LaunchDescription([DeclareLaunchArgument("word", description="to say"),\n'
        '        ExecuteProcess(cmd=["echo", LaunchConfiguration("word")], output="screen"),\n'
        '        ExecuteProcess(cmd=["echo", "more"], output="screen")])\n'
    )
    assert cli.main(['bringup', '--launch-file', str(file), '--show-args']) == 0
    assert "'word':\n        to say" in capsys.readouterr().out
    bringup = start_bringup({'word': 'a b'}, launch_file=file, log_file=programs / 'log')
    assert bringup.wait(20) == 0
    assert re.search(r'^\[echo-1\] a b$', bringup.log_file.read_text(), re.MULTILINE)
    assert set(bringup.exits) <= {'echo', 'echo-2'}
    with pytest.raises(BringupError, match="argument 'word'"):
        start_bringup({}, launch_file=file, log_file=programs / 'log')


def test_show_args_lists_all_with_defaults(capsys):
    assert cli.main(['bringup', '--show-args']) == 0
    shown = capsys.readouterr().out
    for name in (
        'namespace',
        'params_file',
        'use_sim_time',
        'use_respawn',
        'log_level',
        'openface',
        'audio',
        'checkpoint',
        'device',
        'whisper',
        'speed',
        'start_time',
        'exit_at_end',
    ):
        assert re.search(rf"^    '{name}':\n        \S.+\n        \(default: '", shown, re.M), name


@pytest.mark.parametrize(
    'words, complaint',
    [
        (['opneface:=x'], "unknown argument 'opneface'; did you mean 'openface'?"),
        (['openface'], "argument 'openface': expected name:=value"),
        ([':=x'], "argument ':=x': expected name:=value"),
        (['--launch-file', '/no/such.launch.py'], '/no/such.launch.py: there is no such file'),
        (['--launch-file', __file__], "'generate_launch_description()'"),
    ],
)
def test_errors_are_one_line(words, complaint, capsys):
    assert cli.main(['bringup', *words]) == 2
    told = capsys.readouterr().err
    assert complaint in told
    assert told.startswith('robot-face-gen: error: ') and told.count('\n') == 1


@pytest.mark.skipif(has_ros2(), reason='ROS 2 has it')
def test_a_name_that_only_ros2_has_is_told_as_such(tmp_path, capsys):
    file = tmp_path / 'x.launch.py'
    file.write_text('from launch.substitutions import AnonName\n')
    assert cli.main(['bringup', '--launch-file', str(file)]) == 2
    told = capsys.readouterr().err
    assert 'AnonName' in told and 'needs a ROS 2 installation' in told


def test_arguments_may_hold_anything_and_the_last_one_counts():
    assert parse_arguments(['a:=', 'b:=x:=y', 'c:=1', 'c:=2']) == {'a': '', 'b': 'x:=y', 'c': '2'}


def test_the_launch_file_is_this_package_s():
    assert find_launch_file(Path(BRINGUP.name)) == BRINGUP
