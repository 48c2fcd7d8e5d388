"""The common `main` of the nodes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from .base_node import BaseNode

LOOK_S = 0.2  # how soon an end that a worker thread asks for is seen


def run(make_node: Callable[[], BaseNode], args: Sequence[str] | None = None) -> int:
    """Make a node and spin it until Ctrl-C, a shutdown or its own end.

    Args:
        make_node: makes it; a ValueError, OSError or ImportError of its is told in one line.
        args: command line with `--ros-args`; None is this process's.

    Returns:
        int: exit code: 0, or 1 where the node could not start or a worker of its failed.
    """
    node = None
    try:
        rclpy.init(args=None if args is None else list(args))
        try:
            node = make_node()
        except (ValueError, OSError, ImportError, RuntimeError) as error:
            if not rclpy.ok():  # Ctrl-C while it was being made
                return 0
            print(f'error: {" ".join(str(error).split())}', file=sys.stderr)
            return 1
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while rclpy.ok() and node.exit_code is None:
            executor.spin_once(timeout_sec=LOOK_S)
        return node.exit_code or 0
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
