"""`whisper_node` alone, as a process, between a peer's sound and a peer's ears."""

import time

import numpy as np
import pytest
from live_graph import NodeProcess

from robot_face_gen.nodes.messages import from_samples, to_embeddings, to_ns
from robot_face_gen_msgs.msg import AudioChunk, AudioEmbedding

pytestmark = pytest.mark.graph
TOPIC = '/whisper/embedding'
RATE = 16000
CHUNK = 320


@pytest.fixture(scope='module')
def node(peer, tmp_path_factory):
    peer.listen(AudioEmbedding, TOPIC)
    process = NodeProcess(
        'whisper_node', tmp_path_factory.mktemp('logs'), weights='untrained', context_s=0.4
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
    begin_ns = speak(voice, samples)
    encoder = WhisperEncoder.from_name_or_path('untrained')
    stream = WhisperStream(encoder, hop_s=0.04, context_s=0.4)
    expected = np.concatenate(
        [block.data for block in stream.push(samples.ravel(), RATE, begin_ns, 0)]
    )
    peer.wait_for(
        lambda: sum(len(m.data) for _, m in peer.heard[TOPIC]) >= expected.size, 'embeddings'
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
    peer.wait_for(lambda: len(peer.heard[TOPIC]) > 5, 'embeddings')
    peer.wait_for(
        lambda: int(peer.values('whisper_node').get('invalid', 0)) >= invalid + 3,
        'three bad messages counted',
    )
    assert 'samples[5] = nan' in node.text
    values = peer.values('whisper_node')
    assert float(values['encoder_p50_ms']) > 0.0


def test_lost_chunks_are_counted_and_filled(peer, node, voice):
    peer.heard[TOPIC].clear()
    begin_ns = speak(voice, noise(10, seed=2), first=1000)
    speak(voice, noise(10, seed=3), first=1015, begin_ns=begin_ns)
    # 10 chunks, a loss of 5, 10 chunks: 25 embeddings, of which 24 are whole hops.
    peer.wait_for(
        lambda: sum(len(m.data) // 384 for _, m in peer.heard[TOPIC]) >= 24, 'embeddings'
    )
    peer.wait_for(
        lambda: peer.values('whisper_node').get('lost_samples') == str(5 * CHUNK), 'the loss'
    )


def test_ctrl_c_leaves_no_traceback(peer, node, voice):
    assert node.interrupt() == 0
    assert 'Traceback' not in node.text
    assert 'untrained' in node.text


def test_weights_that_are_not_there_are_one_clear_line(start):
    node = start('whisper_node', weights='no_such_model')
    assert node.wait() == 1
    assert 'error: no_such_model: no such file, and no Whisper model' in node.text
    assert 'Traceback' not in node.text
