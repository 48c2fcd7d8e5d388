# SPDX-License-Identifier: Apache-2.0
"""The commands record and replay, talking to each other."""

import os
import signal
import subprocess
import sys
from itertools import pairwise

import pytest
from launching import until

pytest.importorskip('rosbags')

from rosbags.typesys import Stores, get_typestore

from robot_face_gen.data.bag_file import BagWriter, open_bag

KIND = 'std_msgs/msg/String'
STORE = get_typestore(Stores.ROS2_JAZZY)
START_NS = 1_700_000_000_000_000_000


def write_bag(path, count=60):
    writer = BagWriter(path)
    topic = writer.add_topic('/said', KIND, 'string data\n', {})
    for index in range(count):
        message = STORE.types[KIND](f'word {index}')
        writer.write(
            topic, START_NS + index * 50_000_000, bytes(STORE.serialize_cdr(message, KIND))
        )
    return writer


def read(path):
    with open_bag(path) as bag:
        return [
            (connection.topic, bag.deserialize(data, connection.msgtype).data)
            for connection, _, data in bag.messages()
        ]


@pytest.fixture
def started(ros_domain, tmp_path):
    """Starts robot-face-gen with arguments in tmp_path; its output goes to a file."""
    running = []

    def started(*words):
        log = tmp_path / f'log{len(running)}.txt'
        with log.open('w') as output:
            process = subprocess.Popen(
                [sys.executable, '-m', 'robot_face_gen.cli', *words],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=tmp_path,
                env={**os.environ, 'PYTHONUNBUFFERED': '1'},
                start_new_session=True,
            )
        process.log = log
        running.append(process)
        return process

    yield started
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.graph
def test_what_is_replayed_under_another_name_is_recorded(started, tmp_path):
    write_bag(tmp_path / 'in.mcap').close()
    recorder = started('record', 'out.mcap', '--topics', '/heard')
    until(lambda: 'recording to' in recorder.log.read_text(), 30, 'the recorder')
    player = started('replay', 'in.mcap', '--loop', '--remap', '/said:=/heard')
    until(lambda: 'starts again' in player.log.read_text(), 60, 'a whole round')
    for process in (player, recorder):
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, process.log.read_text()
        assert 'Traceback' not in process.log.read_text()
    found = read(tmp_path / 'out.mcap')
    assert {topic for topic, _ in found} == {'/heard'}
    words = [int(word.split()[1]) for _, word in found]
    # From the moment of discovery on, every message came, in order.
    assert all((b - a) % 60 == 1 for a, b in pairwise(words))
    assert len(words) > 30


def test_a_killed_recording_is_recovered_by_the_command(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    writer = write_bag(tmp_path / 'run.mcap', 5000)
    writer.flush()
    writer.abandon()
    told = command('replay', 'run.mcap')
    assert told.returncode == 1 and 'record --recover run.mcap.part' in told.stderr
    told = command('record', '--recover', 'run.mcap.part')
    assert told.returncode == 0 and 'run.mcap: ' in told.stdout
    assert len(read(tmp_path / 'run.mcap')) > 3000
    told = command('record', '--recover', 'run.mcap.part')
    assert told.returncode == 2
    assert 'run.mcap exists: remove it or choose another name' in told.stderr


@pytest.mark.graph
@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['record', 'old.mcap'], 'old.mcap exists: remove it or choose another name'),
        (['record', 'run.bag'], "output = 'run.bag': expected a name that ends in .mcap"),
        (['record', 'none/run.mcap'], 'no such file or directory'),
        (['record', 'run.mcap', '--topics', 'a,,b'], 'expected a word or names separated by'),
        (
            ['replay', 'old.mcap', '--rate', '99'],
            'parameter speed: expected a number such as 1.0, 0.1 to 20',
        ),
        (['replay', 'old.mcap', '--remap', 'wrong'], "argument 'wrong': expected name:=value"),
    ],
)
def test_mistakes_are_one_line(command, ros_domain, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'old.mcap').write_text('no bag')
    told = command(*words)
    assert told.returncode in (1, 2)
    assert said in told.stderr and 'Traceback' not in told.stderr
    assert not list(tmp_path.glob('run.*'))
