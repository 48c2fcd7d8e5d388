"""Message classes behave as rosidl's do, and their bytes are ROS 2's."""

import array
import copy
import math

import numpy as np
import pytest
import rosless
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.ros_runtime import definitions as definitions_module
from robot_face_gen.ros_runtime.definitions import definitions
from robot_face_gen.ros_runtime.fields import INTEGERS
from robot_face_gen.ros_runtime.messages import deserialize, message_class, serialize

CASES = settings(deadline=None, max_examples=30)

AudioChunk = message_class('robot_face_gen_msgs/msg/AudioChunk')
FaceFeatures = message_class('robot_face_gen_msgs/msg/FaceFeatures')
Header = message_class('std_msgs/msg/Header')
DiagnosticStatus = message_class('diagnostic_msgs/msg/DiagnosticStatus')

TYPES = [
    'robot_face_gen_msgs/msg/AudioChunk',
    'robot_face_gen_msgs/msg/AudioEmbedding',
    'robot_face_gen_msgs/msg/FaceFeatures',
    'robot_face_gen_msgs/msg/FaceReaction',
    'diagnostic_msgs/msg/DiagnosticArray',
    'rcl_interfaces/msg/ParameterEvent',
    'rcl_interfaces/msg/ParameterDescriptor',
    'sensor_msgs/msg/JointState',
    'sensor_msgs/msg/CameraInfo',
    'sensor_msgs/msg/Image',
    'visualization_msgs/msg/Marker',
    'std_msgs/msg/Empty',
    'rcl_interfaces/srv/SetParameters_Request',
]


def scalars(field):
    if field.nested:
        return messages(field.base)
    if field.base == 'bool':
        return st.booleans()
    if field.base == 'byte':
        return st.binary(min_size=1, max_size=1)
    if field.base == 'string':
        return st.text(st.characters(exclude_characters='\0', exclude_categories=['Cs']))
    if field.base in INTEGERS:
        return st.integers(*INTEGERS[field.base])
    return st.floats(width=32 if field.base == 'float32' else 64, allow_nan=False)


def values(field):
    one = scalars(field)
    if field.kind == 'one':
        return one
    if field.kind == 'array':
        # As one value repeated: hundreds of independent draws are slow and show no more.
        return st.lists(one, min_size=3, max_size=3).map(
            lambda few: (few * field.size)[: field.size]
        )
    return st.lists(one, max_size=min(2, field.size or 2))


@st.composite
def messages(draw, name):
    message = message_class(name)()
    fields = dict(definitions().fields(name))
    for field in message.get_fields_and_field_types():
        setattr(message, field, draw(values(fields[field])))
    return message


@pytest.mark.parametrize('name', TYPES)
@CASES
@given(data=st.data())
def test_bytes_hold_every_field(name, data):
    message = data.draw(messages(name))
    read = deserialize(serialize(message), type(message))
    assert read == message
    assert repr(read) == repr(message)
    assert serialize(read) == serialize(message)


def joint_states():
    # rosless pads after an empty sequence of doubles, where ROS 2 does not: none is empty here.
    some = st.lists(st.floats(allow_nan=False), min_size=1, max_size=4)
    return st.builds(
        message_class('sensor_msgs/msg/JointState'),
        header=messages('std_msgs/msg/Header'),
        name=st.lists(st.text(st.characters(codec='ascii', exclude_characters='\0')), max_size=4),
        position=some,
        velocity=some,
        effort=some,
    )


@CASES
@given(message=joint_states())
def test_bytes_are_those_of_an_independent_implementation(message):
    theirs = rosless.decode('sensor_msgs/msg/JointState', serialize(message)).to_dict()
    assert theirs['name'] == message.name
    assert theirs['header']['frame_id'] == message.header.frame_id
    assert list(theirs['effort']) == list(message.effort)
    written = bytes(rosless.encode('sensor_msgs/msg/JointState', theirs))
    assert deserialize(written, type(message)) == message


@pytest.mark.parametrize(
    ('name', 'wanted'),
    [
        # As ROS 2 Jazzy ships them.
        (
            'std_msgs/msg/String',
            'df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18',
        ),
        (
            'std_msgs/msg/Header',
            'f49fb3ae2cf070f793645ff749683ac6b06203e41c891e17701b1cb597ce6a01',
        ),
        (  # holds char, which ROS 2 takes for uint8
            'rmw_dds_common/msg/ParticipantEntitiesInfo',
            '91a0593bacdcc50ea9bdcf849a938b128412cc1ea821245c663bcd26f83c295e',
        ),
        (
            'std_srvs/srv/Trigger',
            'eeff2cd6fa5ad9d27cdf4dec64818317839b62f212a91e6b5304b634b2062c5f',
        ),
    ],
)
def test_type_hashes_are_those_of_ros2(name, wanted):
    assert definitions().type_hash(name) == f'RIHS01_{wanted}'


def test_new_message_has_defaults():
    chunk = AudioChunk()
    assert (chunk.sample_rate, chunk.samples) == (0, array.array('f'))
    face = FaceFeatures()
    assert face.landmarks.shape == (136,) and face.landmarks.dtype == np.float32
    assert face.header == Header()
    assert message_class('geometry_msgs/msg/Quaternion')().w == 1.0
    assert DiagnosticStatus().level == DiagnosticStatus.OK == b'\0'


def test_messages_do_not_share_what_can_be_changed():
    first, second = FaceFeatures(), FaceFeatures()
    first.landmarks[0] = 1.0
    first.header.frame_id = 'camera'
    assert second == FaceFeatures() != first


def test_constructor_takes_keywords_of_any_iterable():
    chunk = AudioChunk(
        header=Header(frame_id='mic'), sample_rate=16000, samples=np.arange(3, dtype=np.float32)
    )
    assert chunk.samples == array.array('f', [0.0, 1.0, 2.0])
    assert FaceFeatures(pose=range(4)).pose.tolist() == [0.0, 1.0, 2.0, 3.0]
    with pytest.raises(AssertionError, match=r'frequency.*sample_rate'):
        AudioChunk(frequency=1)
    with pytest.raises(AssertionError, match='size of 4, not 5'):
        FaceFeatures(pose=range(5))


@pytest.mark.parametrize(
    ('field', 'value', 'words'),
    [
        ('confidence', 1, r"'confidence'.*float.*int"),
        ('confidence', 1e39, r"'confidence'.*3\.4028"),
        ('success', 1, r"'success'.*bool"),
        ('image_width', -1, r"'image_width'.*\[0, 4294967295\]"),
        ('image_width', 2**32, r"'image_width'.*\[0, 4294967295\]"),
        ('image_width', 1.0, r"'image_width'.*int"),
        ('header', 'camera', r"'header'.*Header.*str"),
        ('landmarks', np.zeros(136), r"'landmarks'.*float32.*float64"),
        ('landmarks', np.zeros(135, np.float32), r"'landmarks'.*136.*135"),
        ('pose', [0.0, 0.0, 0.0], r"'pose'.*4.*3"),
        ('pose', [0, 0, 0, 0], r"'pose'.*float"),
        ('pose', 'four', r"'pose'.*sequence"),
    ],
)
def test_bad_assignment_is_refused_by_name(field, value, words):
    face = FaceFeatures()
    before = copy.deepcopy(face)
    with pytest.raises(AssertionError, match=words):
        setattr(face, field, value)
    assert face == before


def test_sequence_of_numbers_is_an_array():
    chunk = AudioChunk()
    chunk.samples = [1.0, math.inf]
    assert isinstance(chunk.samples, array.array)
    chunk.samples = kept = array.array('f', [0.5])
    assert chunk.samples is kept
    with pytest.raises(AssertionError, match=r"'samples'.*'d'"):
        chunk.samples = array.array('d', [0.5])
    # A numpy array is no sequence: here and on ROS 2 it has to be made an array.array first.
    with pytest.raises(AssertionError, match=r"'samples'.*ndarray"):
        chunk.samples = np.zeros(3, np.float32)


def test_fields_cannot_be_invented():
    with pytest.raises(AttributeError):
        AudioChunk().volume = 1.0


def test_read_message_can_be_changed():
    face = deserialize(serialize(FaceFeatures()), FaceFeatures)
    face.landmarks[3] = 7.0
    assert deserialize(serialize(face), FaceFeatures).landmarks[3] == 7.0


def test_array_of_another_layout_is_written_in_order():
    plane = np.arange(272, dtype=np.float32).reshape(136, 2)
    face = FaceFeatures()
    face.landmarks = plane[:, 1]
    assert deserialize(serialize(face), FaceFeatures).landmarks.tolist() == plane[:, 1].tolist()
    face.landmarks = np.arange(136, dtype=np.float32).reshape(2, 68)
    assert deserialize(serialize(face), FaceFeatures).landmarks[68] == 68.0


@CASES
@given(cut=st.integers(0, 40))
def test_bytes_that_are_cut_off_are_refused(cut):
    data = serialize(AudioChunk(header=Header(frame_id='microphone'), samples=[0.0] * 4))
    with pytest.raises(ValueError, match='AudioChunk'):
        deserialize(data[: min(cut, len(data) - 1)], AudioChunk)


def test_field_types_are_named_as_rosidl_names_them():
    assert FaceFeatures.get_fields_and_field_types() == {
        'header': 'std_msgs/Header',
        'confidence': 'float',
        'success': 'boolean',
        'image_width': 'uint32',
        'image_height': 'uint32',
        'landmarks': 'float[136]',
        'action_units': 'float[18]',
        'pose': 'float[4]',
        'gaze': 'float[2]',
    }
    assert AudioChunk.get_fields_and_field_types()['samples'] == 'sequence<float>'


def test_repr_shows_every_field():
    status = DiagnosticStatus(level=DiagnosticStatus.WARN, name='ear')
    assert repr(status) == (
        "diagnostic_msgs.msg.DiagnosticStatus(level=b'\\x01', name='ear', message='', "
        "hardware_id='', values=[])"
    )


def test_packages_can_be_imported_by_name():
    import rcl_interfaces.srv
    import std_msgs.msg

    import robot_face_gen_msgs.msg

    assert robot_face_gen_msgs.msg.AudioChunk is AudioChunk
    assert 'Header' in dir(std_msgs.msg)
    assert rcl_interfaces.srv.GetParameters.Request(names=['a']).names == ['a']
    with pytest.raises(AttributeError, match='Heather'):
        std_msgs.msg.Heather  # noqa: B018


def test_missing_definitions_say_where_they_were_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(definitions_module, '__file__', str(tmp_path / 'a/b/c.py'))
    monkeypatch.setattr(definitions_module.sys, 'prefix', str(tmp_path))
    monkeypatch.setattr(definitions_module.sysconfig, 'get_path', lambda name: str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r'robot_face_gen_msgs.*share/robot_face_gen/msg'):
        definitions_module.message_folder()
    installed = tmp_path / 'share/robot_face_gen/msg'
    installed.mkdir(parents=True)
    (installed / 'A.msg').write_text('bool a\n')
    assert definitions_module.message_folder() == installed
