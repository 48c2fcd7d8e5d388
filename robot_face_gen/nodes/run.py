# SPDX-License-Identifier: Apache-2.0
"""The common `main` of the nodes."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor

from robot_face_gen.files import error_text

from .base_node import BaseNode
from .parameter_table import ParameterTable
from .program import end_quietly
from .usage import read_command_line

LOOK_S = 0.2  # longest delay until an exit requested by a worker is noticed


def run(
    make_node: Callable[[], BaseNode],
    args: Sequence[str] | None = None,
    *,
    table: ParameterTable,
) -> int:
    """Make a node and spin it until Ctrl-C, a shutdown or its own end.

    Args:
        make_node: makes the node; its exceptions are printed in one line.
        args: command line with `--ros-args`; None is this process's.
        table: of the node, for `--help`.

    Returns:
        int: exit code: 0, or 1 where the node could not start or a worker of its failed.

    Raises:
        SystemExit: after `--help` (0), or at an argument that is none (2).
    """
    try:
        hear_ctrl_c()
        read_command_line(table, sys.argv[1:] if args is None else list(args))
        return _run(make_node, args)
    except KeyboardInterrupt:
        # A second Ctrl-C before the first one was handled: the node is ending anyway.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        rclpy.try_shutdown()
        return 0


def hear_ctrl_c() -> None:
    """Make Ctrl-C a KeyboardInterrupt again: `program.start` made it quiet during the imports."""
    if signal.getsignal(signal.SIGINT) is end_quietly:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _run(make_node: Callable[[], BaseNode], args: Sequence[str] | None) -> int:
    node: BaseNode | None = None
    code = 0
    try:
        try:
            rclpy.init(args=None if args is None else list(args))
        except (ValueError, RuntimeError) as error:
            return _refuse(error)
        try:
            node = make_node()
        except (ValueError, OSError, ImportError, RuntimeError) as error:
            # Without a context it was Ctrl-C that made something fail.
            return _refuse(error) if rclpy.ok() else 0
        code = _spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        # Terminal and launcher may both send SIGINT: the second must not interrupt the cleanup.
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
        if args is not None:  # the process goes on after this call
            signal.signal(signal.SIGINT, previous)
    # The end of a node can fail, too.
    return code or (node.exit_code if node is not None else None) or 0


def _refuse(error: Exception) -> int:
    text = error_text(error)
    hint = ' (set ROS_LOG_DIR to a folder that can be written)' if 'log directory' in text else ''
    print(f'error: {text}{hint}', file=sys.stderr)
    return 1


def make_executor() -> Executor:
    """A single-threaded executor of rclpy: the one driven by events where it exists.

    It takes half the CPU of SingleThreadedExecutor, which lists all services and events of the
    node at each wake-up. Humble has none.
    """
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()


def _spin(node: BaseNode) -> int:
    executor = make_executor()
    executor.add_node(node)
    try:
        while rclpy.ok() and node.exit_code is None:
            executor.spin_once(timeout_sec=LOOK_S)
    except RuntimeError:
        # Usually Ctrl-C: rclpy's signal thread shuts the context down a moment after an
        # executor or a message conversion has failed because of it.
        end = time.monotonic() + LOOK_S
        while rclpy.ok() and time.monotonic() < end:
            time.sleep(0.01)
        if rclpy.ok():
            raise
    return node.exit_code or 0
