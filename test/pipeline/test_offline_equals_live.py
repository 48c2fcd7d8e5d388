# SPDX-License-Identifier: Apache-2.0
"""The live graph (processes over DDS) gives the same result as the offline pipeline."""

import time

import numpy as np
import pytest

from robot_face_gen.facial_reaction_model import load_checkpoint, save_checkpoint
from robot_face_gen.pipeline.offline import OfflinePipeline
from robot_face_gen.pipeline.recording import read_recording
from robot_face_gen.resources import default_checkpoint, demo_recording

pytestmark = [pytest.mark.graph, pytest.mark.real_time]
SEED = 5
NODES = ('whisper_node', 'reaction_node')
# On a busy machine a run can lose input; the counters of the nodes show it. The next attempts
# wait longer for sound, so that a slower encoder gives the same result.
ATTEMPTS = (
    {},
    {
        'whisper_node': {'max_queue_s': 16.0},
        'reaction_node': {'max_wait_s': 2.0, 'max_backlog_s': 9.0},
    },
    {
        'whisper_node': {'max_queue_s': 16.0},
        'reaction_node': {'max_wait_s': 2.0, 'max_backlog_s': 9.0},
    },
)
# From the start of the source nodes to the start of the recording, in each attempt.
LEAD_S = (2.0, 6.0, 6.0)
TOLERANCE = 1e-4
# Counters of frames with less input than in the recording, in addition to `without_audio`.
INCOMPLETE = {
    'reaction_node': (
        'gaps', 'late', 'interruptions', 'clock_jumps', 'session_resets', 'dropped', 'invalid',
        'from_the_future', 'from_the_past', 'refused', 'foreign_embeddings',
    ),
    'whisper_node': (
        'hops_at_once', 'skipped_hops', 'lost_samples', 'bad_samples', 'resets', 'dropped',
    ),
    'openface_node': ('skipped',),
    'microphone_node': ('skipped',),
}  # fmt: skip


def play(folder, openface, audio, duration_s, parameters, lead_s):
    """Live reactions to the first seconds, {time in the recording: face}, and the counters."""
    from live_graph import NodeProcess, Peer

    from robot_face_gen.nodes.messages import to_ns, to_reaction
    from robot_face_gen_msgs.msg import FaceReaction

    peer, nodes = Peer(), []
    topic = 'robot_face/reaction'
    try:
        peer.listen(FaceReaction, topic)
        nodes += [
            NodeProcess('whisper_node', folder, **parameters.get('whisper_node', {})),
            NodeProcess('reaction_node', folder, seed=SEED, **parameters.get('reaction_node', {})),
        ]
        peer.wait_for(
            lambda: all(node.name in peer.statuses for node in nodes), 'the status of both'
        )
        start = f'{time.time() + lead_s:.6f}'
        start_ns = round(float(start) * 1e9)
        nodes += [
            NodeProcess('openface_node', folder, source=openface, start_time=start),
            NodeProcess('microphone_node', folder, source=audio, start_time=start),
        ]
        end_ns = start_ns + round(duration_s * 1e9)

        def past(topic_heard):
            return topic_heard and to_ns(topic_heard[-1][1].source_stamp) >= end_ns

        peer.wait_for(
            lambda: past(peer.heard[topic]), 'the last reaction', lead_s + duration_s + 9
        )
        heard = peer.count(topic)
        # Counters that are newer than the last frame include all frames.
        peer.wait_for(
            lambda: int(peer.values('reaction_node').get('reactions_out', 0)) >= heard,
            'newer counters',
        )
        counters = {
            f'{name} {key}': int(peer.values(name).get(key, 0))
            for name, keys in INCOMPLETE.items()
            for key in keys
        }
        counters['reaction_node without_audio'] = int(
            peer.values('reaction_node').get('without_audio', 0)
        )
        faces = {
            to_ns(message.source_stamp) - start_ns: (int(message.frame), to_reaction(message))
            for _, message in peer.heard[topic]
            if to_ns(message.source_stamp) < end_ns
        }
        return faces, {key: value for key, value in counters.items() if value}
    finally:
        for node in nodes:
            node.kill()
        peer.close()


def compare(folder, openface, audio, duration_s, checkpoint=None):
    recording = read_recording(openface, audio)
    assert recording.duration_s > duration_s + 1.0
    pipeline = OfflinePipeline([SEED], checkpoint=checkpoint)
    given = {'checkpoint': checkpoint} if checkpoint else {}
    offline = {f.source_stamp_ns: f for f in pipeline.react(recording.until(duration_s))}
    expected = {
        f'reaction_node {name}': pipeline.counters[name] for name in ('without_audio', 'gaps')
    }
    expected = {name: value for name, value in expected.items() if value}
    seen = []
    for attempt, (parameters, lead_s) in enumerate(zip(ATTEMPTS, LEAD_S, strict=True)):
        place = folder / str(attempt)
        place.mkdir()
        both = {name: {**given, **parameters.get(name, {})} for name in NODES}
        live, counters = play(place, openface, audio, duration_s, both, lead_s)
        counters.pop('reaction_node late', None)  # frames of a camera faster than 25 Hz
        seen.append(counters)
        if counters == expected:
            break
    print(f'runs: {seen}')
    assert counters == expected, f'every run lost input: {seen}'
    assert len(live) >= 0.99 * len(offline)
    assert set(live) <= set(offline)
    largest = 0.0
    for stamp_ns, (number, face) in live.items():
        reference = offline[stamp_ns]
        assert number == reference.number
        for name, values in reference.faces[0].items():
            difference = np.abs(face[name] - values).max()
            largest = max(largest, float(difference))
            assert difference <= TOLERANCE, f'{name} at {stamp_ns / 1e9:.2f} s: {difference:.2g}'
    print(f'{len(live)} of {len(offline)} frames, largest difference {largest:.2g}')


def test_the_demo_recording(tmp_path, ros_domain):
    compare(tmp_path, *demo_recording(), 3.0)


def test_with_sound_that_has_settled(tmp_path, ros_domain):
    """The whisper_node takes its times from the checkpoint, the reaction_node the delay."""
    model = load_checkpoint(default_checkpoint())
    model.info.audio = {'hop_s': 0.08, 'context_s': 2.0, 'settle_s': 0.12, 'delay_s': 0.2}
    path = tmp_path / 'settled.safetensors'
    save_checkpoint(model, path)
    compare(tmp_path, *demo_recording(), 3.0, path)


def test_a_real_recording(tmp_path, ros_domain, real_recordings):
    compare(tmp_path, real_recordings.openface, real_recordings.audio, 3.0)
