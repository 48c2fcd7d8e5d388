# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen param list|get|set`, with the output of `ros2 param`."""

import argparse
import contextlib
import difflib
from typing import Any

from robot_face_gen.yaml_file import parse_yaml

from .node import connected, discover, node_names, wait_for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    commands = parser.add_subparsers(dest='what', metavar='what', required=True)
    listing = commands.add_parser('list', help='list the parameters of a node or of all nodes')
    get = commands.add_parser('get', help='show a parameter')
    put = commands.add_parser('set', help='set a parameter')
    for sub in (listing, get, put):
        optional = '?' if sub is listing else None
        sub.add_argument('node', nargs=optional, help="name of the node; '/' may be omitted")
        sub.add_argument(
            '--timeout',
            type=float,
            default=10.0,
            metavar='S',
            help='how long to wait for the node',
        )
    for sub in (get, put):
        sub.add_argument('name', help='name of the parameter')
    put.add_argument('value', help='as in a YAML file: 1 is an integer or a double, 1.0 a double')


def run(args: argparse.Namespace) -> int | None:
    """Run the subcommand; 1 if the node refused to set the parameter."""
    with connected() as node:
        if args.node is None:
            discover(node)
            for name in node_names(node):
                print(f'{name}:')
                _list(node, name, args)
            return None
        name = f'/{args.node.lstrip("/")}'
        wait_for(node, lambda: name in node_names(node), f"node '{name}'", args.timeout)
        return {'list': _list, 'get': _get, 'set': _set}[args.what](node, name, args)
    return 130


def _list(node: Any, name: str, args: argparse.Namespace) -> None:
    for parameter in sorted(_call(node, name, 'ListParameters', args).result.names):
        print(f'  {parameter}')


def _get(node: Any, name: str, args: argparse.Namespace) -> None:
    from rclpy.parameter import parameter_value_to_python

    value, kind = _current(node, name, args)
    word = kind.replace('BOOL', 'BOOLEAN').replace('_ARRAY', ' values').capitalize()
    verb = 'are' if word.endswith('values') else 'value is'
    print(f'{word} {verb}: {parameter_value_to_python(value)}')


def _current(node: Any, name: str, args: argparse.Namespace) -> tuple[Any, str]:
    """A parameter's value and the name of its type."""
    from rclpy.parameter import Parameter

    values = _call(node, name, 'GetParameters', args, names=[args.name]).values
    kind = Parameter.Type(values[0].type).name if values else 'NOT_SET'
    if kind == 'NOT_SET':
        raise _unknown(node, name, args)
    return values[0], kind


def _unknown(node: Any, name: str, args: argparse.Namespace) -> ValueError:
    known = _call(node, name, 'ListParameters', args).result.names
    near = difflib.get_close_matches(args.name, known, 1)
    hint = f"; did you mean '{near[0]}'?" if near else ', or it is not set'
    return ValueError(f"node '{name}' has no parameter '{args.name}'{hint}")


def _set(node: Any, name: str, args: argparse.Namespace) -> int:
    from rclpy.parameter import Parameter

    value = None
    with contextlib.suppress(ValueError):
        value = parse_yaml(args.value)
    if not isinstance(value, (bool, int, float, list)):
        value = args.value  # a string, as it was given
    if type(value) is int and _current(node, name, args)[1] == 'DOUBLE':
        value = float(value)
    parameters = [Parameter(args.name, value=value).to_parameter_msg()]
    result = _call(node, name, 'SetParameters', args, parameters=parameters).results[0]
    if 'undeclared' in result.reason:
        raise _unknown(node, name, args)
    done = 'Set parameter successful'
    print(done if result.successful else f'Setting parameter failed: {result.reason}')
    return 0 if result.successful else 1


def _call(node: Any, name: str, kind: str, args: argparse.Namespace, **request: Any) -> Any:
    from rcl_interfaces import srv

    service = f'{name}/{kind.replace("Par", "_par").lower()}'
    client = node.create_client(getattr(srv, kind), service)
    wait_for(node, client.service_is_ready, f"service '{service}'", args.timeout)
    future = client.call_async(getattr(srv, kind).Request(**request))
    wait_for(node, future.done, f"answer of '{service}'", args.timeout)
    return future.result()
