# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen bringup`: the nodes of `robot_face_gen.graph` as supervised child processes.

For machines without `ros2 launch`: same arguments, same nodes, same log lines.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from robot_face_gen.graph import (
    GRAPHS,
    RESPAWN_DELAY_S,
    NodeSpec,
    format_arguments,
    misspelt_nodes,
)

from .bringup_process import BringupError, BringupProcess, start_bringup
from .ros import child_environment, require_ros
from .supervisor import ENDED_BY_REQUEST, ProcessSettings, Supervisor

__all__ = ['BringupError', 'BringupProcess', 'add_arguments', 'run', 'start_bringup']

_EPILOG = """\
examples:
  robot-face-gen bringup --show-args
  robot-face-gen bringup openface:=face.csv audio:=voice.wav
  robot-face-gen bringup openface:=follow:/tmp/face.csv audio:=microphone namespace:=robot1
  robot-face-gen bringup --graph reaction_server namespaces:=robot1,robot2

Ctrl-C ends all nodes; each further Ctrl-C sends them the next stronger signal at once (SIGTERM,
SIGKILL). The exit code is 0 if all nodes ended as asked, 1 if one died, 2 if an argument is
invalid. Your own launch files need ROS 2: ros2 launch FILE.
"""
_END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument('arguments', nargs='*', metavar='name:=value', help='launch arguments')
    parser.add_argument(
        '-s', '--show-args', action='store_true', help='list the launch arguments and exit'
    )
    parser.add_argument(
        '--graph',
        choices=sorted(GRAPHS),
        default='bringup',
        help='; '.join(f'{name}: {make().description}' for name, make in GRAPHS.items())
        + ' (default: %(default)s)',
    )
    parser.add_argument('--control-fd', type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run the nodes until all have exited.

    Returns:
        int: 0 if all ended as asked, 1 if one died.

    Raises:
        ValueError: An argument is unknown, malformed or invalid.
        RosMissingError: ROS 2 or the messages are not installed.
    """
    graph = GRAPHS[args.graph]()
    if args.show_args:
        print(format_arguments(graph))
        return 0
    nodes = graph.nodes(parse_arguments(args.arguments))
    require_ros()
    for warning in misspelt_nodes(nodes[0].params_file):
        get_logger('launch').warning(warning)
    with _parameter_files(nodes) as files:
        settings = [
            _settings(node, number, files[node.name]) for number, node in enumerate(nodes, 1)
        ]
        return asyncio.run(ProcessGroup(settings, args.control_fd).run())


def parse_arguments(words: Sequence[str]) -> dict[str, str]:
    """Names and values of `name:=value` words; if a name is repeated, the last one counts.

    Raises:
        ValueError: A word has another form.
    """
    found = {}
    for word in words:
        name, assigned, value = word.partition(':=')
        if not assigned or not name:
            raise ValueError(f"argument '{word}': expected name:=value")
        found[name] = value
    return found


@contextlib.contextmanager
def _parameter_files(nodes: Sequence[NodeSpec]) -> Iterator[dict[str, Path]]:
    """A parameter file for each node's own parameters, as launch_ros writes them."""
    with tempfile.TemporaryDirectory(prefix='robot_face_gen_params_') as folder:
        files = {}
        for node in nodes:
            files[node.name] = Path(folder) / f'{node.name}.yaml'
            tree = {node.full_name: {'ros__parameters': dict(node.parameters)}}
            # JSON is YAML with every string quoted: ROS' YAML 1.1 reads a plain y as true.
            files[node.name].write_text(json.dumps(tree, ensure_ascii=False), encoding='utf-8')
        yield files


def _settings(node: NodeSpec, number: int, file: Path) -> ProcessSettings:
    """The process of a node: this Python, whichever `python3` comes first in PATH."""
    return ProcessSettings(
        name=f'{node.name}-{number}',
        cmd=[
            *(sys.executable, '-m', 'robot_face_gen.nodes', node.name),
            *('--ros-args', '--log-level', node.log_level),
            *('-r', f'__node:={node.name}', '-r', f'__ns:=/{node.namespace.lstrip("/")}'),
            *('--params-file', node.params_file, '--params-file', str(file)),
        ],
        env=child_environment(),
        respawn=node.respawn,
        respawn_delay_s=RESPAWN_DELAY_S,
    )


class _Screen(logging.Handler):
    """Writes to standard output; a reader that has gone away must not end the nodes."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(self.format(record) + '\n')
            sys.stdout.flush()


def get_logger(name: str) -> logging.Logger:
    """A logger that writes `[LEVEL] [name]: text`, as launch does."""
    logger = logging.getLogger(f'{__name__}.{name}')
    if not logger.handlers:
        handler = _Screen()
        handler.setFormatter(logging.Formatter(f'[%(levelname)s] [{name}]: %(message)s'))
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.INFO)
    return logger


class ProcessGroup:
    """Processes that are started and ended together.

    Args:
        processes: What to run.
        control_fd: A socket to the program that started us; None: no such program. One JSON
            object per line is written to it: `event` (started, exited), `name`, `pid` or `code`.
            Any input, and its end, ends all processes.
    """

    def __init__(
        self, processes: Sequence[ProcessSettings], control_fd: int | None = None
    ) -> None:
        self._processes = processes
        self._control: socket.socket | None = None
        if control_fd is not None:
            os.set_inheritable(control_fd, False)
            self._control = socket.socket(fileno=control_fd)
        self._log = get_logger('launch')
        self._supervisors: list[Supervisor] = []
        self._ended_well: dict[str, bool] = {}
        self._stopping = False

    async def run(self) -> int:
        """Run until all processes have exited.

        Returns:
            int: 0 if the last exit of each was as asked, else 1.
        """
        loop = asyncio.get_running_loop()
        self._supervisors = [self._supervisor(settings) for settings in self._processes]
        for number in _END_SIGNALS:
            # `nohup` has SIGHUP ignored, and that is meant.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                loop.add_signal_handler(number, self._on_signal, number)
        if self._control is not None:
            loop.add_reader(self._control.fileno(), self._on_control)
        await asyncio.gather(*(supervisor.run() for supervisor in self._supervisors))
        return 0 if all(self._ended_well.values()) else 1

    def _supervisor(self, settings: ProcessSettings) -> Supervisor:
        screen = _Screen()
        name = settings.name.rpartition('-')[0]

        def on_line(_: str, line: str) -> None:
            screen.emit(logging.makeLogRecord({'msg': f'[{settings.name}] {line}'}))

        return Supervisor(
            settings,
            on_line,
            on_started=lambda pid: self._tell(event='started', name=name, pid=pid),
            on_exited=partial(self._on_exited, name),
            log=get_logger(settings.name),
        )

    def _on_exited(self, name: str, code: int) -> None:
        self._ended_well[name] = code in ENDED_BY_REQUEST if self._stopping else code == 0
        self._tell(event='exited', name=name, code=code)

    def _on_signal(self, number: signal.Signals) -> None:
        what = 'ctrl-c (SIGINT)' if number == signal.SIGINT else number.name
        if not self._stopping:
            self._log.warning(f'user interrupted with {what}')
            self._stop()
            return
        self._log.warning(f'user interrupted with {what} again: ending processes at once')
        for supervisor in self._supervisors:
            supervisor.hurry()

    def _on_control(self) -> None:
        assert self._control is not None
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._stop()

    def _stop(self) -> None:
        self._stopping = True
        for supervisor in self._supervisors:
            supervisor.stop()

    def _tell(self, **event: Any) -> None:
        if self._control is not None:
            with contextlib.suppress(OSError):  # the other side is gone, and that ends us too
                self._control.sendall(json.dumps(event).encode() + b'\n')
