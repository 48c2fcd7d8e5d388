# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen topic list|echo|hz`, with the output of `ros2 topic`."""

import argparse
import importlib
import math
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import yaml

from .node import connected, discover, spin, wait_for

SILENT_S = 5.0  # without a message: `echo` and `hz` say so


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    commands = parser.add_subparsers(dest='what', metavar='what', required=True)
    listing = commands.add_parser('list', help='list the topics')
    listing.add_argument(
        '-t', '--show-types', action='store_true', help='show the type of each topic'
    )
    echo = commands.add_parser('echo', help='show the messages of a topic as YAML')
    echo.add_argument('-n', '--count', type=int, default=math.inf, help='end after N messages')
    echo.add_argument(
        '--once', dest='count', action='store_const', const=1, help='end after one message'
    )
    hz = commands.add_parser('hz', help='measure the rate of a topic')
    hz.add_argument('-w', '--window', type=int, default=10000, help='messages to average over')
    for sub in (echo, hz):
        sub.add_argument('topic', help="name of the topic; '/' may be omitted")
        sub.add_argument(
            '--timeout',
            type=float,
            default=math.inf,
            metavar='S',
            help='how long to wait for the topic',
        )


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    with connected() as node:
        {'list': _list, 'echo': _echo, 'hz': _hz}[args.what](node, args)


def _list(node: Any, args: argparse.Namespace) -> None:
    discover(node)
    for name, types in sorted(node.get_topic_names_and_types()):
        print(f'{name} [{", ".join(types)}]' if args.show_types else name)


def _echo(node: Any, args: argparse.Namespace) -> None:
    left = args.count
    options: dict[str, Any] = {'sort_keys': False, 'allow_unicode': True, 'width': math.inf}
    for received in _listen(node, args):
        for _, message in received:
            text = yaml.safe_dump(to_plain(message), default_flow_style=None, **options)
            print(f'{text}---', flush=True)
            left -= 1
            if left <= 0:
                return


def _hz(node: Any, args: argparse.Namespace) -> None:
    times: deque[float] = deque(maxlen=args.window + 1)
    printed = 0.0
    for received in _listen(node, args, raw=True):  # deserialising takes longer than counting
        times.extend(time_s for time_s, _ in received)
        if len(times) > 1 and times[-1] >= (printed or times[0]) + 1.0:
            print(rate(list(times)), flush=True)
            printed = times[-1]


def _listen(node: Any, args: argparse.Namespace, raw: bool = False) -> Iterator[list]:
    """Times (monotonic, s) and messages of each POLL_S; the QoS is adapted to the publishers."""
    name = f'/{args.topic.lstrip("/")}'
    topics = node.get_topic_names_and_types
    types = wait_for(node, lambda: dict(topics()).get(name), f"topic '{name}'", args.timeout)
    if len(types) > 1:
        raise ValueError(f"topic '{name}' has several types: {', '.join(types)}")
    kind, received = message_class(types[0]), []
    current = subscription = None
    heard, told = time.monotonic(), False
    while True:
        publishers = node.get_publishers_info_by_topic(name)
        profile = weakest_qos([one.qos_profile for one in publishers])
        if profile != current:
            if subscription is not None:
                node.destroy_subscription(subscription)
            subscription = node.create_subscription(
                kind, name, lambda it: received.append((time.monotonic(), it)), profile, raw=raw
            )
            current = profile
        spin(node)
        if received:
            heard, told = time.monotonic(), False
        elif not told and time.monotonic() > heard + SILENT_S:
            count = f'{len(publishers)} publisher{"" if len(publishers) == 1 else "s"}'
            print(f"'{name}': no message for {SILENT_S:g} s from {count}", file=sys.stderr)
            told = True
        yield received
        received.clear()


def weakest_qos(profiles: Sequence[Any], depth: int = 100) -> Any:
    """The policies that all profiles offer; profiles are those of rclpy, or of rosbags."""
    from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

    weakest = QoSProfile(depth=depth)
    if any(one.reliability.name in ('BEST_EFFORT', 'UNKNOWN') for one in profiles):
        weakest.reliability = ReliabilityPolicy.BEST_EFFORT
    if profiles and all(one.durability.name == 'TRANSIENT_LOCAL' for one in profiles):
        weakest.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return weakest


def message_class(type_name: str) -> Any:
    """Class of a message type such as 'std_msgs/msg/String'; ValueError if not installed."""
    package, _, name = type_name.partition('/msg/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError):
        raise ValueError(f"the message type '{type_name}' is not installed") from None


def rate(times: list[float]) -> str:
    """Rate of messages received at these times (s, at least two)."""
    gaps = np.diff(times)
    return (
        f'average rate: {1.0 / gaps.mean() if gaps.any() else math.inf:.3f}\n\tmin: '
        f'{gaps.min():.3f}s max: {gaps.max():.3f}s std dev: {gaps.std():.5f}s window: {len(gaps)}'
    )


def to_plain(value: Any, kind: str = '') -> Any:
    """A message, or a field of type `kind`, for YAML; floats are as short as `kind` permits."""
    if hasattr(value, 'get_fields_and_field_types'):
        fields = value.get_fields_and_field_types().items()
        return {name: to_plain(getattr(value, name), field) for name, field in fields}
    if isinstance(value, float):
        return float(str(np.float32(value))) if kind == 'float' else value
    if isinstance(value, (str, bool, int)) or kind == 'octet':
        return value[0] if isinstance(value, bytes) else value
    item = kind.removeprefix('sequence<').split('[')[0].split(',')[0].rstrip('>')
    values = value.tolist() if hasattr(value, 'tolist') else value
    return [to_plain(one, item) for one in values]
