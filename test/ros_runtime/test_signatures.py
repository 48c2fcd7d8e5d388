"""The stand-in's names and signatures are those of rclpy's own sources."""

import ast
import importlib
import inspect
import sys
from pathlib import Path

import pytest

ORACLE = Path(sys.prefix) / 'oracle' / 'rclpy'

pytestmark = pytest.mark.skipif(
    not ORACLE.is_dir(), reason="no sources of rclpy's to compare with: make installs them"
)

MODULES = [
    'rclpy',
    *(f'rclpy.{path.stem}' for path in sorted(
        (Path(__file__).parents[2] / 'robot_face_gen/ros_runtime/site/rclpy').glob('[a-z]*.py'))),
]  # fmt: skip

#: Of classes that we offer, what rclpy has and we leave out, with the reason.
LEFT_OUT = {
    'QoSProfile.get_c_qos_profile': 'there is no C below',
    'Duration.get_c_duration': 'there is no C below',
    'QoSEventHandler.is_ready': 'the executor asks in another way',
    'QoSEventHandler.take_data': 'the executor asks in another way',
    'QoSEventHandler.execute': 'the executor asks in another way',
    'QoSEventHandler.get_num_entities': 'the executor asks in another way',
    'QoSEventHandler.add_to_wait_set': 'the executor asks in another way',
    'Executor.wait_for_ready_callbacks': "internal; returns rclpy's own handlers",
    'SignalHandlerGuardCondition': 'internal; signals wake executors in another way',
    'await_or_execute': 'internal; callbacks may be coroutines here too',
    'TimeoutObject': 'internal',
}
#: Modules of newer distributions, which the oracle (humble) does not have.
NEWER = {'rclpy.event_handler'}


def oracle_tree(module):
    parts = module.split('.')[1:]
    path = ORACLE.joinpath(*parts, '__init__.py') if not parts else ORACLE.joinpath(
        *parts[:-1], f'{parts[-1]}.py')  # fmt: skip
    return ast.parse(path.read_text()) if path.is_file() else None


def shape_of_source(arguments):
    """Positional names, the required ones, keyword-only ones with a default or not, * and **."""
    positional = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]]
    required = positional[: len(positional) - len(arguments.defaults)]
    keywords = {
        argument.arg: default is not None
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    }
    return positional, required, keywords, bool(arguments.vararg), bool(arguments.kwarg)


def shape_of_function(function):
    kinds = inspect.Parameter
    parameters = inspect.signature(function).parameters.values()
    positional = [p for p in parameters if p.kind in (
        kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]  # fmt: skip
    return (
        [p.name for p in positional],
        [p.name for p in positional if p.default is kinds.empty],
        {
            p.name: p.default is not kinds.empty
            for p in parameters
            if p.kind is kinds.KEYWORD_ONLY
        },
        any(p.kind is kinds.VAR_POSITIONAL for p in parameters),
        any(p.kind is kinds.VAR_KEYWORD for p in parameters),
    )


def raw(owner, name):
    found = inspect.getattr_static(owner, name)
    return found.__func__ if isinstance(found, (classmethod, staticmethod)) else found


def compare_class(ours, node, problems):
    for item in node.body:
        if isinstance(item, ast.Assign):
            for target in item.targets:
                if not target.id.startswith('_') and not hasattr(ours, target.id):
                    problems.append(f'{node.name}.{target.id} is missing')
        if isinstance(item, ast.ClassDef):
            compare_class(getattr(ours, item.name), item, problems)
        if not isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        name = f'{node.name}.{item.name}'
        public = not item.name.startswith('_') or item.name == '__init__'
        if not public or name in LEFT_OUT:
            continue
        decorators = {ast.unparse(decorator) for decorator in item.decorator_list}
        if not hasattr(ours, item.name):
            # What is set in __init__ is an attribute of the object alone.
            is_property = any(text.startswith(('property', item.name)) for text in decorators)
            if not is_property or f'self.{item.name}:' not in inspect.getsource(ours):
                problems.append(f'{name} is missing')
            continue
        found = raw(ours, item.name)
        if decorators & {'property'} or any('.setter' in text for text in decorators):
            if not isinstance(found, property) and not inspect.isdatadescriptor(found):
                problems.append(f'{name} must be a property')
            continue
        wanted, have = shape_of_source(item.args), shape_of_function(found)
        if wanted != have:
            problems.append(f'{name}{have} should be {wanted}')


@pytest.mark.parametrize('module', MODULES)
def test_module_has_the_names_and_signatures_of_rclpy(module):
    tree = oracle_tree(module)
    if tree is None:
        assert module in NEWER or module.split('.')[-1].startswith('_')
        return
    ours = importlib.import_module(module)
    problems, compared = [], 0
    for node in tree.body:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef)) or node.name.startswith('_'):
            continue
        compared += 1
        if node.name in LEFT_OUT:
            continue
        if not hasattr(ours, node.name):
            problems.append(f'{node.name} is missing')
        elif isinstance(node, ast.ClassDef):
            compare_class(getattr(ours, node.name), node, problems)
        else:
            wanted = shape_of_source(node.args)
            have = shape_of_function(getattr(ours, node.name))
            if wanted != have:
                problems.append(f'{node.name}{have} should be {wanted}')
    assert not problems, '\n'.join(problems)
    assert compared or module in ('rclpy.logging', 'rclpy.exceptions')


def test_exceptions_derive_from_the_same_bases():
    tree = oracle_tree('rclpy.exceptions')
    ours = importlib.import_module('rclpy.exceptions')
    bases = {
        node.name: [ast.unparse(base) for base in node.bases]
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    assert len(bases) > 10
    for name, wanted in bases.items():
        assert [base.__name__ for base in getattr(ours, name).__bases__] == wanted, name
