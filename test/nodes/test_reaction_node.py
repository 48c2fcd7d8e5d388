# SPDX-License-Identifier: Apache-2.0
"""`reaction_node` as a process; the test sends face and voice and receives the reactions."""

import time

import numpy as np
import pytest
from faces import make_frame
from live_graph import ENCODER, PATIENCE_S, show, small_checkpoint

from robot_face_gen.nodes.messages import from_embeddings, from_face_frame, to_ns, to_reaction
from robot_face_gen_msgs.msg import AudioEmbedding, FaceFeatures, FaceReaction

pytestmark = [pytest.mark.graph, pytest.mark.real_time]
TOPIC = '/robot_face/reaction'


@pytest.fixture(scope='module')
def node(peer, start_shared, tmp_path_factory):
    peer.listen(FaceReaction, TOPIC)
    checkpoint = small_checkpoint(tmp_path_factory.mktemp('reaction'))
    return start_shared('reaction_node', checkpoint=checkpoint, seed=5, device='cpu')


@pytest.fixture(scope='module')
def face(peer, node):
    return peer.publisher(FaceFeatures, '/openface/features', 'reaction_node')


@pytest.fixture(scope='module')
def voice(peer, node):
    return peer.publisher(AudioEmbedding, '/whisper/embedding', 'reaction_node')


def answered(peer, stamps):
    """Whether each of these frames has a reaction (slots without a frame may have one too)."""
    return set(stamps) <= {to_ns(message.source_stamp) for _, message in peer.heard[TOPIC]}


def count(peer, name):
    return int(peer.values('reaction_node').get(name, 0))


def test_answers_each_frame_with_its_source_stamp(peer, node, face, voice):
    status = peer.statuses['reaction_node']
    peer.wait_for(lambda: peer.statuses['reaction_node'] is not status, 'the next status')
    before = {name: count(peer, name) for name in ('frames_in', 'embeddings_in')}
    stamps = show([(face, voice)], 30)
    peer.wait_for(lambda: answered(peer, stamps), 'all reactions')
    heard = [message for _, message in peer.heard[TOPIC]]
    messages = [message for message in heard if to_ns(message.source_stamp) in stamps]
    assert [to_ns(message.source_stamp) for message in messages] == stamps
    assert np.diff([message.frame for message in messages]).tolist() == [1] * 29
    assert messages[0].header.frame_id == 'robot_face'
    for message in messages:
        assert to_ns(message.header.stamp) > to_ns(message.source_stamp)
        to_reaction(message)  # raises where a number is not finite
    poses = np.stack([message.pose for message in messages])
    assert np.ptp(poses, axis=0).max() > 0.0  # it moves
    peer.wait_for(
        lambda: all(count(peer, name) >= before[name] + 30 for name in before), 'diagnostics'
    )
    values = peer.values('reaction_node')
    assert values['trained'] == 'True' and values['device'] == 'cpu'
    assert {count(peer, name) - before[name] for name in before} == {30}
    for key in ('latency', 'wait', 'model', 'playout'):
        assert float(values[f'{key}_p50_ms']) <= float(values[f'{key}_p99_ms'])


def test_a_bag_without_clock_is_answered_in_its_own_time(peer, node, face, voice):
    """Its stamps are hours old, but the frames are not late."""
    show([(face, voice)], 5)
    before = count(peer, 'late')
    peer.heard[TOPIC].clear()
    stamps = show([(face, voice)], 40, behind_s=7200)
    peer.wait_for(lambda: answered(peer, stamps[10:]), 'reactions to old frames')
    peer.wait_for(lambda: 'clock_offset_s' in peer.values('reaction_node'), 'diagnostics')
    assert abs(float(peer.values('reaction_node')['clock_offset_s']) - 7200) < 1.0
    assert count(peer, 'late') - before < 10
    newest = peer.heard[TOPIC][-1][1]
    assert abs(to_ns(newest.header.stamp) / 1e9 - time.time()) < PATIENCE_S  # the node's own time
    assert '7200.0 s behind this clock' in node.text
    stamps = show([(face, voice)], 20)
    peer.wait_for(lambda: answered(peer, stamps[10:]), 'reactions in the time of the clock')


def test_a_different_encoder_is_an_error_and_the_face_alone_is_used(peer, node, face, voice):
    stamps = show([(face, voice)], 10, encoder='whisper-other:9')
    peer.wait_for(lambda: answered(peer, stamps), 'reactions without sound')
    peer.wait_for(lambda: count(peer, 'foreign_embeddings') >= 10, 'diagnostics')
    status = peer.statuses['reaction_node']
    assert status.level == b'\x02' and f"was trained with '{ENCODER}'" in status.message
    assert "encoder 'whisper-other:9'" in node.text
    show([(face, voice)], 10)
    peer.wait_for(lambda: peer.statuses['reaction_node'].level != b'\x02', 'the error to end')


def test_bad_messages_are_counted_and_the_next_ones_answered(peer, node, face, voice):
    before = count(peer, 'invalid')
    bad = from_face_frame(make_frame(time.time_ns()), 'camera')
    bad.confidence = 2.0
    face.publish(bad)
    face.publish(from_face_frame(make_frame(0), 'camera'))
    wide = np.zeros((2, 16), np.float32)
    voice.publish(from_embeddings(time.time_ns(), wide, 50.0, ENCODER, 'mic'))
    stamps = show([(face, voice)], 5)
    peer.wait_for(lambda: answered(peer, stamps), 'five reactions')
    peer.wait_for(lambda: count(peer, 'invalid') >= before + 3, 'three bad messages')
    assert 'confidence = 2' in node.text
    assert 'dim = 16: the model expects 8' in node.text


def test_a_frame_with_missing_and_impossible_values_is_answered(peer, node, face, voice):
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
    try:
        assert peer.set_parameter('reaction_node', 'hop', 4) == (True, '')
        assert peer.set_parameter('reaction_node', 'temperature', 0.0) == (True, '')
        stamps = show([(face, voice)], 12)
        peer.wait_for(lambda: answered(peer, stamps), 'reactions, four at a time')
    finally:
        assert peer.set_parameter('reaction_node', 'hop', 1) == (True, '')
        assert peer.set_parameter('reaction_node', 'temperature', 1.0) == (True, '')
    for name, value, words in (
        ('hop', 99, 'hop'),
        ('temperature', -1.0, 'temperature'),
        ('seed', 3, 'seed'),
    ):
        successful, reason = peer.set_parameter('reaction_node', name, value)
        assert not successful and words in reason


@pytest.mark.parametrize(
    ('parameters', 'error'),
    [
        ({'checkpoint': 'no.safetensors'}, 'error: no.safetensors: no such checkpoint'),
        ({'device': 'quantum'}, "error: device = 'quantum': expected auto, cpu, cuda or cuda:N"),
    ],
)
def test_a_failed_start_is_reported_in_one_line(fails, parameters, error):
    assert error in fails('reaction_node', **parameters).splitlines()
