# SPDX-License-Identifier: Apache-2.0
"""`reaction_node` alone, as a process, between a peer's face and voice and a peer's eyes."""

import dataclasses
import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest
from faces import make_frame
from live_graph import PATIENCE_S, NodeProcess

from robot_face_gen.facial_reaction_model import (
    CheckpointInfo,
    FacialReactionModel,
    ModelConfig,
    save_checkpoint,
)
from robot_face_gen.nodes.messages import (
    from_embeddings,
    from_face_frame,
    to_ns,
    to_reaction,
)
from robot_face_gen.nodes.reaction_node import ReactionNode
from robot_face_gen.nodes.run import run
from robot_face_gen_msgs.msg import AudioEmbedding, FaceFeatures, FaceReaction

pytestmark = pytest.mark.graph
TOPIC = '/robot_face/reaction'
ENCODER = 'whisper-test:0123'


@pytest.fixture(scope='module')
def node(peer, tmp_path_factory):
    folder = tmp_path_factory.mktemp('reaction')
    config = ModelConfig(
        feature_dim=32, audio_dim=8, latent_dim=4, num_heads=2, encoder_layers=1,
        decoder_layers=1, feedforward_dim=32, max_seq_len=50,
    )  # fmt: skip
    info = CheckpointInfo(trained_on='nothing, for a test', audio_encoder=ENCODER)
    save_checkpoint(FacialReactionModel(config, info), folder / 'small.safetensors')
    peer.listen(FaceReaction, TOPIC)
    process = NodeProcess(
        'reaction_node', folder, checkpoint=folder / 'small.safetensors', seed=5, device='cpu'
    )
    yield process
    process.kill()


@pytest.fixture(scope='module')
def face(peer, node):
    return peer.publisher(FaceFeatures, '/openface/features', 'reaction_node')


@pytest.fixture(scope='module')
def voice(peer, node):
    return peer.publisher(AudioEmbedding, '/whisper/embedding', 'reaction_node')


def show(face, count, voice=None, encoder=ENCODER, dim=8, behind_s=0):
    """Publish `count` frames, and their sound, at their pace; the stamps of the frames."""
    behind_ns = behind_s * 1_000_000_000
    begin_ns = time.time_ns() - behind_ns
    stamps = [begin_ns + index * 40_000_000 for index in range(count)]
    for index, stamp_ns in enumerate(stamps):
        time.sleep(max(0.0, (stamp_ns + behind_ns - time.time_ns()) / 1e9))  # a camera's pace
        frame = dataclasses.replace(make_frame(seed=index), stamp_ns=stamp_ns)
        face.publish(from_face_frame(frame, 'camera'))
        if voice is not None:
            data = np.full((2, dim), 0.1 * index, np.float32)
            voice.publish(from_embeddings(stamp_ns - 50_000_000, data, 50.0, encoder, 'mic'))
    return stamps


def answered(peer, stamps):
    """Whether every one of these frames has its reaction (a pause may have its own)."""
    return set(stamps) <= {to_ns(message.source_stamp) for _, message in peer.heard[TOPIC]}


def count(peer, name):
    return int(peer.values('reaction_node').get(name, 0))


def test_answers_each_frame_with_its_source_stamp(peer, node, face, voice):
    before = {name: count(peer, name) for name in ('frames_in', 'embeddings_in')}
    stamps = show(face, 30, voice)
    heard = peer.heard[TOPIC]
    peer.wait_for(lambda: len(heard) >= 30, 'all reactions')
    messages = [message for _, message in heard][:30]
    assert [to_ns(message.source_stamp) for message in messages] == stamps
    assert [message.frame for message in messages] == list(range(30))
    assert messages[0].header.frame_id == 'robot_face'
    for message in messages:
        assert to_ns(message.header.stamp) > to_ns(message.source_stamp)
        to_reaction(message)  # raises where a number is not finite
    poses = np.stack([message.pose for message in messages])
    assert np.ptp(poses, axis=0).max() > 0.0  # it moves
    peer.wait_for(lambda: count(peer, 'reactions_out') >= 30, 'diagnostics')
    values = peer.values('reaction_node')
    assert values['trained'] == 'True' and values['device'] == 'cpu'
    assert {name: count(peer, name) - before[name] for name in before} == {
        'frames_in': 30,
        'embeddings_in': 30,
    }
    for key in ('latency', 'wait', 'model', 'playout'):
        assert float(values[f'{key}_p50_ms']) <= float(values[f'{key}_p99_ms'])


def test_a_bag_without_its_clock_is_answered_by_its_own_time(peer, node, face, voice):
    """Its stamps are hours old: they must not be taken for frames that are late."""
    show(face, 5, voice)
    before = count(peer, 'late')
    peer.heard[TOPIC].clear()
    stamps = show(face, 40, voice, behind_s=7200)
    peer.wait_for(lambda: answered(peer, stamps[10:]), 'reactions to old frames')
    peer.wait_for(lambda: 'clock_offset_s' in peer.values('reaction_node'), 'diagnostics')
    assert abs(float(peer.values('reaction_node')['clock_offset_s']) - 7200) < 1.0
    assert count(peer, 'late') - before < 10
    newest = peer.heard[TOPIC][-1][1]
    assert abs(to_ns(newest.header.stamp) / 1e9 - time.time()) < PATIENCE_S  # the node's own time
    assert '7200.0 s behind this clock' in node.text
    stamps = show(face, 20, voice)
    peer.wait_for(lambda: answered(peer, stamps[10:]), 'reactions in the time of the clock')


def test_an_encoder_that_the_model_does_not_know_is_an_error_and_the_face_goes_on(
    peer, node, face, voice
):
    stamps = show(face, 10, voice, encoder='whisper-other:9')
    peer.wait_for(lambda: answered(peer, stamps), 'reactions without sound')
    peer.wait_for(lambda: count(peer, 'foreign_embeddings') >= 10, 'diagnostics')
    status = peer.statuses['reaction_node']
    assert status.level == b'\x02' and f"was trained with '{ENCODER}'" in status.message
    assert "encoder 'whisper-other:9'" in node.text
    show(face, 10, voice)
    peer.wait_for(lambda: peer.statuses['reaction_node'].level != b'\x02', 'the error to end')


def test_bad_messages_are_counted_and_the_next_ones_answered(peer, node, face, voice):
    before = count(peer, 'invalid')
    bad = from_face_frame(make_frame(time.time_ns()), 'camera')
    bad.confidence = 2.0
    face.publish(bad)
    face.publish(from_face_frame(make_frame(0), 'camera'))
    wide = np.zeros((2, 16), np.float32)
    voice.publish(from_embeddings(time.time_ns(), wide, 50.0, ENCODER, 'mic'))
    stamps = show(face, 5, voice)
    peer.wait_for(lambda: answered(peer, stamps), 'five reactions')
    peer.wait_for(lambda: count(peer, 'invalid') >= before + 3, 'three bad messages')
    assert 'confidence = 2' in node.text
    assert 'dim = 16: the model expects 8' in node.text


def test_missing_and_impossible_values_do_not_cost_the_frame(peer, node, face, voice):
    """NaN means that the tracker does not have the value; infinity is counted as impossible."""
    before = count(peer, 'invalid'), count(peer, 'partly_valid'), count(peer, 'impossible_values')
    stamps = []
    for index in range(5):
        frame = make_frame(time.time_ns(), seed=index)
        frame.landmarks[:] = frame.gaze[0] = np.nan
        frame.au[3] = np.inf
        face.publish(from_face_frame(frame, 'camera'))
        stamps.append(frame.stamp_ns)
        time.sleep(0.04)
    peer.wait_for(lambda: answered(peer, stamps), 'five reactions')
    peer.wait_for(lambda: count(peer, 'partly_valid') >= before[1] + 5, 'five partial faces')
    peer.wait_for(lambda: count(peer, 'impossible_values') >= before[2] + 5, 'five values')
    assert count(peer, 'invalid') == before[0]
    assert '1 infinite or impossibly large values in a frame are treated as missing' in node.text


def test_parameters_change_while_running_or_are_refused_with_a_reason(peer, node, face, voice):
    assert peer.set_parameter('reaction_node', 'hop', 4) == (True, '')
    assert peer.set_parameter('reaction_node', 'temperature', 0.0) == (True, '')
    stamps = show(face, 12, voice)
    peer.wait_for(lambda: answered(peer, stamps), 'reactions, four at a time')
    for name, value, words in (
        ('hop', 99, 'hop'),
        ('temperature', -1.0, 'temperature'),
        ('seed', 3, 'seed'),
    ):
        successful, reason = peer.set_parameter('reaction_node', name, value)
        assert not successful and words in reason


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ('onnx', 'onnxruntime'))), reason='torch computes'
)
def test_torch_is_not_in_its_process(peer, node, face):
    mapped = Path(f'/proc/{node.process.pid}/maps')
    if not mapped.exists():
        pytest.skip('what is mapped is read in /proc')
    assert 'onnxruntime' in mapped.read_text() and 'libtorch' not in mapped.read_text()


def test_ctrl_c_leaves_no_traceback(peer, node, face):
    assert node.interrupt() == 0
    assert 'Traceback' not in node.text and 'rror' not in node.text.replace('an error', '')


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        ('checkpoint:=no.safetensors', 'error: no.safetensors: no such checkpoint'),
        ('device:=quantum', "error: device = 'quantum': expected auto, cpu, cuda or cuda:N"),
    ],
)
def test_what_cannot_start_says_so_in_one_line(graph_domain, capsys, given, words):
    assert run(ReactionNode, ['--ros-args', '-p', given]) == 1
    assert capsys.readouterr().err.strip().splitlines()[-1] == words
