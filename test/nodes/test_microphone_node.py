# SPDX-License-Identifier: Apache-2.0
"""`microphone_node` alone, as a process, heard over DDS."""

import time

import numpy as np
import pytest
from sound_files import encode

from robot_face_gen.nodes.messages import to_ns
from robot_face_gen.nodes.microphone_node import MicrophoneNode
from robot_face_gen.nodes.run import run
from robot_face_gen.nodes.tables import MICROPHONE_TABLE
from robot_face_gen_msgs.msg import AudioChunk

pytestmark = pytest.mark.graph
TOPIC = '/audio'
RATE = 22050


@pytest.fixture
def heard(peer):
    if TOPIC not in peer.heard:
        peer.listen(AudioChunk, TOPIC)
    peer.heard[TOPIC].clear()
    peer.statuses.clear()
    return peer.heard[TOPIC]


def test_plays_a_recording_as_a_microphone_would(peer, heard, start, tmp_path):
    path = tmp_path / 'voice.mkv'
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)
    encode(path, 'flac', (np.stack((sound, sound), 1) * 32768).astype(np.int16), RATE,
           film='mpeg4', container='matroska')  # fmt: skip
    begin = time.time() + 6.0
    node = start(
        'microphone_node', source=path, start_time=f'{begin:.3f}', exit_at_end='true', chunk_s=0.04
    )
    assert node.wait() == 0, node.text
    peer.wait_for(lambda: sum(len(m.samples) for _, m in heard) == RATE, 'all the sound')
    messages = [message for _, message in heard]
    assert np.allclose(np.concatenate([m.samples for m in messages]), sound, atol=1e-4)
    firsts = [m.first_sample for m in messages]
    assert firsts == list(range(0, RATE, round(0.04 * RATE)))
    stamps = [to_ns(m.header.stamp) / 1e9 - begin for m in messages]
    assert np.allclose(stamps, np.array(firsts) / RATE, atol=1e-3)
    assert {m.sample_rate for m in messages} == {RATE}
    # Paced: a chunk comes when its last sample would have been captured, not before.
    arrivals = np.array([when for when, _ in heard])
    assert abs((arrivals[-1] - arrivals[0]) - 0.96) < 0.5
    assert 'end of the recording' in node.text and 'Traceback' not in node.text


def test_a_microphone_that_is_not_there_is_an_error_that_is_tried_again(peer, heard, start):
    node = start('microphone_node', source='microphone:no such card', retry_s=0.2)
    status = peer.wait_for(
        lambda: (
            peer.values('microphone_node').get('failed_opens', '0') > '1'
            and peer.statuses['microphone_node']
        ),
        'two tries',
    )
    assert status.level == b'\x02' and status.message
    # Faults are logged with the next diagnostics.
    peer.wait_for(lambda: 'it is tried again' in node.text, 'the error in the log')
    assert node.interrupt() == 0
    assert 'Traceback' not in node.text


def test_a_file_that_cannot_be_played_is_one_clear_line(graph_domain, capsys, tmp_path):
    (tmp_path / 'text.wav').write_text('hello')
    for name, words in (('no.wav', 'no such sound file'), ('text.wav', 'no sound file')):
        arguments = ['--ros-args', '-p', f'source:={tmp_path / name}']
        assert run(MicrophoneNode, arguments, table=MICROPHONE_TABLE) == 1
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith(f'error: {tmp_path / name}: {words}')
