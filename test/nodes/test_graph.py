# SPDX-License-Identifier: Apache-2.0
"""All four nodes as processes, on a small face track and a small voice; one graph for all tests.

The tests run in their order: the last ones take the graph apart.
"""

import time

import numpy as np
import pytest
from faces import make_frame, make_frames
from live_graph import NodeProcess
from sound_files import write_wav

from robot_face_gen.facial_reaction_model import FacialReactionModel, save_checkpoint
from robot_face_gen.features.openface_write import write_openface_csv
from robot_face_gen.nodes.messages import from_embeddings, from_face_frame, to_ns, to_reaction
from robot_face_gen_msgs.msg import AudioEmbedding, FaceFeatures, FaceReaction

pytestmark = pytest.mark.graph
TOPIC = '/robot_face/reaction'
NODES = ('openface_node', 'microphone_node', 'whisper_node', 'reaction_node')
LENGTH_S = 8


@pytest.fixture(scope='module')
def graph(peer, tmp_path_factory):
    folder = tmp_path_factory.mktemp('graph')
    write_openface_csv(folder / 'face.csv', make_frames(25 * LENGTH_S))
    sound = np.random.default_rng(0).uniform(-0.3, 0.3, 16000 * LENGTH_S)
    write_wav(folder / 'voice.wav', sound.astype(np.float32), 16000)
    # Full size, but of no training: what ships may expect embeddings of other weights.
    save_checkpoint(FacialReactionModel(), folder / 'untrained.safetensors')
    peer.listen(FaceReaction, TOPIC)
    played = {'loop': 'true', 'start_time': f'{time.time() + 4.0:.3f}'}
    parameters = {
        'openface_node': {'source': folder / 'face.csv', **played},
        'microphone_node': {'source': folder / 'voice.wav', **played},
        'whisper_node': {'weights': 'untrained', 'context_s': 0.6},
        'reaction_node': {'device': 'cpu', 'checkpoint': folder / 'untrained.safetensors'},
    }
    nodes = {name: NodeProcess(name, folder, **parameters[name]) for name in NODES}
    yield nodes
    for process in nodes.values():
        process.kill()


def values(peer):
    return peer.values('reaction_node')


def test_reactions_come_evenly_at_25_hz_while_the_speaker_speaks(peer, graph):
    heard = peer.heard[TOPIC]
    peer.wait_for(lambda: heard, 'the first reaction')
    peer.wait_for(lambda: len(heard) >= 120, 'five seconds of reactions')
    messages = [message for _, message in heard][:120]
    assert [m.frame for m in messages] == list(range(messages[0].frame, messages[0].frame + 120))
    for message in messages:
        to_reaction(message)  # raises where a number is not finite
    sources = np.array([to_ns(m.source_stamp) for m in messages])
    assert np.allclose(np.diff(sources), 40e6, atol=1e3)  # each frame answered, in order
    shown = np.array([to_ns(m.header.stamp) for m in messages]) / 1e6
    steps = np.diff(shown)[50:]
    assert abs(np.mean(steps) - 40.0) < 2.0 and np.percentile(np.abs(steps - 40.0), 90) < 20.0
    delays = shown - sources / 1e6
    assert np.percentile(delays[50:], 90) < 400.0


def test_every_node_tells_of_its_health(peer, graph):
    peer.wait_for(lambda: set(NODES) <= set(peer.statuses), 'a status of each node')
    peer.wait_for(lambda: peer.statuses['reaction_node'].message == 'OK', 'all to be well')
    for name, keys in {
        'openface_node': ('frames_out', 'frames_out_hz'),
        'microphone_node': ('chunks_out', 'chunks_out_hz'),
        'whisper_node': ('chunks_in', 'embeddings_out', 'encoder_p50_ms', 'latency_p99_ms'),
        'reaction_node': (
            'frames_in', 'embeddings_in', 'reactions_out', 'reactions_out_hz', 'latency_p50_ms',
            'latency_p99_ms', 'wait_p99_ms', 'model_p50_ms', 'model_p99_ms', 'playout_p99_ms',
        ),
    }.items():  # fmt: skip
        found = peer.values(name)
        assert set(keys) <= set(found), name
        assert all(float(found[key]) > 0.0 for key in keys), name
    assert float(values(peer)['reactions_out_hz']) == pytest.approx(25.0, abs=2.0)


def test_the_sound_reaches_the_model(peer, graph):
    """Only the first frames can lack it: the sound before them was not heard."""
    before = values(peer)
    peer.wait_for(
        lambda: int(values(peer)['reactions_out']) >= int(before['reactions_out']) + 25,
        'reactions',
    )
    lacking = int(values(peer).get('without_audio', 0)) - int(before.get('without_audio', 0))
    assert lacking <= 5


def test_bad_messages_are_counted_and_the_graph_goes_on(peer, graph):
    face = peer.publisher(FaceFeatures, '/openface/features', 'reaction_node')
    voice = peer.publisher(AudioEmbedding, '/whisper/embedding', 'reaction_node')
    invalid, seen = int(values(peer).get('invalid', 0)), peer.count(TOPIC)
    bad = from_face_frame(make_frame(time.time_ns()), 'camera')
    bad.confidence = 2.0
    face.publish(bad)
    wide = np.zeros((2, 512), np.float32)
    voice.publish(from_embeddings(time.time_ns(), wide, 50.0, 'base', 'microphone'))
    peer.wait_for(lambda: int(values(peer).get('invalid', 0)) >= invalid + 2, 'both counted')
    peer.wait_for(lambda: peer.count(TOPIC) > seen + 25, 'reactions after them')
    assert 'message dropped: confidence = 2' in graph['reaction_node'].text
    assert 'message dropped: dim = 512' in graph['reaction_node'].text
    for publisher in (face, voice):
        peer.node.destroy_publisher(publisher)


def test_parameters_change_while_it_runs(peer, graph):
    assert peer.set_parameter('reaction_node', 'hop', 4) == (True, '')
    successful, reason = peer.set_parameter('reaction_node', 'hop', 17)
    assert not successful and 'hop' in reason
    seen = peer.count(TOPIC)
    peer.wait_for(lambda: peer.count(TOPIC) > seen + 25, 'reactions, four at a time')
    assert peer.set_parameter('reaction_node', 'hop', 1) == (True, '')


def test_without_whisper_the_reactions_go_on(peer, graph):
    graph['whisper_node'].kill()
    silent = int(values(peer).get('without_audio', 0))
    peer.wait_for(
        lambda: int(values(peer).get('without_audio', 0)) > silent + 50, 'reactions without sound'
    )
    seen = peer.count(TOPIC)
    peer.wait_for(lambda: peer.count(TOPIC) > seen + 25, 'reactions')
    peer.wait_for(
        lambda: 'nothing on /whisper/embedding' in peer.statuses['reaction_node'].message,
        'a warning that names the topic',
    )
    assert peer.statuses['reaction_node'].level == b'\x01'


def test_ctrl_c_leaves_no_traceback_and_no_process(peer, graph):
    for name, process in graph.items():
        if name != 'whisper_node':
            assert process.interrupt() == 0, process.text
            assert 'Traceback' not in process.text
