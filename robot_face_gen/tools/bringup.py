# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen bringup`: the nodes of `robot_face_gen.graph` as supervised child processes.

For machines without `ros2 launch`: same arguments, same nodes, same log lines.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from robot_face_gen.graph import (
    GRAPHS,
    RESPAWN_DELAY_S,
    NodeSpec,
    format_arguments,
)

from .bringup_process import BringupError, BringupProcess, start_bringup
from .process_group import ProcessGroup, get_logger
from .ros import child_environment, require_ros
from .shared_memory import if_abandoned
from .supervisor import ProcessSettings

__all__ = ['BringupError', 'BringupProcess', 'add_arguments', 'run', 'start_bringup']

_PARAMETERS = 'robot_face_gen_params_'  # prefix of a folder
_LOCK = 'lock'  # a running bringup holds a lock on it

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
    """Run the nodes until all have exited; returns 0 if all ended as asked, 1 if one died.

    Raises:
        ValueError: An argument is unknown, malformed or invalid.
        RosMissingError: ROS 2 or the messages are not installed.
    """
    graph = GRAPHS[args.graph]()
    if args.show_args:
        print(format_arguments(graph))
        return 0
    given = parse_arguments(args.arguments)
    nodes = graph.nodes(given)
    require_ros()
    for warning in graph.remarks(given):
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
    remove_stale_parameters(Path(tempfile.gettempdir()))
    with (
        tempfile.TemporaryDirectory(prefix=_PARAMETERS) as folder,
        (Path(folder) / _LOCK).open('w') as lock,
    ):
        if sys.platform == 'linux':
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        files = {}
        for node in nodes:
            files[node.name] = Path(folder) / f'{node.name}.yaml'
            tree = {node.full_name: {'ros__parameters': dict(node.parameters)}}
            # JSON is YAML with every string quoted: ROS' YAML 1.1 reads a plain y as true.
            files[node.name].write_text(json.dumps(tree, ensure_ascii=False), encoding='utf-8')
        yield files


def remove_stale_parameters(folder: Path) -> None:
    """Remove parameter files that a killed bringup of this user left behind."""
    if sys.platform != 'linux':
        return
    for lock in folder.glob(f'{_PARAMETERS}*/{_LOCK}'):
        with contextlib.suppress(OSError):
            if lock.stat().st_uid != os.getuid():
                continue
        with if_abandoned(lock) as is_abandoned:
            if is_abandoned:
                shutil.rmtree(lock.parent, ignore_errors=True)


def _settings(node: NodeSpec, number: int, file: Path) -> ProcessSettings:
    """The process of a node: this Python, whichever `python3` comes first in PATH."""
    own = (sys.executable, '-m', 'robot_face_gen.nodes', node.name)
    viewer = node.viewer
    remappings = [
        ('__node', node.name),
        ('__ns', f'/{node.namespace.lstrip("/")}'),
        *node.remappings,
    ]
    return ProcessSettings(
        name=f'{node.name}-{number}',
        cmd=[
            *((viewer.path(), *node.arguments) if viewer else own),
            *('--ros-args', '--log-level', node.log_level),
            *(word for before, after in remappings for word in ('-r', f'{before}:={after}')),
            *(() if viewer else ('--params-file', node.params_file)),
            *('--params-file', str(file)),
        ],
        env=child_environment(),
        blocks_sigint=viewer is None,  # `nodes.program.start` unblocks it
        respawn=node.respawn,
        respawn_delay_s=RESPAWN_DELAY_S,
    )
