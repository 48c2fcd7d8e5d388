# SPDX-License-Identifier: Apache-2.0
"""Files of actuators: what they mean, and each mistake with its line."""

import math
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robot_face_gen.face.actuator_file import ActuatorFileError, read_actuators
from robot_face_gen.layout import AU

CONFIG = Path(__file__).resolve().parents[2] / 'config'
HEAD = CONFIG / 'actuators.yaml'
GOOD = """\
actuators:
  - name: jaw
    min: 0.0
    max: 1.0
    neutral: 0.1
    unit: ratio
    max_speed: 1e1
    max_acceleration: 50
    max_jerk: 1000.0
    inputs:
      AU26: 0.2
      pose_Tz: {gain: -1.0, offset: 0.65}
  - name: neck
    min: -1
    max: 1
    max_speed: 2.0
    max_acceleration: 20.0
    inputs: {pose_Rx: 1.0, gaze_angle_y: 0.5}
outputs:
  - {type: positions, topic: face/commands, actuators: [neck, jaw]}
  - {type: joint_state, topic: /states, enabled: false}
  - {type: hri_expression, topic: ~/expression}
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / 'robot.yaml'
        path.write_text(text, encoding='utf-8')
        return read_actuators(path)

    return read


def problems(read, text):
    """Lines and texts of all mistakes."""
    with pytest.raises(ActuatorFileError) as caught:
        read(text)
    assert all(f'robot.yaml:{each.line}: {each.text}' in str(caught.value)
               for each in caught.value.problems)  # fmt: skip
    return [(each.line, each.text) for each in caught.value.problems]


def test_what_a_file_means(read):
    found = read(GOOD)
    jaw, neck = found.actuators
    assert (jaw.name, jaw.unit, jaw.low, jaw.high, jaw.neutral) == ('jaw', 'ratio', 0.0, 1.0, 0.1)
    assert (jaw.max_speed, jaw.max_acceleration, jaw.max_jerk) == (10.0, 50.0, 1000.0)
    assert jaw.inputs == {'AU26': (0.2, 0.0), 'pose_Tz': (-1.0, 0.65)}
    assert (neck.unit, neck.neutral, neck.max_jerk) == ('rad', 0.0, math.inf)
    positions, states, expression = found.outputs
    assert (positions.actuators, positions.enabled) == (('neck', 'jaw'), True)
    assert (states.actuators, states.enabled) == (('jaw', 'neck'), False)
    assert (expression.kind, expression.actuators) == ('hri_expression', ())


def test_positions_are_weighted_sums_of_the_face(read):
    units = np.zeros(18)
    units[AU['AU26']] = 3.0
    face = SimpleNamespace(
        action_units=units, pose=np.array([0.2, 9.0, 9.0, 0.6]), gaze=np.array([9.0, -0.1])
    )
    jaw, neck = read(GOOD).targets(face)
    assert jaw == pytest.approx(0.1 + 0.2 * 3.0 - 0.6 + 0.65)
    assert neck == pytest.approx(0.2 - 0.05)


def test_without_outputs_joint_states_are_published(read):
    (output,) = read(GOOD.partition('outputs:')[0]).outputs
    assert (output.kind, output.topic) == ('joint_state', 'robot_face/joint_states')
    assert output.actuators == ('jaw', 'neck') and output.enabled


def test_an_actuator_can_take_values_from_another(read):
    text = GOOD.partition('  - name: neck')[0].replace('- name: jaw', '- &jaw\n    name: jaw')
    first, second = read(text + '  - {<<: *jaw, name: other, max: 2.0}\n').actuators
    assert (second.name, second.high) == ('other', 2.0)
    assert (second.low, second.inputs) == (first.low, first.inputs)
    found = problems(read, text + '  - <<: *jaw\n')
    assert found == [(14, "actuator 'jaw' appears twice (first in line 2)")]


@pytest.mark.parametrize('name', ['actuators.yaml', 'actuators_screen.yaml'])
def test_the_shipped_files_are_good(name):
    found = read_actuators(CONFIG / name)
    assert {'neck_pan', 'neck_tilt'} < set(found.names)
    if name == 'actuators.yaml':
        assert len(found.names) == 2 + 12
        assert {output.kind for output in found.outputs} == {
            'joint_state', 'joint_trajectory', 'positions', 'hri_action_units', 'hri_expression',
        }  # fmt: skip


@pytest.mark.parametrize(
    ('old', 'new', 'line', 'words'),
    [
        ('name: jaw', 'nam: jaw', 2, "'nam' is unknown in an actuator: expected one of name,"),
        ('name: jaw', 'nam: jaw', 2, "did you mean 'name'?"),
        ('name: jaw', 'nam: jaw', 2, "'name' is missing in an actuator"),
        ('name: jaw', 'name: [jaw]', 2, 'name: expected a name, found a list'),
        ('name: jaw', 'name: 5', 2, "name: expected a name, found '5'"),
        ('name: jaw', 'name: the jaw', 2, "name: 'the jaw': expected the name of a joint"),
        ('name: neck', 'name: jaw', 13, "actuator 'jaw' appears twice (first in line 2)"),
        ('    max: 1.0\n', '    max: 1.0\n    max: 2.0\n', 5,
         "'max' appears twice in an actuator (first in line 4)"),
        ('max: 1.0', 'max: -1.0', 4, 'max: -1: expected more than min (0)'),
        ('max: 1.0', 'max: true', 4, "max: expected a number from -1e+06 to 1e+06, found 'true'"),
        ('max: 1.0', 'max: .nan', 4, "max: expected a number from -1e+06 to 1e+06, found '.nan'"),
        ('max: 1.0', 'max: "1.0"', 4, "max: expected a number from -1e+06 to 1e+06, found '1.0'"),
        ('max: 1.0', 'max:', 4, 'max: expected a number from -1e+06 to 1e+06, found nothing'),
        ('max: 1.0', 'max: 2026-13-45', 4, 'max: expected a number from -1e+06 to 1e+06'),
        ('neutral: 0.1', 'neutral: 2', 5, 'expected a position from min (0) to max (1)'),
        ('unit: ratio', 'unit: degrees', 6, "unit: 'degrees': expected one of rad, m, ratio"),
        ('max_speed: 1e1', 'max_speed: 0', 7, "expected a number from 1e-06 to 1e+06, found '0'"),
        ('max_jerk: 1000.0', 'max_jerk: -1', 9, 'max_jerk: expected a number from 1e-06 to 1e+06'),
        ('max_jerk: 1000.0', 'max_jerk: 49', 9, 'max_jerk: 49: expected at least 50'),
        ('max: 1.0', 'max: 1e300', 4, 'max: expected a number from'),
        ('AU26: 0.2', 'AU26_r: 0.2', 11, "'AU26_r' is unknown in inputs: expected 'AU26'"),
        ('AU26: 0.2', 'AU1: 0.2', 11, "'AU1' is unknown in inputs: expected 'AU01'"),
        ('AU26: 0.2', 'AU99: 0.2', 11, "expected one of OpenFace's action units AU01,"),
        ('AU26: 0.2', 'gaze_x: 0.2', 11, "did you mean 'gaze_angle_x'?"),
        ('AU26: 0.2', 'AU26: much', 11, "gain of AU26: expected a number from"),
        ('gain: -1.0', 'gian: -1.0', 12, "'gain' is missing in pose_Tz"),
        ('offset: 0.65', 'offset: [1]', 12, 'offset of pose_Tz: expected a number'),
        ('{pose_Rx: 1.0, gaze_angle_y: 0.5}', '{}', 18, 'inputs: is empty'),
        ('{pose_Rx: 1.0, gaze_angle_y: 0.5}', '[pose_Rx]', 18, 'inputs: expected a mapping'),
        ('type: positions', 'type: position', 20, "did you mean 'positions'?"),
        ('topic: face/commands', 'topic: face commands', 20, 'expected the name of a topic'),
        ('topic: /states', 'topic: face/commands', 21,
         "topic 'face/commands' appears twice (first in line 20)"),
        ('[neck, jaw]', '[neck, jaws]', 20, "'jaws' is no actuator: expected one of jaw, neck"),
        ('[neck, jaw]', '[neck, neck]', 20, "'neck' appears twice in this output"),
        ('[neck, jaw]', '[]', 20, 'expected a list with at least one item'),
        ('enabled: false', 'enabled: 7', 21, 'enabled: 7: expected true or false'),
        ('~/expression}', '~/expression, actuators: [jaw]}', 22, 'a hri_expression has none'),
        ('outputs:', 'output:', 19, "'output' is unknown in the file"),
        ('    min: 0.0', '   min: 0.0', 3, 'not valid YAML'),
        ('unit: ratio', 'unit: {ratio', 7, 'not valid YAML'),
        ('unit: ratio', 'unit: \x07', 1, 'not valid YAML'),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(read, old, new, line, words):
    assert GOOD.count(old) >= 1
    found = problems(read, GOOD.replace(old, new, 1))
    assert any(line == at and words in text for at, text in found), found


@pytest.mark.parametrize(
    'text', ['', '# nothing\n', '[]', 'actuators:', 'actuators: 5', '5', '[' * 5000]
)
def test_a_file_without_actuators_is_refused(read, text):
    assert problems(read, text)


def test_the_neck_of_the_urdf_is_that_of_the_examples():
    root = ElementTree.parse(CONFIG.parent / 'urdf' / 'robot_face.urdf').getroot()
    head = {actuator.name: actuator for actuator in read_actuators(HEAD).actuators}
    joints = {joint.get('name'): joint.find('limit') for joint in root.iter('joint')}
    assert set(joints) == {'neck_pan', 'neck_tilt'}
    for name, limit in joints.items():
        found = [float(limit.get(key)) for key in ('lower', 'upper', 'velocity')]
        assert found == [head[name].low, head[name].high, head[name].max_speed]
    links = {link.get('name') for link in root.iter('link')}
    for joint in root.iter('joint'):
        assert {joint.find('parent').get('link'), joint.find('child').get('link')} <= links
    names = set(read_actuators(CONFIG / 'actuators_screen.yaml').names)
    assert set(joints) <= names


def test_all_mistakes_are_told_at_once(read):
    text = GOOD.replace('min: 0.0', 'min: low').replace('min: -1', 'min: 3').replace('~/', '7/')
    assert [line for line, _ in problems(read, text)] == [3, 15, 22]


def test_a_file_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / 'robot.yaml'
    path.write_bytes(b'actuators: \xff\xfe')
    with pytest.raises(ActuatorFileError, match='not UTF-8'):
        read_actuators(path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0, len(GOOD)),
    st.integers(0, 40),
    st.one_of(
        st.text(max_size=8), st.sampled_from(['&a ', '*a', '<<: *a', '!!int x', '{', '- [', '?'])
    ),
)
def test_a_damaged_file_is_read_or_refused_but_never_breaks(read, begin, length, new):
    text = GOOD[:begin] + new + GOOD[begin + length :]
    try:
        found = read(text.encode('utf-8', 'replace').decode('utf-8'))
    except ActuatorFileError as error:
        assert error.problems
    else:
        assert np.isfinite(found.gains).all()
