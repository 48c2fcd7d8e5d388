# SPDX-License-Identifier: Apache-2.0
"""The launch files: what they use of launch (always), what launch makes of them (with ROS 2)."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from robot_face_gen.graph import GRAPHS, NODES, format_arguments
from robot_face_gen.resources import demo_recording
from robot_face_gen.tools.ros import child_environment

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / 'launch').glob('*.launch.py'))
DESCRIPTION = ROOT / 'robot_face_gen' / 'tools' / 'launch_description.py'
#: Names of launch and launch_ros that Humble has as well, and their arguments that are used.
API = {
    'LaunchContext': set(),
    'LaunchDescription': set(),
    'DeclareLaunchArgument': {'default_value', 'description'},
    'LogInfo': {'msg'},
    'OpaqueFunction': {'function'},
    'EnvironmentVariable': {'default_value'},
    'LaunchConfiguration': set(),
    'Node': {
        *('package', 'executable', 'name', 'namespace', 'parameters', 'arguments', 'output'),
        *('remappings', 'respawn', 'respawn_delay', 'additional_env'),
    },
}


def has_launch():
    spec = importlib.util.find_spec('launch')  # the folder of that name is not enough
    return spec is not None and spec.origin is not None


def test_there_is_a_launch_file_for_each_graph():
    assert [file.name.removesuffix('.launch.py') for file in FILES] == sorted(GRAPHS)
    lines = sum(len(file.read_text().splitlines()) for file in [*FILES, DESCRIPTION])
    assert lines < 120


@pytest.mark.parametrize('path', [*FILES, DESCRIPTION], ids=lambda path: path.name)
def test_only_names_that_humble_has_are_used(path):
    tree = ast.parse(path.read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.split('.')[0].startswith('launch')
        for alias in node.names
    }
    assert imported and imported <= API.keys()
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, 'id', '') in imported:
            used = {keyword.arg for keyword in call.keywords}
            assert used <= API[call.func.id], call.func.id


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_a_launch_file_returns_the_graph_of_its_name(path):
    tree = ast.parse(path.read_text())
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    assert function.name == 'generate_launch_description'
    name = path.name.removesuffix('.launch.py')
    assert ast.unparse(function.body[-1]) == f'return launch_description(GRAPHS[{name!r}]())'


def test_every_node_is_a_program_of_the_package():
    programs = {
        script.name
        for script in entry_points(group='console_scripts')
        if script.value == 'robot_face_gen.nodes.program:main'
    }
    assert programs == set(NODES)


# Real launch wants a process of its own: it changes logging and signal handlers.
EVALUATE = """
import asyncio, json, sys
from launch import LaunchContext, LaunchService
from launch.actions import ExecuteProcess, IncludeLaunchDescription, LogInfo
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.utilities import perform_substitutions
context = LaunchContext()
context._set_asyncio_loop(asyncio.new_event_loop())
found = {'nodes': [], 'messages': [], 'environments': []}
def visit(entity):
    if isinstance(entity, ExecuteProcess):
        entity._perform_substitutions(context)
        context.extend_locals({'ros_specific_arguments': {'name': 'NAME', 'ns': 'NS'}})
        words = [perform_substitutions(context, word) for word in entity.cmd]
        respawn = getattr(entity, '_ExecuteLocal__respawn')
        found['nodes'].append([entity.node_name, words, bool(respawn)])
        added = [
            [perform_substitutions(context, part) for part in pair]
            for pair in entity.additional_env
        ]
        found['environments'].append(dict(added))
    elif isinstance(entity, LogInfo):
        found['messages'].append(perform_substitutions(context, entity.msg))
    else:
        for inside in entity.visit(context) or []:
            visit(inside)
source = PythonLaunchDescriptionSource(sys.argv[1])
arguments = [tuple(word.split(':=', 1)) for word in sys.argv[2:]]
visit(IncludeLaunchDescription(source, launch_arguments=arguments))
print(json.dumps(found))
"""


def evaluate(path, **arguments):
    words = [f'{name}:={value}' for name, value in arguments.items()]
    told = subprocess.run(
        [sys.executable, '-c', EVALUATE, str(path), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout.splitlines()[-1])


@pytest.mark.skipif(not has_launch(), reason="ROS 2's launch is not installed")
def test_launch_starts_what_the_graph_declares(tmp_path):
    face, voice = map(str, demo_recording())
    (tmp_path / 'mine.yaml').write_text('reaction_nod:\n  ros__parameters: {hop: 2}\n')
    arguments = {
        'namespace': 'robot',
        'openface': face,
        'audio': voice,
        'start_time': '1700000000.5',
        'speed': '2',
        'exit_at_end': 'true',
        'use_respawn': 'true',
        'device': 'on',
        'view': 'true',
        'params_file': str(tmp_path / 'mine.yaml'),
    }
    found = evaluate(ROOT / 'launch' / 'bringup.launch.py', **arguments)
    expected = GRAPHS['bringup']().nodes(arguments)
    assert [name for name, _, _ in found['nodes']] == [node.full_name for node in expected]
    for (name, words, respawn), node in zip(found['nodes'], expected, strict=True):
        assert respawn == node.respawn
        files = [Path(file) for word, file in pairwise(words) if word == '--params-file']
        assert str(files[0]) == node.params_file
        parameters = yaml.safe_load(files[1].read_text())[name]['ros__parameters']
        files[1].unlink()
        assert parameters == node.parameters
        assert list(map(type, parameters.values())) == [
            type(node.parameters[name]) for name in parameters
        ]
        assert words[1:4] == ['--ros-args', '--log-level', 'info']
    (message,) = found['messages']
    assert "did you mean 'reaction_node'?" in message
    for node, added in zip(expected, found['environments'], strict=True):
        assert {**os.environ, **added} == child_environment(images=node.images)
    assert {node.images for node in expected} == {False, True}


@pytest.mark.skipif(not has_launch(), reason="ROS 2's launch is not installed")
@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_launch_lists_the_same_arguments(path):
    code = (
        'import sys\n'
        'from ros2launch.api.api import print_arguments_of_launch_file\n'
        'print_arguments_of_launch_file(launch_file_path=sys.argv[1])\n'
    )
    if importlib.util.find_spec('ros2launch') is None:
        pytest.skip("ROS 2's ros2launch is not installed")
    told = subprocess.run(
        [sys.executable, '-c', code, str(path)], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == format_arguments(GRAPHS[path.name.split('.')[0]]())
