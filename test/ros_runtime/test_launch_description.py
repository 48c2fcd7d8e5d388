"""What launch files mean, without starting anything."""

import os
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from launch.actions import (
    AppendEnvironmentVariable,
    DeclareLaunchArgument,
    ExecuteProcess,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
    SetLaunchConfiguration,
    UnsetEnvironmentVariable,
)
from launch.conditions import (
    IfCondition,
    InvalidConditionExpressionError,
    LaunchConfigurationEquals,
    UnlessCondition,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import (
    AndSubstitution,
    EnvironmentVariable,
    EqualsSubstitution,
    IfElseSubstitution,
    LaunchConfiguration,
    NotEqualsSubstitution,
    NotSubstitution,
    OrSubstitution,
    PathJoinSubstitution,
    PythonExpression,
    SubstitutionFailure,
    TextSubstitution,
    ThisLaunchFileDir,
)
from launch_ros.actions import Node, PushRosNamespace, SetParameter, SetRemap
from launch_ros.descriptions import Parameter
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare
from launching import BRINGUP, ROOT, evaluate, parameters

from launch import LaunchContext, LaunchDescription
from robot_face_gen.nodes.tables import TABLES
from robot_face_gen.ros_runtime.parameter_files import read_parameter_file

WHO = LaunchConfiguration('who')
FILES = {'csv': 'face.csv', 'wav': 'voice.wav', 'pt': 'model.pt'}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in FILES.values():
        (tmp_path / name).touch()
    return tmp_path


def node(**kwargs):
    """A node whose program is there wherever the tests run."""
    return Node(executable='true', **kwargs)


def words(action, **configurations):
    """The command line of one action."""
    (found,) = evaluate([action], **configurations)
    return list(found.cmd)


# The launch file of this package.

NONE = {'openface': 'none', 'audio': 'none'}
ALWAYS = {'whisper_node': {}, 'reaction_node': {}}
CASES = {
    'microphone by default': ({}, {'microphone_node': {'source': 'microphone'}, **ALWAYS}),
    'no sources': (NONE, ALWAYS),
    'empty sources': ({'openface': '', 'audio': ''}, ALWAYS),
    'recorded': (
        {'openface': 'face.csv', 'audio': 'voice.wav', 'start_time': '12.5', 'speed': '2'},
        {
            'openface_node': {'source': '{}/face.csv', 'start_time': 12.5, 'speed': 2.0},
            'microphone_node': {'source': '{}/voice.wav', 'start_time': 12.5, 'speed': 2.0},
            **ALWAYS,
        },
    ),
    'live, so without a pace': (
        {'openface': 'follow:later.csv', 'audio': 'microphone:USB 3', 'speed': '2', 'loop': '1'},
        {
            'openface_node': {'source': 'follow:{}/later.csv'},
            'microphone_node': {'source': 'microphone:USB 3'},
            **ALWAYS,
        },
    ),
    'models': (
        {**NONE, 'whisper': 'untrained', 'checkpoint': 'model.pt', 'device': 'cpu'},
        {
            'whisper_node': {'weights': 'untrained'},
            'reaction_node': {'checkpoint': '{}/model.pt', 'device': 'cpu'},
        },
    ),
    'weights in a file': (
        {**NONE, 'whisper': 'model.pt'},
        {'whisper_node': {'weights': '{}/model.pt'}, 'reaction_node': {}},
    ),
    'ends': (
        {'openface': 'face.csv', 'audio': '', 'start_time': '1', 'exit_at_end': 'true'},
        {
            'openface_node': {'source': '{}/face.csv', 'start_time': 1.0, 'exit_at_end': True},
            **ALWAYS,
        },
    ),
    'simulated time has no start of ours': (
        {'openface': 'face.csv', 'audio': '', 'use_sim_time': 'true'},
        {'openface_node': {'source': '{}/face.csv'}, **ALWAYS},
    ),
}


@pytest.mark.parametrize('name', CASES)
def test_bringup_starts_the_nodes_that_its_arguments_ask_for(files, name):
    arguments, expected = CASES[name]
    found = evaluate(BRINGUP, **arguments)
    simulated = arguments.get('use_sim_time') == 'true'

    def filled(value):
        return value.replace('{}', str(files)) if isinstance(value, str) else value

    assert {one.name.rpartition('-')[0]: parameters(one.cmd) for one in found} == {
        node: {
            'use_sim_time': simulated,
            **{key: filled(value) for key, value in overrides.items()},
        }
        for node, overrides in expected.items()
    }


@pytest.mark.parametrize(
    'given, namespace', [('', '/'), ('robot', '/robot'), ('/a/b', '/a/b'), ('a/b', '/a/b')]
)
def test_bringup_command_line(given, namespace):
    whisper, reaction = evaluate(BRINGUP, **NONE, namespace=given, log_level='debug')
    index = reaction.cmd.index('--ros-args')
    assert list(reaction.cmd[index:-1]) == [
        *('--ros-args', '--log-level', 'debug', '--ros-args'),
        *('-r', '__node:=reaction_node', '-r', f'__ns:={namespace}'),
        *('--params-file', str(ROOT / 'config' / 'bringup.yaml'), '--params-file'),
    ]
    ((pattern, name, value),) = read_parameter_file(reaction.cmd[-1])
    assert (pattern, name, value) == (
        f'{namespace.rstrip("/")}/reaction_node',
        'use_sim_time',
        False,
    )
    assert whisper.env['OMP_WAIT_POLICY'] == 'PASSIVE'


def test_bringup_leaves_a_wait_policy_of_the_user(monkeypatch):
    monkeypatch.setenv('OMP_WAIT_POLICY', 'ACTIVE')
    assert evaluate(BRINGUP, **NONE)[0].env['OMP_WAIT_POLICY'] == 'ACTIVE'


def test_bringup_overrides_are_parameters_of_the_nodes(files):
    rows = {table.node: {row.name: row for row in table} for table in TABLES}
    arguments = {
        **{'openface': 'face.csv', 'audio': 'voice.wav', 'whisper': 'tiny', 'speed': '2'},
        **{'checkpoint': 'model.pt', 'device': 'cpu', 'loop': 'true', 'exit_at_end': 'false'},
    }
    for one in evaluate(BRINGUP, **arguments):
        given = parameters(one.cmd)
        assert given.pop('use_sim_time') is False
        for name, value in given.items():
            row = rows[one.name.rpartition('-')[0]][name]
            assert row.reason_against(value) == '', one.name


def test_recorded_sources_begin_together_in_a_while(files):
    before = time.time()
    found = evaluate(BRINGUP, openface='face.csv', audio='voice.wav', start_delay='3')
    starts = {parameters(one.cmd).get('start_time') for one in found} - {None}
    assert len(starts) == 1
    assert before + 3.0 <= starts.pop() <= time.time() + 3.0


@pytest.mark.parametrize('end, expected', [('', True), ('true', False)])
def test_a_source_that_ends_at_its_end_is_not_respawned(files, end, expected):
    source, *others = evaluate(
        BRINGUP, openface='face.csv', audio='', use_respawn='True', exit_at_end=end
    )
    assert source.respawn is expected
    assert all(one.respawn and one.respawn_delay == 2.0 for one in others)


@pytest.mark.parametrize(
    'name, value, complaint',
    [
        ('openface', 'nix.csv', 'openface:=nix.csv: there is no such file'),
        ('audio', 'nix.wav', 'audio:=nix.wav: there is no such file'),
        ('checkpoint', 'nix', 'checkpoint:=nix'),
        ('params_file', 'nix', 'params_file:=nix'),
        ('speed', 'fast', 'speed:=fast: expected a number'),
        ('use_respawn', 'maybe', 'use_respawn:=maybe: expected true or false'),
        ('namespace', '1st', "'/1st' is no namespace"),
    ],
)
def test_bringup_refuses_what_makes_no_sense(files, name, value, complaint):
    with pytest.raises((RuntimeError, ValueError), match=complaint):
        evaluate(BRINGUP, **{name: value})


def test_every_argument_is_described():
    description = PythonLaunchDescriptionSource(str(BRINGUP)).get_launch_description(
        LaunchContext()
    )
    arguments = description.get_launch_arguments()
    assert len(arguments) > 10
    for argument in arguments:
        assert argument.default_value is not None
        assert len(argument.description) > 15


# What a user's own launch file may hold.


def test_node_command_line():
    action = node(
        name=[WHO, '_node'],
        namespace='inner',
        arguments=['--flag', WHO],
        ros_arguments=['--log-level', 'warn'],
        remappings=[('a', 'b'), ('c', ['d/', WHO])],
    )
    group = GroupAction(
        [PushRosNamespace('outer'), SetParameter('use_sim_time', True), SetRemap('e', 'f'), action]
    )
    assert words(group, who='me') == [
        *('true', '--flag', 'me', '--ros-args', '--log-level', 'warn', '--ros-args'),
        *('-r', '__node:=me_node', '-r', '__ns:=/outer/inner', '-p', 'use_sim_time:=true'),
        *('-r', 'e:=f', '-r', 'a:=b', '-r', 'c:=d/me'),
    ]


@pytest.mark.parametrize(
    'pushed, given, expected',
    [
        ('a', 'b', '/a/b'),
        ('a', '/b', '/b'),
        ('/a/', 'b/', '/a/b'),
        ('a', None, '/a'),
        ('/', 'b', '/b'),
        (None, 'b', '/b'),
        (None, None, None),
    ],
)
def test_namespace_of_a_node_in_a_group(pushed, given, expected):
    push = [] if pushed is None else [PushRosNamespace(pushed)]
    cmd = words(GroupAction([*push, node(namespace=given)]))
    assert cmd[2:] == ([] if expected is None else ['-r', f'__ns:={expected}'])


def test_scopes_of_a_group_do_not_leak():
    found = evaluate(
        [
            GroupAction(
                [
                    PushRosNamespace('inside'),
                    SetRemap('a', 'b'),
                    SetEnvironmentVariable('WHERE', 'in'),
                    GroupAction([PushRosNamespace('deep'), SetRemap('c', 'd'), node()]),
                    node(),
                ]
            ),
            node(),
        ]
    )
    assert [list(one.cmd[2:]) for one in found] == [
        ['-r', '__ns:=/inside/deep', '-r', 'a:=b', '-r', 'c:=d'],
        ['-r', '__ns:=/inside', '-r', 'a:=b'],
        [],
    ]
    assert [one.env.get('WHERE') for one in found] == ['in', 'in', None]


def test_group_without_forwarding_knows_only_what_it_is_given():
    say = ExecuteProcess(
        cmd=['say', LaunchConfiguration('who', default='nobody'), LaunchConfiguration('kept')]
    )
    group = GroupAction([say], forwarding=False, launch_configurations={'kept': [WHO, '!']})
    assert words(group, who='me') == ['say', 'nobody', 'me!']


def test_unscoped_group_sets_for_those_after_it():
    after = ExecuteProcess(cmd=['say', WHO])
    found = evaluate([GroupAction([SetLaunchConfiguration('who', 'x')], scoped=False), after])
    assert list(found[0].cmd) == ['say', 'x']


def test_parameters_of_every_kind(tmp_path):
    file = tmp_path / 'some.yaml'
    file.write_text(
        '/**:\n  ros__parameters:\n    who: $(var who)\n    other: $(env NO_SUCH none)\n'
    )
    action = node(
        name='n',
        namespace='/',
        parameters=[
            {
                'int': 1,
                'float': 2.5,
                'bool': True,
                'text': 'yes',
                'taken_as_yaml': WHO,
                'as_text': ParameterValue(WHO, value_type=str),
                'as_float': ParameterValue(WHO, value_type=float),
                'empty': LaunchConfiguration('nothing', default=''),
                'mixed': [1, 2.5],
                'texts': ['1', 'b'],
                'joined': ['a', WHO],
                'nested': {'deep': {'x': 1}},
                'ints': ParameterValue([1, 2]),
            },
            str(file),
            ParameterFile(file, allow_substs=True),
            Parameter('single', 'a b'),
        ],
    )
    cmd = words(action, who='7')
    assert parameters(cmd) == {
        'int': 1,
        'float': 2.5,
        'bool': True,
        'text': 'yes',
        'taken_as_yaml': 7,
        'as_text': '7',
        'as_float': 7.0,
        'empty': '',
        'mixed': [1.0, 2.5],
        'texts': ['1', 'b'],
        'joined': 'a7',
        'nested.deep.x': 1,
        'ints': [1, 2],
        'who': 7,
        'other': 'none',
    }
    assert str(file) in cmd
    assert cmd[-2:] == ['-p', "single:='a b'"]


@given(st.text(st.characters(exclude_categories=['Cs', 'Cc']), max_size=30))
@settings(deadline=None, max_examples=30)
def test_text_parameters_survive_as_they_are(text):
    cmd = words(node(parameters=[{'text': text}, {'same': ParameterValue(text, value_type=str)}]))
    assert parameters(cmd) == {'text': text, 'same': text}


@pytest.mark.parametrize('value', ['x', '1.5', '[1]', ''])
def test_a_parameter_of_the_wrong_kind_is_named(value):
    action = node(parameters=[{'number': ParameterValue(WHO, value_type=int)}])
    with pytest.raises(ValueError, match='number'):
        evaluate([action], who=value)


def test_missing_parameter_file_is_left_out_with_a_warning(capsys):
    assert words(node(parameters=['/no/such.yaml'])) == ['true', '--ros-args']
    assert 'not a file: /no/such.yaml' in capsys.readouterr().out


@pytest.mark.parametrize(
    'condition, expected',
    [
        (IfCondition('true'), True),
        (IfCondition(' False '), False),
        (UnlessCondition(WHO), False),
        (IfCondition(PythonExpression(['"', WHO, '" == "1"'])), True),
        (IfCondition(EqualsSubstitution(WHO, 'TRUE')), True),
        (IfCondition(NotEqualsSubstitution(WHO, '1.0')), False),
        (IfCondition(AndSubstitution(WHO, 'false')), False),
        (IfCondition(OrSubstitution('false', WHO)), True),
        (IfCondition(NotSubstitution(WHO)), False),
    ],
)
def test_conditions(condition, expected):
    found = evaluate([ExecuteProcess(cmd=['x'], condition=condition)], who='1')
    assert bool(found) is expected


def test_launch_configuration_equals():
    with pytest.warns(UserWarning, match='deprecated'):
        same = LaunchConfigurationEquals('who', 'me')
        unset = LaunchConfigurationEquals('other', None)
    context = LaunchContext()
    context.launch_configurations['who'] = 'me'
    assert same.evaluate(context)
    assert unset.evaluate(context)


def test_a_condition_that_says_neither_is_named():
    with pytest.raises(InvalidConditionExpressionError, match=r"'perhaps'.*LaunchConfig"):
        evaluate([ExecuteProcess(cmd=['x'], condition=IfCondition(WHO))], who='perhaps')


@pytest.mark.parametrize(
    'substitution, expected',
    [
        (TextSubstitution(text='a'), 'a'),
        (PathJoinSubstitution(['a', WHO, 'b']), os.path.join('a', 'me', 'b')),
        (PythonExpression(['ceil(1.2) + ', '1']), '3'),
        (PythonExpression('os.sep', ['os']), os.sep),
        (EnvironmentVariable('NO_SUCH', default_value=[WHO, '!']), 'me!'),
        (IfElseSubstitution('false', 'a', WHO), 'me'),
        (LaunchConfiguration('no_such', default=5), '5'),
        (FindPackageShare('robot_face_gen'), str(ROOT)),
    ],
)
def test_substitutions(substitution, expected):
    context = LaunchContext()
    context.launch_configurations['who'] = 'me'
    assert substitution.perform(context) == expected
    assert substitution.describe()


@pytest.mark.parametrize(
    'substitution, named',
    [
        (LaunchConfiguration('no_such'), 'no_such'),
        (EnvironmentVariable('NO_SUCH'), 'NO_SUCH'),
        (PythonExpression('1 +'), r'1 \+'),
        (ThisLaunchFileDir(), 'ThisLaunchFileDir'),
        (FindPackageShare('no_such_package'), 'no_such_package'),
    ],
)
def test_failures_are_named(substitution, named):
    with pytest.raises((SubstitutionFailure, KeyError), match=named):
        substitution.perform(LaunchContext())


def test_environment_actions(monkeypatch):
    monkeypatch.setenv('GONE', 'x')
    monkeypatch.setenv('LONG', 'a')
    (found,) = evaluate(
        [
            UnsetEnvironmentVariable('GONE'),
            AppendEnvironmentVariable('LONG', 'b', separator=':'),
            AppendEnvironmentVariable('LONG', WHO, prepend=True, separator=':'),
            ExecuteProcess(cmd=['x'], additional_env={'MORE': WHO}),
        ],
        who='me',
    )
    assert 'GONE' not in found.env
    assert (found.env['LONG'], found.env['MORE']) == ('me:a:b', 'me')


def test_process_with_an_environment_of_its_own_has_no_other():
    (found,) = evaluate([ExecuteProcess(cmd=['x'], env={'ONLY': WHO}, cwd=['/', WHO])], who='me')
    assert (found.env, found.cwd) == ({'ONLY': 'me'}, '/me')


def test_prefix_and_respawn_from_configurations():
    process = ExecuteProcess(cmd=['x', 'a b'], respawn=LaunchConfiguration('again'))
    (found,) = evaluate([process], **{'launch-prefix': 'nice -n 5', 'again': 'True'})
    assert list(found.cmd) == ['nice', '-n', '5', 'x', 'a b']
    assert found.respawn is True


def test_include_passes_arguments_and_knows_its_folder(tmp_path):
    inner = tmp_path / 'inner.launch.py'
    inner.write_text(
        'from launch import LaunchDescription\n'
        'from launch.actions import DeclareLaunchArgument, ExecuteProcess\n'
        'from launch.substitutions import LaunchConfiguration, ThisLaunchFileDir\n'
        'def generate_launch_description():\n'
        '    return LaunchDescription([DeclareLaunchArgument("who"), DeclareLaunchArgument("b",'
        ' default_value="2", choices=["2", "3"]), ExecuteProcess(cmd=["x",'
        ' LaunchConfiguration("who"), LaunchConfiguration("b"), ThisLaunchFileDir()])])\n'
    )

    def include(**arguments):
        return IncludeLaunchDescription(
            PythonLaunchDescriptionSource([str(tmp_path), '/inner.launch.py']),
            launch_arguments=arguments.items(),
        )

    assert words(include(who=['the ', WHO]), who='me') == ['x', 'the me', '2', str(tmp_path)]
    with pytest.raises(RuntimeError, match="requires the launch argument 'who'"):
        evaluate([include()])
    with pytest.raises(RuntimeError, match="'b' is '4', expected one of"):
        evaluate([include(who='x', b='4')])
    names = [one.name for one in LaunchDescription([include()]).get_launch_arguments()]
    assert names == ['who', 'b']


def test_required_argument():
    with pytest.raises(RuntimeError, match=r"'who'.*of the speaker"):
        evaluate([DeclareLaunchArgument('who', description='name of the speaker')])


def test_opaque_function_gives_actions():
    def made(context, word, *, number):
        return [ExecuteProcess(cmd=['x', word, str(number), WHO.perform(context)])]

    action = OpaqueFunction(function=made, args=['a'], kwargs={'number': 3})
    assert words(action, who='me') == ['x', 'a', '3', 'me']


def test_program_of_a_package_is_found_as_ros2_lays_it_out(tmp_path, monkeypatch):
    program = tmp_path / 'lib' / 'some_package' / 'some_node'
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\n')
    program.chmod(0o755)
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'/nowhere{os.pathsep}{tmp_path}')
    action = Node(package='some_package', executable='some_node')
    assert words(action) == [str(program), '--ros-args']


def test_program_of_a_python_package_is_its_script_or_module(tmp_path, monkeypatch):
    monkeypatch.delenv('AMENT_PREFIX_PATH', raising=False)  # a workspace that holds it, too
    action = Node(package='robot_face_gen', executable='reaction_node')
    cmd = words(action)
    assert cmd[:-1] in (
        [os.path.join(os.path.dirname(sys.executable), 'reaction_node')],
        [sys.executable, '-m', 'robot_face_gen.nodes.reaction_node'],
    )
    monkeypatch.setattr(sys, 'executable', str(tmp_path / 'python'))  # no scripts beside it
    action = Node(package='robot_face_gen', executable='reaction_node')
    assert words(action)[:-1] == [
        str(tmp_path / 'python'),
        '-m',
        'robot_face_gen.nodes.reaction_node',
    ]


@pytest.mark.parametrize('package, name', [('robot_face_gen', 'raection_node'), ('nix', 'x')])
def test_unknown_program_is_named(package, name):
    with pytest.raises(SubstitutionFailure, match=f"'{name}' not found in package '{package}'"):
        evaluate([Node(package=package, executable=name)])


@pytest.mark.parametrize(
    'module, name', [('launch.substitutions', 'AnonName'), ('launch_ros.actions', 'LifecycleNode')]
)
def test_what_is_not_here_is_named(module, name):
    with pytest.raises(ImportError, match=name):
        exec(f'from {module} import {name}')
    with pytest.raises(AttributeError, match=f'{module}.{name} is not in the part of {module}'):
        getattr(__import__(module, fromlist=['x']), name)


@pytest.mark.parametrize(
    'make',
    [
        lambda: Node(executable='x', parameters={'a': 1}),
        lambda: Node(executable='x', parameters=[{'a': object()}]),
        lambda: Node(executable='x', remappings=['ab']),
        lambda: Node(executable='x', node_name='old'),
        lambda: ExecuteProcess(cmd=[5]),
        lambda: OpaqueFunction(function=5),
        lambda: DeclareLaunchArgument('a', default_value='x', choices=['y']),
    ],
)
def test_wrong_use_is_refused_where_it_is_written(make):
    with pytest.raises((TypeError, RuntimeError)):
        make()
