# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen topic`: list, show and time topics, for those who have no `ros2` command.

Only rclpy is used, so it sees the same whether ROS 2 is sourced or not; options and output are
those of `ros2 topic`.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .topic_listener import LOOK_S, Listener
from .topic_text import pick, rate, to_plain

if TYPE_CHECKING:
    from rclpy.executors import Executor
    from rclpy.node import Node

#: Endpoints of others are all known after this long, on one machine or a local network.
SPIN_TIME_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    commands = parser.add_subparsers(dest='topic_command', metavar='what', required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=f'{text[0].upper()}{text[1:]}.')

    listing = add('list', 'list the topics that there are')
    listing.add_argument('-t', '--show-types', action='store_true', help='with their types')
    info = add('info', 'show type, publishers and subscriptions of a topic')
    info.add_argument('-v', '--verbose', action='store_true', help='with nodes and QoS')
    for parser_of_one in (listing, info):
        parser_of_one.add_argument(
            '--spin-time',
            type=_seconds,
            default=SPIN_TIME_S,
            metavar='S',
            help='how long to look for others (default: %(default)s)',
        )
    echo = add('echo', 'show the messages of a topic as YAML')
    echo.add_argument('-n', '--count', type=_count, help='end after so many messages')
    echo.add_argument('--once', dest='count', action='store_const', const=1, help='as -n 1')
    echo.add_argument('--no-arr', action='store_true', help='only the types of arrays')
    echo.add_argument('--flow-style', action='store_true', help='arrays on one line')
    echo.add_argument('--field', metavar='A.B', help='only this field of each message')
    echo.add_argument(
        '-l',
        '--truncate-length',
        type=_count,
        default=128,
        metavar='N',
        help='show so many values of an array (default: %(default)s)',
    )
    echo.add_argument('-f', '--full-length', action='store_true', help='show all values')
    hz = add('hz', 'measure how often messages come')
    hz.add_argument(
        '-w',
        '--window',
        type=_count,
        default=10000,
        metavar='N',
        help='messages that the figures are over (default: %(default)s)',
    )
    for parser_of_one in (info, echo, hz):
        parser_of_one.add_argument('topic', help="its name; '/' before it may be left out")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r}: expected a whole number above 0')
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r}: expected seconds')
    return seconds


def run(args: argparse.Namespace) -> int:
    """Carry the subcommand out.

    Returns:
        int: 0, also after Ctrl-C.

    Raises:
        ValueError: There is no such topic (info), it has several types, or no such field.
    """
    from .ros_runtime import activate

    activate()
    from rclpy.executors import ExternalShutdownException

    what: Callable[[Node, Executor, argparse.Namespace], None] = {
        'list': _list,
        'info': _info,
        'echo': _echo,
        'hz': _hz,
    }[args.topic_command]
    try:
        with _node() as (node, executor):
            what(node, executor, args)
    except (KeyboardInterrupt, ExternalShutdownException):
        print(file=sys.stderr)
    return 0


@contextmanager
def _node() -> Iterator[tuple[Node, Executor]]:
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node

    rclpy.init(args=[])
    node = None
    try:
        # A name that begins with '_' is hidden from lists of nodes.
        node = Node(
            f'_robot_face_gen_topic_{os.getpid()}',
            start_parameter_services=False,
            enable_rosout=False,
        )
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        yield node, executor
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def _spin_for(
    executor: Executor, seconds: float, between: Callable[[], None] | None = None
) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0.0:
        executor.spin_once(timeout_sec=min(left, LOOK_S) if between else left)
        if between:
            between()


def _list(node: Node, executor: Executor, args: argparse.Namespace) -> None:
    _spin_for(executor, args.spin_time)
    for name, types in sorted(node.get_topic_names_and_types()):
        print(f'{name} [{", ".join(types)}]' if args.show_types else name)


def _info(node: Node, executor: Executor, args: argparse.Namespace) -> None:
    name = absolute(args.topic)
    _spin_for(executor, args.spin_time)
    types = dict(node.get_topic_names_and_types()).get(name)
    if types is None:
        raise ValueError(f"unknown topic '{name}' ('robot-face-gen topic list' shows all)")
    print(f'Type: {types[0] if len(types) == 1 else types}')
    for word, endpoints in (
        ('Publisher', node.get_publishers_info_by_topic(name)),
        ('Subscription', node.get_subscriptions_info_by_topic(name)),
    ):
        print(f'\n{word} count: {len(endpoints)}')
        if args.verbose:
            for endpoint in endpoints:
                print(f'\n{endpoint}')


def _echo(node: Node, executor: Executor, args: argparse.Namespace) -> None:
    import yaml

    name, message_type = _wait_for_type(node, executor, args.topic)
    left = args.count or math.inf
    length = None if args.full_length else args.truncate_length
    failure: list[ValueError] = []

    def show(message: Any) -> None:
        nonlocal left
        if left <= 0 or failure:
            return
        try:
            value, kind = pick(message, args.field)
        except ValueError as error:
            failure.append(error)
            return
        plain = to_plain(value, kind, arrays=not args.no_arr, length=length)
        text = yaml.safe_dump(
            plain,
            sort_keys=False,
            default_flow_style=None if args.flow_style else False,
            width=math.inf,
            allow_unicode=True,
        )
        print(text.removesuffix('...\n') + '---', flush=True)
        left -= 1

    listener = Listener(node, message_type, name, show)
    while left > 0 and not failure:
        executor.spin_once(timeout_sec=LOOK_S)
        listener.adapt()
    if failure:
        raise failure[0]


def _hz(node: Node, executor: Executor, args: argparse.Namespace) -> None:
    name, message_type = _wait_for_type(node, executor, args.topic)
    times: deque[float] = deque(maxlen=args.window + 1)
    # As bytes: to make messages of them takes longer than to count them.
    listener = Listener(
        node, message_type, name, lambda _: times.append(time.monotonic()), raw=True
    )
    last = None
    while True:
        _spin_for(executor, 1.0, listener.adapt)
        if len(times) < 2:
            continue
        if times[-1] == last:
            print('no new messages', flush=True)
            continue
        last = times[-1]
        print(rate(list(times)), flush=True)


def absolute(topic: str) -> str:
    """A topic's name with the '/' that may be left out."""
    return topic if topic.startswith('/') else f'/{topic}'


def _wait_for_type(node: Node, executor: Executor, topic: str) -> tuple[str, Any]:
    """Name and message class of a topic, as soon as it is there."""
    name = absolute(topic)
    say_at: float | None = time.monotonic() + SPIN_TIME_S
    while True:
        types = dict(node.get_topic_names_and_types()).get(name, [])
        if len(types) > 1:
            raise ValueError(f"topic '{name}' has more than one type: {', '.join(types)}")
        if types:
            return name, message_class(types[0])
        if say_at is not None and time.monotonic() > say_at:
            print(f"waiting for topic '{name}' ...", file=sys.stderr, flush=True)
            say_at = None
        executor.spin_once(timeout_sec=LOOK_S)


def message_class(type_name: str) -> Any:
    """Class of a type such as 'std_msgs/msg/String'.

    Raises:
        ValueError: It is not installed.
    """
    package, _, name = type_name.partition('/msg/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError):
        raise ValueError(f"the message type '{type_name}' is not installed") from None
