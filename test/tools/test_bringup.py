# SPDX-License-Identifier: Apache-2.0
"""The bringup command and its Python form: real nodes, real signals."""

import os
import re
import shutil
import signal
import subprocess
import sys

import psutil
import pytest
from launching import is_alive, started, until

from robot_face_gen.resources import demo_recording
from robot_face_gen.tools.bringup import BringupError, parse_arguments, start_bringup

FACE = str(demo_recording()[0])
# Nodes that load quickly: no model.
FAST = {'openface': FACE, 'loop': 'true', 'audio': 'none', 'reaction': 'false', 'screen': 'false'}


def ready(log, name):
    """Wait until a node has logged something: it handles signals from then on."""
    until(
        lambda: re.search(rf'^\[{name}-\d+\] \[(INFO|WARN)\]', log.read_text(), re.MULTILINE),
        timeout=40.0,
        what=f'a message of {name}',
    )


@pytest.mark.graph
def test_nodes_run_with_their_parameters_and_end_cleanly(ros_domain, tmp_path, command):
    log = tmp_path / 'log'
    arguments = {**FAST, 'namespace': 'robot', 'speed': '2', 'start_delay': '0'}
    with start_bringup(arguments, log_file=log) as bringup:
        pids = started(bringup, 'openface_node', 'whisper_node')
        assert set(pids) == {'openface_node', 'whisper_node'}
        assert bringup.processes == pids and all(map(is_alive, pids.values()))
        told = command('param', 'get', 'robot/openface_node', 'source', '--timeout', '30')
        assert told.stdout == f'String value is: {FACE}\n'
        told = command('param', 'get', 'robot/openface_node', 'speed', '--timeout', '30')
        assert told.stdout == 'Double value is: 2.0\n'
        environment = psutil.Process(pids['openface_node']).environ()
        assert environment['OMP_WAIT_POLICY'] == 'PASSIVE'
        ready(log, 'whisper_node')
        assert bringup.returncode is None
    assert bringup.returncode == 0, log.read_text()
    assert bringup.exits == dict.fromkeys(pids, 0)
    assert bringup.processes == {}
    assert not any(map(is_alive, [*pids.values(), bringup.pid]))


@pytest.mark.graph
def test_a_node_that_refuses_its_parameters_is_reported_and_makes_the_exit_code(
    ros_domain, tmp_path
):
    log = tmp_path / 'log'
    (tmp_path / 'mine.yaml').write_text(
        '/**/openface_node:\n  ros__parameters: {poll_s: 5.0}\n'
        'whisper_nod:\n  ros__parameters: {hop_s: 0.08}\n'
    )
    arguments = {**FAST, 'params_file': str(tmp_path / 'mine.yaml')}
    with start_bringup(arguments, log_file=log) as bringup:
        until(lambda: 'openface_node' in bringup.exits, timeout=40.0)
        told = r'openface_node has exited with exit code 1: \[openface_node-1\] error: .*poll_s'
        with pytest.raises(BringupError, match=told):
            bringup.check()
        ready(log, 'whisper_node')
    assert bringup.exits == {'openface_node': 1, 'whisper_node': 0}
    assert bringup.returncode == 1
    assert '[WARNING] [launch]: params_file:=' in log.read_text()
    assert "no node is named '/whisper_nod'; did you mean 'whisper_node'?" in log.read_text()


@pytest.mark.graph
def test_a_killed_node_is_respawned(ros_domain, tmp_path):
    log = tmp_path / 'log'
    with start_bringup({**FAST, 'use_respawn': 'true'}, log_file=log) as bringup:
        first = started(bringup, 'openface_node', 'whisper_node')
        ready(log, 'whisper_node')
        psutil.Process(first['openface_node']).kill()
        until(lambda: bringup.processes.get('openface_node') not in (None, first['openface_node']))
        assert bringup.processes['whisper_node'] == first['whisper_node']
        until(lambda: log.read_text().count('25 frames a second') == 2, timeout=40.0)
    assert 'exit code -9 (SIGKILL)' in log.read_text()
    assert bringup.returncode == 0


@pytest.mark.parametrize(
    'arguments, complaint',
    [
        ({'opnface': 'x'}, "unknown argument 'opnface'; did you mean 'openface'"),
        ({'openface': '/nix.csv'}, 'openface:=/nix.csv: no such file'),
        ({'namespace': '1st'}, 'namespace:=1st: expected a namespace'),
    ],
)
def test_invalid_arguments_start_nothing(arguments, complaint, tmp_path):
    with pytest.raises(BringupError, match=re.escape(complaint)):
        start_bringup(arguments, log_file=tmp_path / 'log')
    assert not (tmp_path / 'log').exists()


@pytest.mark.skipif(sys.platform != 'linux', reason='file names are bytes on Linux only')
def test_a_file_name_that_is_no_utf8_is_refused(tmp_path):
    face = os.fsdecode(os.fsencode(tmp_path) + b'/\xc1\xb3.csv')
    shutil.copy(FACE, face)
    with pytest.raises(BringupError, match='no UTF-8, which ROS 2 needs: rename it'):
        start_bringup({**FAST, 'openface': face})


def test_the_end_of_the_bringup_itself_is_noticed(ros_domain, tmp_path):
    with start_bringup(FAST, log_file=tmp_path / 'log') as bringup:
        bringup.check()
        psutil.Process(bringup.pid).kill()
        until(lambda: bringup.returncode is not None)
        with pytest.raises(BringupError, match=r'bringup has exited with .*SIGKILL'):
            bringup.check()


@pytest.mark.graph
def test_everything_ends_with_the_program_that_started_it(ros_domain, tmp_path):
    script = (
        'import sys\n'
        'from robot_face_gen.tools.bringup import start_bringup\n'
        f'bringup = start_bringup({FAST!r}, log_file=sys.argv[1])\n'
        'bringup.wait_until(lambda: len(bringup.processes) == 2, "nodes", 30.0)\n'
        'print(bringup.pid, *bringup.processes.values(), flush=True)\n'
        'sys.stdin.read()\n'
    )
    with subprocess.Popen(
        [sys.executable, '-c', script, str(tmp_path / 'log')],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 3 and all(map(is_alive, pids))
        parent.kill()
    until(lambda: not any(map(is_alive, pids)), what='the end of all')


@pytest.mark.graph
def test_the_reaction_server_on_the_command_line_until_ctrl_c(ros_domain, tmp_path, command):
    log = tmp_path / 'log'
    words = ['bringup', '--graph', 'reaction_server', 'namespaces:=y', 'log_level:=warn']
    with (
        log.open('wb') as output,
        subprocess.Popen(
            [sys.executable, '-m', 'robot_face_gen.cli', *words],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        ) as process,
    ):
        # ROS reads an unquoted y in a parameter file as true.
        told = command('param', 'get', 'reaction_server', 'namespaces', '--timeout', '40')
        assert told.stdout == 'String value is: y\n'
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
    assert 'Traceback' not in log.read_text()
    assert '[INFO] [1' not in log.read_text(), 'the log level'


def test_show_args_lists_the_arguments_of_a_graph(command):
    shown = command('bringup', '--show-args').stdout
    assert shown.startswith("Arguments (pass arguments as '<name>:=<value>'):\n\n    'namespace':")
    assert "    'exit_at_end':\n" in shown
    shown = command('bringup', '-s', '--graph', 'reaction_server').stdout
    assert "    'namespaces':\n" in shown


@pytest.mark.parametrize(
    'words, complaint',
    [
        (['opneface:=x'], "unknown argument 'opneface'; did you mean 'openface'?"),
        (['openface'], "argument 'openface': expected name:=value"),
        ([':=x'], "argument ':=x': expected name:=value"),
        (['--graph', 'reaction_server', 'openface:=x'], "unknown argument 'openface'"),
    ],
)
def test_errors_are_one_line(words, complaint, command):
    told = command('bringup', *words)
    assert told.returncode == 2 and complaint in told.stderr
    assert told.stderr.startswith('robot-face-gen: error: ') and told.stderr.count('\n') == 1


def test_values_may_hold_anything_and_the_last_one_counts():
    assert parse_arguments(['a:=', 'b:=x:=y', 'c:=1', 'c:=2']) == {'a': '', 'b': 'x:=y', 'c': '2'}


@pytest.mark.graph
def test_ctrl_c_while_the_nodes_start_ends_them_cleanly(ros_domain, tmp_path):
    log = tmp_path / 'log'
    words = [f'{name}:={value}' for name, value in FAST.items()]
    command = [sys.executable, '-m', 'robot_face_gen.cli', 'bringup', *words]
    with (
        log.open('w') as output,
        subprocess.Popen(command, stdout=output, stderr=output) as process,
    ):
        until(lambda: log.read_text().count('process started') == 2, timeout=40.0)
        process.send_signal(signal.SIGINT)  # Python itself is still starting in the nodes
        assert process.wait(timeout=40) == 0, log.read_text()
    assert log.read_text().count('process has finished cleanly') == 2
    assert 'Traceback' not in log.read_text()
