# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen bringup`: the nodes of `robot_face_gen.graph` as supervised child processes.

For machines without `ros2 launch`: same arguments, same nodes, same log lines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from robot_face_gen.graph import GRAPHS, RESPAWN_DELAY_S, NodeSpec, format_arguments

from .bringup_process import BringupError, BringupProcess, start_bringup
from .process_group import ProcessGroup, get_logger
from .ros import child_environment, require_ros
from .supervisor import ProcessSettings

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
    settings = [_settings(node, number) for number, node in enumerate(nodes, 1)]
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


def _settings(node: NodeSpec, number: int) -> ProcessSettings:
    """The process of a node: this Python, whichever `python3` comes first in PATH."""
    own = (sys.executable, '-m', 'robot_face_gen.nodes', node.name)
    viewer = node.viewer
    remappings = [
        ('__node', node.name),
        ('__ns', f'/{node.namespace.lstrip("/")}'),
        *node.remappings,
    ]
    # A file, because `-p` does not override what `params_file` sets for a node by its name.
    parameters = {node.full_name: {'ros__parameters': dict(node.parameters)}}
    return ProcessSettings(
        name=f'{node.name}-{number}',
        cmd=[
            *((viewer.path(), *node.arguments) if viewer else own),
            *('--ros-args', '--log-level', node.log_level),
            *(word for before, after in remappings for word in ('-r', f'{before}:={after}')),
            *(() if viewer else ('--params-file', node.params_file)),
            *('--params-file', '/dev/stdin'),
        ],
        # JSON is YAML with every string quoted: ROS' YAML 1.1 reads a plain y as true.
        stdin=json.dumps(parameters, ensure_ascii=False).encode(),
        env=child_environment(images=node.images),
        blocks_sigint=viewer is None,  # `nodes.program.start` unblocks it
        respawn=node.respawn,
        respawn_delay_s=RESPAWN_DELAY_S,
    )
