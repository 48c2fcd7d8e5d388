# SPDX-License-Identifier: Apache-2.0
"""The common `main` of the nodes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from robot_face_gen.files import error_text

from .base_node import BaseNode
from .parameter_table import ParameterTable
from .usage import read_command_line

LOOK_S = 0.2  # longest delay until a signal, or an exit requested by a worker, is noticed


def run(
    make_node: Callable[[], BaseNode], args: Sequence[str] | None = None, *, table: ParameterTable
) -> int:
    """Make a node and spin it until Ctrl-C, a shutdown or its own end.

    An exception of `make_node` is printed in one line. The command line has `--ros-args`; None is
    this process's. The table is for `--help`.

    Returns:
        int: exit code: 0, or 1 where the node could not start or a worker of its failed.

    Raises:
        SystemExit: after `--help` (0), or at an argument that is none (2).
    """
    signals = EndSignals()
    try:
        read_command_line(table, sys.argv[1:] if args is None else list(args))
        return _run(make_node, args, signals)
    except KeyboardInterrupt:
        # A second Ctrl-C before the first one was handled: the node is ending anyway.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        rclpy.try_shutdown()
        return 0
    finally:
        if args is not None:  # the process goes on after this call
            signals.restore()


class EndSignals:
    """Ctrl-C and SIGTERM: KeyboardInterrupt while a node is made; they end the loop that spins it.

    An exception that leaves a callback is a fatal error of the EventsExecutor. So is what happens
    with rclpy's own handlers: they make the context invalid while a callback publishes.
    """

    def __init__(self) -> None:
        self.spinning = self.came = False
        handled = signal.SIGINT, signal.SIGTERM
        self._previous = {number: signal.signal(number, self._handle) for number in handled}

    def _handle(self, *_: object) -> None:
        self.came = True
        if not self.spinning:
            raise KeyboardInterrupt

    def restore(self) -> None:
        """Set the handlers of before again."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def _run(
    make_node: Callable[[], BaseNode], args: Sequence[str] | None, signals: EndSignals
) -> int:
    node: BaseNode | None = None
    try:
        try:
            rclpy.init(
                args=None if args is None else list(args),
                signal_handler_options=SignalHandlerOptions.NO,
            )
        except (ValueError, RuntimeError) as error:
            return _refuse(error)
        try:
            node = make_node()
        except (ValueError, OSError, ImportError, RuntimeError) as error:
            # After Ctrl-C: rclpy turns an exception in a conversion into an error of its own.
            return 0 if signals.came else _refuse(error)
        executor = make_executor()
        executor.add_node(node)
        signals.spinning = True
        while rclpy.ok() and node.exit_code is None and not signals.came:
            executor.spin_once(timeout_sec=LOOK_S)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        # Terminal and launcher may both send SIGINT: the second must not interrupt the cleanup.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    # The end of a node can fail, too.
    return (node.exit_code if node is not None else None) or 0


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
