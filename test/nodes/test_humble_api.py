# SPDX-License-Identifier: Apache-2.0
"""The code uses only what rclpy has in Humble too: names and keywords, compared statically."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import robot_face_gen

LINES = Path(__file__).with_name('humble_rclpy.txt').read_text(encoding='utf-8').splitlines()
#: 'rclpy.node.Node.create_timer' -> names of its parameters
HUMBLE = {
    name: {word for word in inside.split(', ') if word}
    for name, inside in (
        re.fullmatch(r'(.+)\((.*)\)', line).groups() for line in LINES if line[0] != '#'
    )
}
CLASSES = (
    ('rclpy.node', 'Node'),
    ('rclpy.executors', 'SingleThreadedExecutor'),
    ('rclpy.context', 'Context'),
    ('rclpy.publisher', 'Publisher'),
    ('rclpy.subscription', 'Subscription'),
    ('rclpy.client', 'Client'),
    ('rclpy.task', 'Future'),
    ('rclpy.time', 'Time'),
)
SOURCES = [
    path
    for path in sorted(Path(robot_face_gen.__file__).parent.rglob('*.py'))
    if 'rclpy' in path.read_text(encoding='utf-8')
]


def optional(tree):
    """Nodes inside `if TYPE_CHECKING` or a `try` that handles an ImportError."""
    inside = set()
    for node in ast.walk(tree):
        guarded = isinstance(node, ast.If) and ast.unparse(node.test) == 'TYPE_CHECKING'
        if isinstance(node, ast.Try):
            caught = {ast.unparse(h.type) for h in node.handlers if h.type is not None}
            guarded = 'ImportError' in caught
        if guarded:
            inside.update(ast.walk(node))
    return inside


def known(name):
    return name in HUMBLE or any(other.startswith(f'{name}.') for other in HUMBLE)


def keywords_of(method):
    found = [words for name, words in HUMBLE.items() if name.rpartition('.')[2] == method]
    return set().union(*found) if found else None


def newer_methods():
    """Public methods of the installed rclpy that Humble has in no class."""
    newer = set()
    for module, name in CLASSES:
        found = getattr(importlib.import_module(module), name)
        newer.update(key for key, _ in inspect.getmembers(found) if not key.startswith('_'))
    return {name for name in newer if keywords_of(name) is None}


def problems(source, newer):
    tree = ast.parse(source)
    skipped = optional(tree)
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'rclpy':
            for alias in node.names:
                if not known(f'{node.module}.{alias.name}'):
                    yield f'line {node.lineno}: {node.module}.{alias.name}'
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            method = node.func.attr
            if method in newer:
                yield f'line {node.lineno}: {method}()'
            words = keywords_of(method) if method.startswith(('create_', 'declare_')) else None
            if words is not None and '**' not in words:
                for given in node.keywords:
                    if given.arg not in (None, *words):
                        yield f'line {node.lineno}: {method}({given.arg}=)'


def test_the_list_is_there():
    assert len(HUMBLE) > 200 and 'qos_profile' in HUMBLE['rclpy.node.Node.create_publisher']
    assert len(SOURCES) > 5


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: path.stem)
def test_only_names_and_keywords_of_humble(path):
    pytest.importorskip('rclpy')
    assert list(problems(path.read_text(encoding='utf-8'), newer_methods())) == []


@pytest.mark.parametrize(
    'source',
    [
        'from rclpy.event_handler import PublisherEventCallbacks',
        'node.create_timer(1.0, callback, autostart=False)',
        'node.wait_for_node("/other", 1.0)',
    ],
)
def test_newer_api_is_found(source):
    pytest.importorskip('rclpy')
    assert list(problems(source, newer_methods()))
