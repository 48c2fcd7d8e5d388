# SPDX-License-Identifier: Apache-2.0
"""`record_node` and `replay_node` as processes, over DDS."""

import re
import resource

import numpy as np
import pytest
from faces import make_frames
from launching import started, until
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from robot_face_gen.nodes.messages import from_face_frame, from_samples, to_ns
from robot_face_gen_msgs.msg import AudioChunk, FaceFeatures

pytest.importorskip('rosbags')
from robot_face_gen.data.bag_file import open_bag, recover
from robot_face_gen.data.bags import read_bag, read_run

pytestmark = pytest.mark.graph
START_NS = 1_700_000_000_000_000_000
BEST_EFFORT = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture
def publish(peer):
    """publish(topic, kind, qos, recorder): a publisher that the recorder has found."""
    made = []
    peer.statuses.pop('record_node', None)  # of the test before

    def publish(topic, kind, qos, node):
        made.append(peer.node.create_publisher(kind, topic, qos))
        peer.wait_for(lambda: f'records {topic}' in node.text, f'the recorder to find {topic}')
        peer.wait_for(lambda: made[-1].get_subscription_count(), f'the recorder to hear {topic}')
        return made[-1]

    yield publish
    peer.destroy(*made)


def faces(count):
    made = [from_face_frame(f, 'camera') for f in make_frames(count, start_ns=START_NS)]
    # Python's numbers become those of the message.
    return [deserialize_message(serialize_message(face), FaceFeatures) for face in made]


def chunks(count, size=640):
    sound = np.random.default_rng(0).uniform(-0.3, 0.3, (count, size)).astype(np.float32)
    return [
        from_samples(START_NS + i * 40_000_000, i * size, sound[i], 16000, 'mic')
        for i in range(count)
    ]


def recorded(peer, node, count):
    """Wait until the node's diagnostics count so many messages."""

    def enough():
        return int(peer.values('record_node').get('topics', 0)) and sent(peer, count)

    peer.wait_for(enough, f'{count} recorded messages ({node.text})')


def sent(peer, count):
    return int(peer.values('record_node').get('messages', 0)) >= count


def test_what_was_published_is_in_the_bag_and_a_session(peer, publish, start, tmp_path):
    """Two people, two topics of each; reliable, best effort, and a latched topic."""
    path = tmp_path / 'meeting.mcap'
    topics = '/a/openface/features,/a/audio,/b/openface/features,/b/audio,/latched'
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    early = peer.node.create_publisher(String, '/latched', latched)
    early.publish(String(data='published before the recorder began'))
    node = start('record_node', output=path, topics=f'"{topics}"')
    expected = {'/latched': [String(data='published before the recorder began')]}
    for name in 'ab':
        for topic, kind, messages, qos in (
            ('openface/features', FaceFeatures, faces(75), BEST_EFFORT),
            ('audio', AudioChunk, chunks(75), 200),
        ):
            publisher = publish(f'/{name}/{topic}', kind, qos, node)
            for message in messages:
                publisher.publish(message)
            expected[f'/{name}/{topic}'] = messages
    recorded(peer, node, 301)
    assert not path.exists() and (tmp_path / 'meeting.mcap.part').exists()
    assert peer.statuses['record_node'].message.startswith('recording meeting.mcap: ')
    assert node.interrupt() == 0
    assert 'recorded' in node.text and 'Traceback' not in node.text
    peer.destroy(early)
    assert not (tmp_path / 'meeting.mcap.part').exists()
    with open_bag(path) as bag:
        found = {topic: [] for topic in expected}
        for connection, _, data in bag.messages():
            kind = type(expected[connection.topic][0])
            found[connection.topic].append(deserialize_message(bytes(data), kind))
        qos = {
            connection.topic: [
                (one.reliability.name, one.durability.name)
                for one in connection.ext.offered_qos_profiles
            ]
            for connection in bag.connections
        }
    assert found == expected
    assert qos['/a/openface/features'] == [('BEST_EFFORT', 'VOLATILE')]
    assert qos['/b/audio'] == [('RELIABLE', 'VOLATILE')]
    assert qos['/latched'] == [('RELIABLE', 'TRANSIENT_LOCAL')]
    for person in read_bag(path, ('a', 'b')):
        assert len(person.frames) == 75 and person.lost_samples == 0
        np.testing.assert_array_equal(
            person.samples, np.concatenate([np.array(c.samples) for c in chunks(75)])
        )


def test_a_killed_recording_is_recovered(peer, publish, start, fails, tmp_path):
    path = tmp_path / 'killed.mcap'
    node = start('record_node', output=path, topics='/audio')
    publisher = publish('/audio', AudioChunk, 200, node)
    messages = chunks(150)
    for message in messages:
        publisher.publish(message)
    recorded(peer, node, 150)
    node.kill()
    assert not path.exists()
    assert 'robot-face-gen record --recover' in node.text
    again = fails('record_node', output=path, topics='/audio')
    assert 'its recording was killed: robot-face-gen record --recover' in again
    recover(f'{path}.part')
    with open_bag(path) as bag:
        found = [deserialize_message(bytes(data), AudioChunk) for _, _, data in bag.messages()]
    assert found == messages[: len(found)]
    assert len(found) >= 100  # 64 kB at most are lost


def test_a_full_disk_ends_the_recording_and_keeps_what_was_written(peer, publish, start, tmp_path):
    path = tmp_path / 'full.mcap'
    node = start('record_node', output=path, topics='/audio')
    publisher = publish('/audio', AudioChunk, 200, node)
    # A limit on the size of files has the effect of a full disk: writing fails.
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))
    for message in chunks(150):
        publisher.publish(message)
    assert node.wait() == 1
    assert 'the recording has ended; what was written is kept' in node.text
    assert 'Traceback' not in node.text
    assert not path.exists()
    assert recover(f'{path}.part')[0].count >= 40


def test_too_little_free_space_and_nothing_to_record_are_errors(fails, tmp_path):
    text = fails('record_node', output=tmp_path / 'a.mcap', min_free_mb=1_000_000_000 // 1000)
    assert 'the disk is nearly full' in text and 'no message was received' in text
    assert not list(tmp_path.glob('*mcap*'))


def bag_of(path, frames=50):
    """A bag of a face and a voice, with the reactions of nobody."""
    from robot_face_gen.data.bag_file import BagWriter, Definitions

    writer, definitions = BagWriter(path), Definitions()
    channels = {}
    for topic, kind in (('face', FaceFeatures), ('audio', AudioChunk)):
        name = f'robot_face_gen_msgs/msg/{kind.__name__}'
        topic = f'/tom/{ {"face": "openface/features"}.get(topic, topic) }'
        channels[kind] = writer.add_topic(topic, name, definitions.of(name)[0], {})
    for face, chunk in zip(faces(frames), chunks(frames), strict=True):
        for message in (face, chunk):
            time_ns = to_ns(message.header.stamp) + 5_000_000
            writer.write(channels[type(message)], time_ns, serialize_message(message))
    writer.close()


def test_replays_on_the_clock_of_the_bag(peer, start, tmp_path):
    """Sources of the namespace tom come below the node's own, with /clock, also in a loop."""
    bag_of(tmp_path / 'tom.mcap')
    for kind, topic in ((FaceFeatures, '/openface/features'), (AudioChunk, '/audio')):
        peer.listen(kind, topic)
        peer.heard[topic].clear()
    peer.listen(Clock, '/clock')
    peer.heard['/clock'].clear()
    node = start(
        'replay_node', source=tmp_path / 'tom.mcap', topics='sources', clock_hz=50.0, loop='true',
        speed=4.0,
    )  # fmt: skip
    peer.wait_for(lambda: peer.count('/openface/features') > 100, 'two rounds')
    assert node.interrupt() == 0
    assert 'Traceback' not in node.text and 'the bag starts again' in node.text
    stamps = np.array([to_ns(m.header.stamp) for _, m in peer.heard['/openface/features']])
    assert set(stamps) == {to_ns(f.header.stamp) for f in faces(50)}
    clock = np.array([to_ns(m.clock) for _, m in peer.heard['/clock']])
    assert clock.min() == START_NS + 5_000_000
    steps = np.diff(clock)
    assert (steps < 0).sum() >= 1  # back to the start
    assert np.median(steps) == 20_000_000


def test_all_topics_keep_their_names(peer, start, tmp_path):
    bag_of(tmp_path / 'tom.mcap', 10)
    peer.listen(AudioChunk, '/tom/audio')
    node = start('replay_node', source=tmp_path / 'tom.mcap', delay_s=4.0)
    peer.wait_for(lambda: node.process.poll() is not None, 'the end of the bag')
    assert node.wait() == 0, node.text
    assert 'end of the bag' in node.text
    peer.wait_for(lambda: peer.count('/tom/audio') == 10, 'all messages')
    assert [message for _, message in peer.heard['/tom/audio']] == chunks(10)


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        ({'source': 'none.mcap'}, 'none.mcap: no such bag'),
        ({'topics': '/tom/nothing'}, 'no topic /tom/nothing; it has /tom/audio, /tom/openface'),
        (
            {'topics': 'sources', 'bag_namespace': 'eve'},
            r"'eve': expected the namespace of .*/tom",
        ),
        ({'use_sim_time': 'true'}, 'replay_node itself runs on the system clock'),
    ],
)
def test_what_cannot_be_replayed_is_one_line(fails, tmp_path, given, words):
    bag_of(tmp_path / 'tom.mcap', 3)
    text = fails('replay_node', **{'source': tmp_path / 'tom.mcap', **given})
    assert re.search(words, text)


@pytest.mark.real_time
def test_bringup_answers_a_bag(tmp_path, ros_domain):
    """The whole graph on the clock of a bag, recorded again: it answers the frames of the bag."""
    from robot_face_gen.tools.bringup import start_bringup

    bag_of(tmp_path / 'tom.mcap', 100)
    given = {
        'bag': str(tmp_path / 'tom.mcap'),
        'record': str(tmp_path / 'again.mcap'),
        'namespace': 'robot',
        'device': 'cpu',
    }
    log = tmp_path / 'log.txt'
    with start_bringup(given, log_file=log) as graph:
        started(graph, 'record_node', 'replay_node', 'whisper_node', 'reaction_node')
        until(lambda: 'replay_node' in graph.exits, 90.0, 'the end of the bag')
        assert graph.exits == {'replay_node': 0}, log.read_text()
    run = read_run(tmp_path / 'again.mcap', 'robot')
    assert len(run.speaker.frames) == 100 and run.speaker.lost_samples == 0
    stamps = {frame.stamp_ns for frame in run.speaker.frames}
    answered = stamps & {reaction.source_ns for reaction in run.reactions}
    assert len(answered) >= 80, log.read_text()
    # On the clock of the bag: an answer comes a moment after the frame, not years.
    delays = [reaction.stamp_ns - reaction.source_ns for reaction in run.reactions]
    assert min(delays) >= 0 and max(delays) < 3_000_000_000
