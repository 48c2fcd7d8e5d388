"""What stands after --ros-args: remapping, parameters, parameter files, log levels."""

import pytest

from robot_face_gen.ros_runtime.arguments import (
    parameters_for,
    parse,
    remap_name,
    remap_node,
)
from robot_face_gen.ros_runtime.exceptions import RCLInvalidROSArgsError, UnknownROSArgsError
from robot_face_gen.ros_runtime.parameter_files import matches, parse_value, read_parameter_file


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('1', 1),
        ('-3', -3),
        ('0x10', 16),
        ('1.', 1.0),
        ('1e-3', 0.001),
        ('.5', 0.5),
        ('true', True),
        ('off', False),
        ('"1"', '1'),
        ('hello', 'hello'),
        ('', ''),
        ('12:30', '12:30'),
        ('2020-01-01', '2020-01-01'),
        ('/tmp/face.csv', '/tmp/face.csv'),
        ('follow:/tmp/face.csv', 'follow:/tmp/face.csv'),
        ('[1, 2]', [1, 2]),
        ('[1, 2.5]', [1.0, 2.5]),
        ('[a, "2"]', ['a', '2']),
        ('[true, false]', [True, False]),
    ],
)
def test_values_have_the_types_that_ros_gives_them(text, value):
    parsed = parse_value(text)
    assert (parsed, type(parsed)) == (value, type(value))
    if isinstance(value, list):
        assert [type(item) for item in parsed] == [type(item) for item in value]


@pytest.mark.parametrize('text', ['{a: 1}', '[1, a]', '[[1]]', '[1', 'a: b'])
def test_values_of_no_parameter_type_are_refused(text):
    with pytest.raises(ValueError):
        parse_value(text)


def test_words_of_the_program_stay():
    found = parse(['prog', 'x', '--ros-args', '-p', 'a:=1', '--', 'y', '--ros-args', '-r', 'b:=c'])
    assert found.rest == ['prog', 'x', 'y']
    assert found.parameters == [('/**', 'a', 1)]
    assert [(rule.source, rule.target) for rule in found.remaps] == [('b', 'c')]


@pytest.mark.parametrize(
    ('words', 'error', 'text'),
    [
        (['-r'], RCLInvalidROSArgsError, '-r wants a value'),
        (['-r', 'a'], RCLInvalidROSArgsError, "'a'"),
        (['-p', 'a=1'], RCLInvalidROSArgsError, "'a=1'"),
        (['-p', 'a:={b: c}'], RCLInvalidROSArgsError, 'scalar'),
        (['--log-level', 'loud'], RCLInvalidROSArgsError, "'loud'"),
        (['--params-file', '/nowhere.yaml'], RCLInvalidROSArgsError, '/nowhere.yaml'),
        (['--magic'], UnknownROSArgsError, '--magic'),
    ],
)
def test_bad_arguments_are_named(words, error, text):
    with pytest.raises(error, match=text):
        parse(['prog', '--ros-args', *words])


def test_log_levels():
    found = parse(['', '--ros-args', '--log-level', 'WARN', '--log-level', 'ear:=debug'])
    assert (found.level, found.levels) == (30, {'ear': 10})


def test_first_matching_rule_counts():
    rules = parse(['', '--ros-args', '-r', 'a:=b', '-r', 'a:=c', '-r', '/x:=y']).remaps
    assert remap_name(rules, '/robot/a', 'ear', '/robot') == '/robot/b'
    assert remap_name(rules, '/x', 'ear', '/robot') == '/robot/y'
    assert remap_name(rules, '/robot/z', 'ear', '/robot') == '/robot/z'


def test_rules_for_one_node_or_one_kind_leave_others_alone():
    rules = parse(
        ['', '--ros-args', '-r', 'ear:a:=b', '-r', 'rostopic://c:=d', '-r', 'eye:__node:=nose']
    ).remaps
    assert remap_name(rules, '/a', 'ear', '/') == '/b'
    assert remap_name(rules, '/a', 'eye', '/') == '/a'
    assert remap_name(rules, '/c', 'eye', '/') == '/d'
    assert remap_name(rules, '/c', 'eye', '/', is_service=True) == '/c'
    assert remap_node(rules, 'eye', '/') == ('nose', '/')
    assert remap_node(rules, 'ear', '/') == ('ear', '/')


def test_node_and_namespace_can_be_renamed():
    rules = parse(['', '--ros-args', '-r', '__node:=nose', '-r', '__ns:=/head']).remaps
    assert remap_node(rules, 'ear', '/') == ('nose', '/head')


@pytest.mark.parametrize(
    ('pattern', 'name', 'wanted'),
    [
        ('/**', '/ear', True),
        ('/**', '/a/b/ear', True),
        ('/ear', '/ear', True),
        ('/ear', '/a/ear', False),
        ('/*/ear', '/a/ear', True),
        ('/*/ear', '/a/b/ear', False),
        ('/**/ear', '/ear', True),
        ('/**/ear', '/a/b/ear', True),
        ('/a/**', '/a/b/ear', True),
        ('/a/**', '/b/ear', False),
        ('/ear*', '/ear_left', True),
    ],
)
def test_patterns_of_node_names(pattern, name, wanted):
    assert matches(pattern, name) is wanted


def test_parameter_file(tmp_path):
    path = tmp_path / 'p.yaml'
    path.write_text("""
/**:
  ros__parameters:
    use_sim_time: true
    deep:
      gain: 1e-3
      names: [a, b]
ear:
  ros__parameters: {gain: 2.5, mode: "1"}
robot:
  ear:
    ros__parameters:
      gain: 3.5
/**/eye:
  ros__parameters: {rate: 25}
""")
    rules = read_parameter_file(path)
    common = {'use_sim_time': True, 'deep.gain': 0.001, 'deep.names': ['a', 'b']}
    assert parameters_for(rules, '/ear') == common | {'gain': 2.5, 'mode': '1'}
    assert parameters_for(rules, '/robot/ear') == common | {'gain': 3.5}
    assert parameters_for(rules, '/robot/eye') == common | {'rate': 25}
    found = parse(['', '--ros-args', '--params-file', str(path), '-p', 'use_sim_time:=false'])
    assert parameters_for(found.parameters, '/nose')['use_sim_time'] is False


def test_pattern_counts_from_where_it_first_stands(tmp_path):
    """As in ROS 2: '-p' speaks of all nodes, and what a file says later of one node wins."""
    path = tmp_path / 'p.yaml'
    path.write_text('/**: {ros__parameters: {a: 1}}\n/ear: {ros__parameters: {b: 1}}\n')
    found = parse(['', '--ros-args', '--params-file', str(path), '-p', 'a:=2', '-p', 'b:=2'])
    assert parameters_for(found.parameters, '/ear') == {'a': 2, 'b': 1}
    assert parameters_for(found.parameters, '/eye') == {'a': 2, 'b': 2}
    found = parse(['', '--ros-args', '-p', 'b:=2', '--params-file', str(path), '-p', '/ear:b:=3'])
    assert parameters_for(found.parameters, '/ear') == {'a': 1, 'b': 3}


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('- a', 'node names'),
        ('ear: 3', "'/ear' holds 3"),
        ('ear: {ros__parameters: 3}', "'/ear: ros__parameters' holds 3"),
        ('ear: {ros__parameters: {a: [1, b]}}', 'one type'),
        ('ear: {ros__parameters: {a: }}', "no value to 'a'"),
        ('ear: {', 'expected'),
    ],
)
def test_bad_parameter_files_are_named(tmp_path, text, words):
    path = tmp_path / 'p.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=rf'(?s)p\.yaml.*{words}'):
        read_parameter_file(path)
