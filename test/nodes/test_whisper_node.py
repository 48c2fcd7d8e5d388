# SPDX-License-Identifier: Apache-2.0
"""`whisper_node` alone, as a process, between a peer's sound and a peer's ears."""

import contextlib
import os
import signal
import time

import numpy as np
import pytest
from live_graph import NodeProcess

from robot_face_gen.nodes.messages import from_samples, to_embeddings, to_ns
from robot_face_gen.nodes.run import run
from robot_face_gen.nodes.tables import WHISPER
from robot_face_gen.nodes.whisper_node import WhisperNode, join
from robot_face_gen_msgs.msg import AudioChunk, AudioEmbedding

pytestmark = pytest.mark.graph
TOPIC = '/whisper/embedding'
RATE = 16000
CHUNK = 320


@pytest.fixture(scope='module')
def node(peer, tmp_path_factory):
    peer.listen(AudioEmbedding, TOPIC)
    process = NodeProcess(
        'whisper_node',
        tmp_path_factory.mktemp('logs'),
        weights='untrained',
        context_s=0.4,
        hop_s=0.04,
        settle_s=0.0,
    )
    yield process
    process.kill()


@pytest.fixture(scope='module')
def voice(peer, node):
    return peer.publisher(AudioChunk, '/audio', 'whisper_node')


def noise(chunks, seed=0):
    return np.random.default_rng(seed).uniform(-0.3, 0.3, (chunks, CHUNK)).astype(np.float32)


def speak(voice, samples, first=0, begin_ns=None):
    begin_ns = time.time_ns() if begin_ns is None else begin_ns
    for index, chunk in enumerate(samples, first):
        voice.publish(
            from_samples(begin_ns + index * 20_000_000, index * CHUNK, chunk, RATE, 'microphone')
        )
    return begin_ns


def test_embeds_what_it_hears_as_the_stream_below_does(peer, node, voice):
    from robot_face_gen.features.whisper_encoder import WhisperEncoder
    from robot_face_gen.features.whisper_stream import WhisperStream

    samples = noise(20)
    peer.heard[TOPIC].clear()
    begin_ns = time.time_ns()
    for done in range(10):  # one hop at a time: a node that is behind may answer otherwise
        speak(voice, samples[2 * done : 2 * done + 2], 2 * done, begin_ns)
        peer.wait_for(lambda done=done: len(peer.heard[TOPIC]) == done + 1, f'hop {done}')
    encoder = WhisperEncoder.from_name_or_path('untrained')
    stream = WhisperStream(encoder, hop_s=0.04, context_s=0.4)
    expected = np.concatenate(
        [block.data for block in stream.push(samples.ravel(), RATE, begin_ns, 0)]
    )
    messages = [message for _, message in peer.heard[TOPIC]]
    assert {(m.encoder, m.dim, m.rate) for m in messages} == {(encoder.id, 384, 50.0)}
    assert messages[0].header.frame_id == 'microphone'
    got = np.concatenate([to_embeddings(m, 384, 50.0)[1] for m in messages])
    assert np.allclose(got, expected, atol=1e-4)
    stamps = [to_ns(m.header.stamp) - begin_ns for m in messages]
    assert np.allclose(np.diff(stamps), 40e6, atol=1e3)


def test_bad_sound_is_counted_and_the_node_goes_on(peer, node, voice):
    peer.heard[TOPIC].clear()
    invalid = int(peer.values('whisper_node').get('invalid', 0))
    bad = noise(3)
    bad[0, 5], bad[1] = np.nan, 20000.0
    speak(voice, bad[:2])
    voice.publish(from_samples(0, 0, bad[2], RATE, 'microphone'))
    speak(voice, noise(20, seed=1), first=100)
    peer.wait_for(lambda: peer.heard[TOPIC], 'embeddings')
    peer.wait_for(
        lambda: int(peer.values('whisper_node').get('invalid', 0)) >= invalid + 3,
        'three bad messages counted',
    )
    assert 'message dropped: samples[' in node.text  # the last of several in a second
    values = peer.values('whisper_node')
    assert float(values['encoder_p50_ms']) > 0.0


def test_lost_chunks_are_counted_and_filled(peer, node, voice):
    begin_ns = speak(voice, noise(10, seed=2), first=1000)
    speak(voice, noise(10, seed=3), first=1015, begin_ns=begin_ns)
    peer.wait_for(
        lambda: peer.values('whisper_node').get('lost_samples') == str(5 * CHUNK), 'the loss'
    )


def test_a_node_that_is_behind_takes_all_hops_from_the_newest_context():
    from robot_face_gen.features.whisper_encoder import WhisperEncoder
    from robot_face_gen.features.whisper_stream import WhisperStream

    encoder, sound = WhisperEncoder.from_name_or_path('untrained'), noise(20).ravel()
    usual, behind = (WhisperStream(encoder, hop_s=0.04, context_s=0.4) for _ in '12')
    encode, calls = encoder.encode, []
    for stream in (usual, behind):
        stream.push(sound[:3200], RATE, 0, 0)
    expected = usual.push(sound[3200:], RATE, 200_000_000, 3200)
    encoder.encode = lambda mel, *span: calls.append(mel.shape) or encode(mel, *span)
    late = [(i * 62_500, i, sound[i : i + CHUNK], RATE) for i in range(3200, len(sound), CHUNK)]
    ((stamp_ns, first, samples, rate),) = join(late)
    (block,) = behind.push(samples, rate, stamp_ns, first, catch_up=True)
    assert len(calls) == 1 and behind.counters['hops_at_once'] == 4
    assert block.stamp_ns == expected[0].stamp_ns
    assert block.data.shape == (10, 384)
    assert np.allclose(block.data[-2:], expected[-1].data, atol=1e-5)


def test_chunks_are_joined_only_where_none_is_lost():
    a, b, c = ((i, i, np.full(4, i, np.float32), RATE) for i in (0, 4, 12))
    joined = join([a, b, c, (16, 16, c[2], 8000)])
    assert [(first, len(samples)) for _, first, samples, _ in joined] == [(0, 8), (12, 4), (16, 4)]


def test_ctrl_c_leaves_no_traceback(peer, node, voice):
    assert node.interrupt() == 0
    assert 'Traceback' not in node.text
    assert 'untrained' in node.text


def test_sound_that_waited_for_a_stopped_node_is_no_overload(peer, start):
    peer.statuses.clear()  # those of the node that has ended
    node = start('whisper_node', weights='untrained', context_s=0.4, max_queue_s=0.1)
    voice = peer.publisher(AudioChunk, '/audio', 'whisper_node')

    def warned():
        causes = 'came at once (a process was stopped)', 'overload: the processor is busy'
        return any(cause in node.text for cause in causes)  # the machine may be busy, too

    for first in range(0, 20_000, 1000):
        os.kill(node.process.pid, signal.SIGSTOP)
        speak(voice, noise(50), first)
        time.sleep(0.5)  # the node must miss more than it does on a busy machine
        os.kill(node.process.pid, signal.SIGCONT)
        with contextlib.suppress(AssertionError):
            peer.wait_for(warned, 'a warning', 5.0)
            break
    assert warned() and int(peer.values('whisper_node')['dropped']) > 0
    assert 'too slow' not in node.text


def test_weights_that_are_not_there_are_one_clear_line(graph_domain, capsys):
    arguments = ['--ros-args', '-p', 'weights:=no_such_model']
    assert run(WhisperNode, arguments, table=WHISPER) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(
        'error: no_such_model: no such file, and not the name of Whisper weights'
    )


@pytest.mark.parametrize('damaged', [False, True])
def test_without_weights_the_node_says_once_how_to_get_them(
    graph_domain, tmp_path, monkeypatch, damaged
):
    from live_graph import Peer

    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    file = tmp_path / 'cache' / 'robot_face_gen' / 'models' / 'whisper-tiny.en.pt'
    if damaged:
        file.parent.mkdir(parents=True)
        file.write_bytes(b'half of it')
        file.with_name(f'{file.name}.sha256').write_text(f'{"0" * 64}  {file.name}\n')
    peer, node = Peer(), NodeProcess('whisper_node', tmp_path, weights='tiny.en')
    try:
        peer.wait_for(lambda: 'whisper_node' in peer.statuses, 'its status')
        first = peer.statuses['whisper_node']
        peer.wait_for(lambda: peer.statuses['whisper_node'] is not first, 'a later status')
        status = peer.statuses['whisper_node']
        expected = (
            f'{file} is {"damaged" if damaged else "missing"}: run `robot-face-gen models get '
            'whisper-tiny.en` once'
        )
        assert expected in status.message and 'reacts to the face alone' in status.message
        assert status.level == b'\x02'
        assert node.interrupt() == 0
        (line,) = (line for line in node.text.splitlines() if expected in line)
        assert 'ERROR' in line and 'Traceback' not in node.text
    finally:
        node.kill()
        peer.close()


def test_weights_and_times_are_those_of_the_training_unless_given(tmp_path):
    from robot_face_gen.facial_reaction_model import FacialReactionModel, save_checkpoint
    from robot_face_gen.facial_reaction_model.config import CheckpointInfo
    from robot_face_gen.nodes.tables import WhisperParameters
    from robot_face_gen.nodes.whisper_setup import settings

    path = tmp_path / 'model.safetensors'
    model = FacialReactionModel()
    times = {'hop_s': 0.16, 'context_s': 1.0, 'settle_s': 0.1}
    model.info = CheckpointInfo(audio={**times, 'delay_s': 0.26, 'weights': 'tiny'})
    save_checkpoint(model, path)
    assert settings(WhisperParameters(checkpoint=str(path))) == {**times, 'weights': 'tiny'}
    given = WhisperParameters(checkpoint=str(path), weights='a.pt', settle_s=0.0, hop_s=0.04)
    assert settings(given) == {
        'hop_s': 0.04, 'context_s': 1.0, 'settle_s': 0.0, 'weights': 'a.pt',
    }  # fmt: skip
