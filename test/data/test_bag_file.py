# SPDX-License-Identifier: Apache-2.0
"""Bags that this project writes, read by rosbags and by the MCAP library; killed recordings."""

import random
import shlex
import sys
from pathlib import Path

import pytest

rosbags = pytest.importorskip('rosbags')

from mcap.reader import make_reader  # noqa: E402
from rosbags.highlevel import AnyReader  # noqa: E402
from rosbags.rosbag2 import (  # noqa: E402
    CompressionFormat,
    CompressionMode,
    StoragePlugin,
    Writer,
)
from rosbags.typesys import Stores, get_typestore  # noqa: E402

from robot_face_gen.data.bag_file import (  # noqa: E402
    BagWriter,
    Definitions,
    open_bag,
    recover,
    recover_command,
)

DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'
QOS = '- {history: 3, depth: 0, reliability: 2, durability: 2, deadline: {sec: 0, nsec: 0}, ' \
    'lifespan: {sec: 0, nsec: 0}, liveliness: 1, liveliness_lease_duration: {sec: 0, nsec: 0}, ' \
    'avoid_ros_namespace_conventions: false}'  # fmt: skip
START_NS = 1_700_000_000_000_000_000
STORE = get_typestore(Stores.ROS2_JAZZY)

needs_definitions = pytest.mark.skipif(
    not Path(sys.prefix, 'share', 'diagnostic_msgs').is_dir(),
    reason='no ROS 2 wheels: the definitions of its messages are not installed here',
)


def string(text):
    return bytes(STORE.serialize_cdr(STORE.types['std_msgs/msg/String'](text), STRING[0]))


STRING = ('std_msgs/msg/String', 'string data\n')


def write(writer, count, size=1000):
    """Messages of two topics, in order of time; returns them as (topic, time, bytes)."""
    channels = {
        topic: writer.add_topic(topic, *STRING, {'offered_qos_profiles': QOS})
        for topic in ('/a', '/b')
    }
    written = []
    for index in range(count):
        topic = '/ab'[0] + 'ab'[index % 2]
        message = (topic, START_NS + index * 1_000_000, string(f'{index} ' + 'x' * size))
        writer.write(channels[topic], *message[1:])
        written.append(message)
    return written


def read(path):
    with AnyReader([path]) as reader:
        return [(connection.topic, t, bytes(data)) for connection, t, data in reader.messages()]


@needs_definitions
@pytest.mark.parametrize('kind', [DIAGNOSTICS, 'std_msgs/msg/Header', 'rcl_interfaces/msg/Log'])
def test_definitions_are_those_that_ros_publishes(kind):
    definition, type_hash = Definitions().of(kind)
    assert type_hash == STORE.hash_rihs01(kind)
    assert definition == STORE.generate_msgdef(kind, ros_version=2)[0]


def test_definitions_of_our_own_messages_and_of_none():
    definitions = Definitions()
    for _ in range(2):
        with pytest.raises(
            ValueError, match=r'no Nothing\.msg of the package robot_face_gen_msgs'
        ):
            definitions.of('robot_face_gen_msgs/msg/Nothing')
    with pytest.raises(ValueError, match=r'no Face\.msg of the package unheard_of'):
        definitions.of('unheard_of/msg/Face')


def test_readers_of_other_people_read_what_was_written(tmp_path):
    path = tmp_path / 'bag.mcap'
    writer = BagWriter(path)
    written = write(writer, 200)
    assert not path.exists()
    writer.close()
    assert list(tmp_path.iterdir()) == [path]
    assert read(path) == written
    with path.open('rb') as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == 'ros2'
        summary = reader.get_summary()
        assert summary.statistics.message_count == 200
        assert summary.statistics.message_start_time == START_NS
        assert {schema.encoding for schema in summary.schemas.values()} == {'ros2msg'}
        assert {c.message_encoding for c in summary.channels.values()} == {'cdr'}
        found = [(c.topic, m.log_time, m.data) for _, c, m in reader.iter_messages()]
        assert found == written
        (metadata,) = reader.iter_metadata()
        assert 'version: 8' in metadata.metadata['serialized_metadata']
    with AnyReader([path]) as reader:
        (qos,) = reader.connections[0].ext.offered_qos_profiles
        assert (qos.reliability.name, qos.durability.name) == ('BEST_EFFORT', 'VOLATILE')


def test_a_bag_is_never_overwritten(tmp_path):
    path = tmp_path / 'bag.mcap'
    path.write_text('mine')
    with pytest.raises(FileExistsError, match=r'bag\.mcap exists: remove it or choose'):
        BagWriter(path)
    path.unlink()
    (tmp_path / 'bag.mcap.part').touch()
    with pytest.raises(FileExistsError, match=r'record --recover .*bag\.mcap\.part'):
        BagWriter(path)


def test_the_command_to_recover_can_be_pasted_into_a_shell(tmp_path):
    part = tmp_path / "Anna's run.mcap.part"
    assert shlex.split(recover_command(part))[-1] == str(part)


def test_a_killed_recording_is_recovered_wherever_it_was_cut(tmp_path):
    path, part = tmp_path / 'bag.mcap', tmp_path / 'bag.mcap.part'
    writer = BagWriter(path)
    written = write(writer, 300)
    writer.flush()
    data = part.read_bytes()
    assert len(data) > 200_000
    writer.abandon()
    cuts = random.Random(0).sample(range(70_000, len(data)), 12)
    counts = []
    for cut in (*sorted(cuts), len(data)):
        part.write_bytes(data[:cut])
        made, lost = recover(part)
        found = read(path)
        assert found == written[: len(found)]
        assert made.count == len(found)
        assert lost < 2 * 66_000
        counts.append(len(found))
        path.unlink()
    assert counts == sorted(counts) and counts[0] >= 50
    assert counts[-1] >= len(written) - 66
    assert list(tmp_path.iterdir()) == [part]


def test_a_damaged_recording_is_recovered_until_the_damage(tmp_path):
    path, part = tmp_path / 'bag.mcap', tmp_path / 'bag.mcap.part'
    writer = BagWriter(path)
    written = write(writer, 300)
    writer.flush()
    writer.abandon()
    data = bytearray(part.read_bytes())
    data[100_000] ^= 0xFF  # in the second chunk
    part.write_bytes(data)
    made, lost = recover(part)
    assert read(path) == written[: made.count]
    assert 50 <= made.count < 90 and lost > 100_000


def test_what_cannot_be_recovered_is_said(tmp_path):
    part = tmp_path / 'bag.mcap.part'
    part.write_bytes(b'\x89MCAP0\r\n')
    with pytest.raises(ValueError, match='contains no message'):
        recover(part)
    assert list(tmp_path.iterdir()) == [part]
    with pytest.raises(ValueError, match=r'expected a file whose name ends in \.part'):
        recover(tmp_path / 'bag.mcap')
    with pytest.raises(FileNotFoundError):
        recover(tmp_path / 'none.mcap.part')


def test_a_missing_bag_of_a_killed_recording_names_the_command(tmp_path):
    (tmp_path / 'bag.mcap.part').touch()
    with (
        pytest.raises(
            ValueError, match=r'bag\.mcap: no such bag .* record --recover .*mcap\.part'
        ),
        open_bag(tmp_path / 'bag.mcap'),
    ):
        pass


def test_a_folder_whose_metadata_has_other_policies_is_read(tmp_path):
    """As in a bag among rosbag2's own tests, where the metadata was edited."""
    folder = tmp_path / 'bag'
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        topic = bag.add_connection('/a', STRING[0], typestore=STORE)
        bag.write(topic, START_NS, string('here'))
    metadata = folder / 'metadata.yaml'
    qos = f'"{QOS}"'.replace("'", '')
    text = metadata.read_text().replace('offered_qos_profiles: []', f'offered_qos_profiles: {qos}')
    assert qos in text
    metadata.write_text(text.replace('version: 9', 'version: 8'))
    with open_bag(folder) as bag:
        assert [bytes(data) for _, _, data in bag.messages()] == [string('here')]


@pytest.mark.parametrize('mode', ['FILE', 'MESSAGE', 'STORAGE'])
def test_compressed_bags_are_read(tmp_path, mode):
    writer = Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
    with writer as bag:
        topic = bag.add_connection('/a', STRING[0], typestore=STORE)
        bag.write(topic, START_NS, string('here'))
    with open_bag(tmp_path / 'bag') as bag:
        assert [bytes(data) for _, _, data in bag.messages()] == [string('here')]


def test_a_definition_that_cannot_be_parsed_does_not_cost_the_bag(tmp_path):
    """Service events of ROS 2 Jazzy, as a bag of rosbag2's own tests has them."""
    writer = BagWriter(tmp_path / 'bag.mcap')
    service = 'example_interfaces/srv/AddTwoInts_Event'
    definition = f'# a call\n{"=" * 80}\nMSG: {service}\nint64 a\n---\nint64 sum\n'
    event = writer.add_topic('/add/_service_event', service, definition, {})
    writer.write(event, START_NS, b'\x00\x01\x00\x00')
    topic = writer.add_topic('/a', *STRING, {'offered_qos_profiles': QOS})
    writer.write(topic, START_NS + 1, string('here'))
    writer.close()
    with open_bag(writer.path) as bag:
        first, second = bag.messages()
        assert (first[0].msgtype, bytes(first[2])) == (service, b'\x00\x01\x00\x00')
        assert bag.deserialize(second[2], STRING[0]).data == 'here'


def test_a_folder_without_metadata_names_the_command(tmp_path):
    for name in ('a.mcap', 'b.mcap'):
        (tmp_path / name).write_bytes(b'')
    with pytest.raises(ValueError, match=f'ros2 bag reindex {tmp_path}'), open_bag(tmp_path):
        pass


def test_errors_of_the_reader_are_of_the_bag_and_others_are_not(tmp_path):
    path = tmp_path / 'bag.mcap'
    writer = BagWriter(path)
    write(writer, 200)
    writer.close()
    with pytest.raises(OSError, match='of my own'), open_bag(path):
        raise OSError('of my own')
    data = bytearray(path.read_bytes())
    data[2000] ^= 0xFF
    path.write_bytes(data)
    with (
        pytest.raises(ValueError, match='the bag is damaged: Chunk checksum'),
        open_bag(path) as bag,
    ):
        list(bag.messages())
