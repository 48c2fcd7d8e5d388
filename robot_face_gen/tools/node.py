# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen node list`, and what it shares with `topic` and `param`."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .ros import child_environment, require_ros, use_writable_log_folder

POLL_S = 0.1
ANNOUNCED_S, QUIET_S = 3.5, 0.5  # Fast DDS announces nodes every 3 s; earlier ones may be lost


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    parser.add_argument('what', choices=['list'])


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    with connected() as node:
        discover(node)
        names = node_names(node)
        if not names:
            where = f'ROS_DOMAIN_ID {os.environ.get("ROS_DOMAIN_ID") or 0}'
            print(f'no nodes ({where})', file=sys.stderr)
        for name in names:
            print(name)


@contextmanager
def connected() -> Iterator[Any]:
    """A node that lists of nodes do not show; Ctrl-C ends the block without a traceback.

    KeyboardInterrupt where Ctrl-C or SIGTERM comes before the node is there.
    """
    require_ros()
    use_writable_log_folder()
    os.environ.update(child_environment())
    import rclpy
    from rclpy.executors import ExternalShutdownException

    rclpy.init(args=[])
    try:
        name = f'_robot_face_gen_{os.getpid()}'
        try:
            node = rclpy.create_node(name, start_parameter_services=False, enable_rosout=False)
        except Exception as error:
            if rclpy.ok():
                raise
            raise KeyboardInterrupt from error  # SIGTERM has ended the context
        try:
            yield node
        except (KeyboardInterrupt, ExternalShutdownException):
            print(file=sys.stderr)
    finally:
        rclpy.try_shutdown()


def spin(node: Any) -> None:
    """Handle events for POLL_S."""
    import rclpy

    end = time.monotonic() + POLL_S
    while (left_s := end - time.monotonic()) > 0.0:
        rclpy.spin_once(node, timeout_sec=left_s)


def wait_for(node: Any, find: Callable[[], Any], what: str, timeout_s: float) -> Any:
    """The first true value of `find`; TimeoutError if there is none in time."""
    begin, told = time.monotonic(), False
    while not (found := find()):
        waited_s = time.monotonic() - begin
        if waited_s > timeout_s:
            raise TimeoutError(f'no {what} within {timeout_s:g} s')
        if waited_s > 1.0 and not told:
            print(f'waiting for {what} ...', file=sys.stderr, flush=True)
            told = True
        spin(node)
    return found


def node_names(node: Any) -> list[str]:
    """Full names of the nodes found so far, without hidden ones (with a leading '_')."""
    found = node.get_node_names_and_namespaces()
    return sorted(f'{ns.rstrip("/")}/{name}' for name, ns in found if name[0] != '_')


def discover(node: Any) -> None:
    """Wait until all nodes have announced themselves and nothing new appears for QUIET_S."""
    known, end = None, time.monotonic() + ANNOUNCED_S
    while time.monotonic() < end:
        spin(node)
        found = node_names(node), node.get_topic_names_and_types()
        if found != known:
            known, end = found, max(end, time.monotonic() + QUIET_S)
