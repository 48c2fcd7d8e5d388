# SPDX-License-Identifier: Apache-2.0
"""The programs of the nodes: what runs before rclpy and the node itself are imported."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def end_quietly(*_: object) -> None:
    """End without a traceback: Ctrl-C while the program still imports, which takes a second."""
    os._exit(0)


def start(name: str, args: Sequence[str] | None = None) -> int:
    """Import and run a node, one of `graph.NODES`; returns the exit code.

    The command line has `--ros-args`; None is this process's.
    """
    # `run` sets its own handler once the imports are done.
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, end_quietly)
    try:
        return _start(name, args)
    finally:
        if args is not None:  # the process goes on after this call
            signal.signal(signal.SIGINT, before)


def _start(name: str, args: Sequence[str] | None) -> int:
    if hasattr(signal, 'pthread_sigmask'):  # `bringup` has blocked it until here
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # Several processes share few cores: idle OpenMP threads must sleep, not spin.
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    from robot_face_gen.tools.ros import require_ros, use_writable_log_folder

    use_writable_log_folder()
    try:
        require_ros()
    except ImportError as error:
        print(f'{name}: error: {error}', file=sys.stderr)
        return 1
    make_node, table = importlib.import_module(f'robot_face_gen.nodes.{name}').PROGRAM
    from .run import run

    return run(make_node, args, table=table)


def run_node(name: str, parameters: Mapping[str, object], remappings: Mapping[str, str]) -> int:
    """Run one of `graph.NODES` in this process, as its program does; returns the exit code.

    The remappings are names of topics, `__ns` or `__node`, and what replaces them.
    """
    from robot_face_gen.tools.ros import child_environment

    os.environ.update(child_environment())
    # JSON is YAML with every string quoted: ROS' YAML 1.1 reads a plain y as true.
    words = [f'{key}:={json.dumps(value)}' for key, value in parameters.items()]
    arguments = [word for pair in words for word in ('-p', pair)]
    for before, after in remappings.items():
        arguments += ['-r', f'{before}:={after}']
    return start(name, ['--ros-args', *arguments])


def main() -> int:
    """Start the node that this program is named after."""
    return start(Path(sys.argv[0]).stem)
