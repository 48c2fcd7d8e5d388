# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.screen.wire import LISTENER, Command, pack, pack_face, read_command


def face():
    return {
        'au': np.arange(18, dtype=np.float32),
        'pose': np.array([0.1, 0.2, 0.3, np.nan], np.float64),
        'gaze': np.array([-0.1, 0.4], np.float32),
        'landmarks': np.arange(136, dtype=np.float32),
    }


@pytest.mark.parametrize('landmarks', [False, True])
def test_a_face_is_a_head_and_its_values(landmarks):
    message = pack_face(LISTENER, face(), 12.5, flag=True, confidence=0.75, landmarks=landmarks)
    assert len(message) == 16 + 4 * (24 + 136 * landmarks)
    assert message[:2] == bytes([LISTENER, 1])
    assert np.frombuffer(message[4:8], '<f4') == 0.75
    assert np.frombuffer(message[8:16], '<f8') == 12.5
    names = ('au', 'pose', 'gaze', 'landmarks')[: 4 if landmarks else 3]
    expected = np.concatenate([face()[name] for name in names])
    np.testing.assert_array_equal(np.frombuffer(message[16:], '<f4'), expected.astype('<f4'))


def test_json_has_no_numbers_that_browsers_refuse():
    text = pack('level', rms=float('nan'), more=[float('inf'), {'a': -float('inf')}, 1.5])
    assert json.loads(text) == {'type': 'level', 'rms': None, 'more': [None, {'a': None}, 1.5]}


def test_commands():
    text = '{"type": "set", "node": "/reaction_node", "name": "hop", "value": 2}'
    assert read_command(text) == Command('set', '/reaction_node', 'hop', 2)
    assert read_command('{"type": "enable", "value": false}') == Command('enable', '', '', False)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('', 'expected JSON'),
        ('[' * 1000, 'expected JSON'),
        ('[]', 'expected a JSON object'),
        ('{}', 'type = None: expected set or enable'),
        ('{"type": "go"}', "type = 'go'"),
        ('{"type": "enable", "value": 1}', 'value = 1: expected true or false'),
        ('{"type": "set", "node": 5, "name": "a", "value": 1}', 'node = 5: expected a name'),
        ('{"type": "set", "node": "a", "name": "", "value": 1}', "name = ''"),
        ('{"type": "set", "node": "a", "name": "' + 'x' * 200 + '", "value": 1}', "name = 'xxx"),
        ('{"type": "set", "node": "a", "name": "b"}', 'value = None'),
        ('{"type": "set", "node": "a", "name": "b", "value": NaN}', 'value = nan'),
        ('{"type": "set", "node": "a", "name": "b", "value": [1]}', 'value = [1]'),
        ('{"type": "set", "node": "a", "name": "b", "value": 1' + '0' * 30 + '}', '64-bit'),
    ],
)
def test_bad_commands_are_refused_with_a_reason(text, expected):
    with pytest.raises(ValueError, match='expected') as error:
        read_command(text)
    assert expected in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(st.text() | JSON.map(json.dumps) | st.dictionaries(
    st.sampled_from(['type', 'node', 'name', 'value']), JSON | st.sampled_from(['set', 'enable'])
).map(json.dumps))  # fmt: skip
def test_any_text_is_a_command_or_a_value_error(text):
    try:
        command = read_command(text)
    except ValueError as error:
        assert str(error)
    else:
        assert command.kind in ('set', 'enable')
