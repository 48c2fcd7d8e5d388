# SPDX-License-Identifier: Apache-2.0
"""Reading bags that rosbags writes as a recorder does."""

from pathlib import Path

import numpy as np
import pytest

rosbags = pytest.importorskip('rosbags')

from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402
from rosbags.typesys import Stores, get_types_from_msg, get_typestore  # noqa: E402

from robot_face_gen.data import bag_file  # noqa: E402
from robot_face_gen.data.bags import AUDIO_TYPE, FACE_TYPE, read_bag, read_run  # noqa: E402
from robot_face_gen.data.dataset import ClipDataset  # noqa: E402
from robot_face_gen.data.prepare import prepare  # noqa: E402
from robot_face_gen.data.tracks import EmbeddingConfig  # noqa: E402
from robot_face_gen.synthetic.config import GeneratorConfig  # noqa: E402
from robot_face_gen.synthetic.conversation import generate_conversation  # noqa: E402

MESSAGES = Path(__file__).resolve().parents[2] / 'robot_face_gen_msgs' / 'msg'
QUICK = EmbeddingConfig('untrained', hop_s=0.08, context_s=0.4, device='cpu')
SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS


@pytest.fixture(scope='module')
def dyad():
    return generate_conversation(3, GeneratorConfig(duration_s=4.0, listeners=1))


def write_bag(path, people, plugin, lose=(), first_sample=0):
    """Record people as {namespace: person}; `lose` are the indices of lost chunks of sound."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for file in MESSAGES.glob('*.msg'):
        store.register(
            get_types_from_msg(file.read_text(), f'robot_face_gen_msgs/msg/{file.stem}')
        )
    types = store.types

    def header(t_ns):
        stamp = types['builtin_interfaces/msg/Time'](t_ns // SECOND_NS, t_ns % SECOND_NS)
        return types['std_msgs/msg/Header'](stamp, '')

    messages = []
    for namespace, person in people.items():
        for f in person.frames:
            t = START_NS + f.stamp_ns
            face = types[FACE_TYPE](
                header(t), f.confidence, f.success, f.image_width, f.image_height, f.landmarks,
                f.au, f.pose, f.gaze,
            )  # fmt: skip
            messages.append((t, f'/{namespace}/openface/features', FACE_TYPE, face))
        rate, size = person.sample_rate, person.sample_rate // 10
        for number, begin in enumerate(range(0, len(person.sound), size)):
            if number not in lose:
                t = START_NS + round(begin * 1e9 / rate)
                chunk = types[AUDIO_TYPE](
                    header(t), rate, first_sample + begin, person.sound[begin : begin + size]
                )
                messages.append((t, f'/{namespace}/audio', AUDIO_TYPE, chunk))
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        connections = {}
        for t, topic, kind, message in sorted(messages, key=lambda m: m[0]):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            # The recorder's time is later than the stamp.
            writer.write(connections[topic], t + 5_000_000, store.serialize_cdr(message, kind))


@pytest.mark.parametrize('plugin', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_read_people_equal_the_recorded_ones(dyad, tmp_path, plugin):
    people = {'robot/a': dyad.speaker, 'b': dyad.listeners[0]}
    write_bag(tmp_path / 'bag', people, plugin, first_sample=12345)
    found = read_bag(tmp_path / 'bag', ('robot/a', '/b'))
    for person, expected in zip(found, people.values(), strict=True):
        assert person.sample_rate == 16_000
        assert person.lost_samples == 0
        assert abs(person.clock_drift_s) < 1e-3
        np.testing.assert_array_equal(person.samples, expected.sound)
        assert len(person.frames) == len(expected.frames)
        for f, g in zip(person.frames, expected.frames, strict=True):
            assert (f.stamp_ns, f.success) == (g.stamp_ns, g.success)
            assert f.confidence == pytest.approx(g.confidence)
            for name in ('landmarks', 'au', 'pose', 'gaze'):
                np.testing.assert_array_equal(getattr(f, name), getattr(g, name))


def test_a_run_lasts_until_the_end_of_its_last_frame(dyad, tmp_path):
    every_chunk = set(range(40))
    write_bag(tmp_path / 'bag', {'robot': dyad.speaker}, StoragePlugin.MCAP, lose=every_chunk)
    run = read_run(tmp_path / 'bag', 'robot')
    assert run.duration_s == pytest.approx(len(dyad.speaker.frames) / 25)


def test_lost_sound_becomes_zeros(dyad, tmp_path):
    people = {'a': dyad.speaker, 'b': dyad.listeners[0]}
    write_bag(tmp_path / 'bag', people, StoragePlugin.MCAP, lose={7, 8})
    person = read_bag(tmp_path / 'bag', ('a', 'b'))[0]
    assert person.lost_samples == 3200
    expected = dyad.speaker.sound.copy()
    expected[7 * 1600 : 9 * 1600] = 0
    np.testing.assert_array_equal(person.samples, expected)


def test_sound_that_starts_late_keeps_its_time(dyad, tmp_path):
    people = {'a': dyad.speaker, 'b': dyad.listeners[0]}
    write_bag(tmp_path / 'bag', people, StoragePlugin.MCAP, lose={0, 1}, first_sample=500)
    person = read_bag(tmp_path / 'bag', ('a', 'b'))[0]
    assert person.lost_samples == 0
    assert not person.samples[:3200].any()
    np.testing.assert_array_equal(person.samples[3200:], dyad.speaker.sound[3200:])


def test_a_bag_is_a_session(dyad, tmp_path):
    source = tmp_path / 'in'
    source.mkdir()
    people = {'a': dyad.speaker, 'b': dyad.listeners[0]}
    write_bag(source / 'good', people, StoragePlugin.MCAP)
    write_bag(source / 'lossy', people, StoragePlugin.MCAP, lose={5, 6, 20})
    write_bag(source / 'alone', {'a': dyad.speaker}, StoragePlugin.MCAP)
    (source / 'good' / 'good.mcap').rename(source / 'file.mcap')  # a bag of one file
    write_bag(source / 'good2', people, StoragePlugin.MCAP)
    (source / 'sessions.csv').write_text(
        'session,split,listener\n'
        'file.mcap,train,b\ngood2,train,b\nlossy,train,b\nalone,train,b\nnone.mcap,train,b\n'
    )
    found = prepare(source, tmp_path / 'out', QUICK)
    errors = {(f.session, f.person, f.what) for f in found if f.level == 'error'}
    assert errors == {
        ('lossy', 'a', 'lost sound'), ('lossy', 'b', 'lost sound'),
        ('alone', 'a', 'file'), ('alone', 'b', 'file'),
        ('none.mcap', 'a', 'file'), ('none.mcap', 'b', 'file'),
    }  # fmt: skip
    clips = list(ClipDataset(tmp_path / 'out', frames=100))
    assert len(clips) == 2
    for clip in clips:
        assert clip['speaker']['audio_valid'][8:].all()
        assert clip['speaker']['face_valid'].float().mean() > 0.7
    message = next(f.value for f in found if f.session == 'alone')
    assert 'no topic /b/openface/features' in message


def test_a_damaged_bag_is_refused(tmp_path):
    (tmp_path / 'metadata.yaml').write_text('nonsense: [')
    with pytest.raises(ValueError, match='cannot be read as a bag'):
        read_bag(tmp_path, ('a', 'b'))


@pytest.mark.parametrize('package', ['robot_face_gen_msgs', 'robot_face_gen'])
@pytest.mark.parametrize('root', ['workspace', 'prefix'])
def test_message_definitions_are_found_where_they_are_installed(
    tmp_path, monkeypatch, package, root
):
    installed = tmp_path / 'lib' / 'python3' / 'site-packages' / 'robot_face_gen' / 'data'
    monkeypatch.setattr(bag_file, '__file__', str(installed / 'bag_file.py'))
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{tmp_path / "other"}:{tmp_path / "workspace"}')
    monkeypatch.setattr(bag_file.sys, 'prefix', str(tmp_path / 'prefix'))
    monkeypatch.setattr(bag_file.sysconfig, 'get_path', lambda name: str(tmp_path / 'data'))
    with pytest.raises(FileNotFoundError, match=r'no message definitions .*install robot_face_ge'):
        bag_file.message_folder()
    folder = tmp_path / root / 'share' / package / 'msg'
    folder.mkdir(parents=True)
    (folder / 'FaceFeatures.msg').touch()
    assert bag_file.message_folder() == folder
