# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen bringup`: runs launch/bringup.launch.py, with ROS 2's own launch if it is there.

Nothing about the graph is said here: nodes and arguments are those of the launch file.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .bringup_process import BringupError, BringupProcess, start_bringup

if TYPE_CHECKING:
    from launch import LaunchDescription  # type: ignore[attr-defined]

__all__ = ['BringupError', 'BringupProcess', 'add_arguments', 'run', 'start_bringup']

BRINGUP = 'bringup.launch.py'

#: Configurations that launch itself knows in every launch file.
GENERAL_ARGUMENTS = ('emulate_tty', 'launch-prefix', 'sigkill_timeout', 'sigterm_timeout')

_EPILOG = """\
examples:
  robot-face-gen bringup --show-args
  robot-face-gen bringup openface:=face.csv audio:=voice.wav
  robot-face-gen bringup openface:=follow:/tmp/face.csv audio:=microphone namespace:=robot1

Ctrl-C ends all nodes; pressed again, it ends them at once. The exit code is 0 if all nodes ended
as asked, 1 if one died, 2 if the launch file could not be carried out.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument(
        'arguments',
        nargs='*',
        metavar='name:=value',
        help='an argument of the launch file',
    )
    parser.add_argument(
        '-s',
        '--show-args',
        action='store_true',
        help="list the launch file's arguments with their defaults and end",
    )
    parser.add_argument(
        '--launch-file',
        type=Path,
        metavar='FILE',
        default=Path(BRINGUP),
        help='another launch file (Python): a path, or the name of one of this package, such as '
        f'reaction_server.launch.py (default: {BRINGUP})',
    )
    parser.add_argument('--control-fd', type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run the launch file until all its processes have ended.

    Returns:
        int: 0 if all ended as asked, 1 if one died, 2 if the launch file could not be carried out.

    Raises:
        ValueError: An argument is unknown or malformed, or the launch file is no launch file.
        OSError: The launch file is not there.
    """
    from .ros_runtime import activate

    activate()
    path = find_launch_file(args.launch_file)
    given = parse_arguments(args.arguments)
    description = load(path)
    if args.show_args:
        print(show_arguments(description))
        return 0
    check_names(given, description)
    return _launch(path, given, args.control_fd)


def find_launch_file(wanted: Path) -> Path:
    """A launch file where it is said to be, or in the installed share folder or the source tree.

    Raises:
        FileNotFoundError: It is nowhere.
    """
    from .ros_runtime.programs import package_share

    if wanted.is_file() or wanted.parent != Path():
        return wanted
    try:
        path = package_share('robot_face_gen') / 'launch' / wanted
    except LookupError as error:
        raise FileNotFoundError(f'{wanted}: {error.args[0]}') from None
    if not path.is_file():
        raise FileNotFoundError(f'{path}: there is no such file')
    return path


def parse_arguments(words: Sequence[str]) -> dict[str, str]:
    """Names and values of `name:=value` words; of equal names the last.

    Raises:
        ValueError: A word is not of this form.
    """
    found = {}
    for word in words:
        name, assigned, value = word.partition(':=')
        if not assigned or not name:
            raise ValueError(f"argument '{word}': expected name:=value")
        found[name] = value
    return found


def load(path: Path) -> LaunchDescription:
    """The description that a launch file gives.

    Raises:
        ValueError: It is no launch file, or needs what is not here; names it.
        OSError: It is not there.
    """
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    if not path.is_file():
        raise FileNotFoundError(f'{path}: there is no such file')
    try:
        return get_launch_description_from_python_launch_file(str(path))
    except Exception as error:
        hint = ''
        if isinstance(error, (ImportError, AttributeError)) and 'ros_runtime' in str(error):
            hint = ' (a name that needs a ROS 2 installation)'
        raise ValueError(f'{path}: {type(error).__name__}: {error}{hint}') from error


def show_arguments(description: LaunchDescription) -> str:
    """The arguments of a launch file, as `ros2 launch --show-args` lists them."""
    lines = ["Arguments (pass arguments as 'name:=value'):"]
    for argument in description.get_launch_arguments():
        lines += ['', f"    '{argument.name}':", f'        {argument.description}']
        if argument.default_value is not None:
            default = ' + '.join(part.describe() for part in argument.default_value)
            lines.append(f'        (default: {default})')
    return '\n'.join(lines) if len(lines) > 1 else 'No arguments.'


def check_names(given: Mapping[str, str], description: LaunchDescription) -> None:
    """Raise a ValueError for an argument that the launch file does not declare."""
    known = [argument.name for argument in description.get_launch_arguments()]
    for name in given:
        if name not in known and name not in GENERAL_ARGUMENTS:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            hint = f"; did you mean '{near[0]}'?" if near else ''
            raise ValueError(
                f"unknown argument '{name}'{hint} (known: {', '.join(known) or 'none'})"
            )


def _launch(path: Path, given: Mapping[str, str], control_fd: int | None) -> int:
    from launch.actions import IncludeLaunchDescription, OpaqueFunction, RegisterEventHandler
    from launch.event_handlers import OnProcessExit, OnProcessStart
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    from launch import LaunchDescription, LaunchService  # type: ignore[attr-defined]

    from .bringup_control import Control

    control = Control(control_fd)
    is_interactive = control_fd is None and sys.stdin is not None and sys.stdin.isatty()
    service = LaunchService(
        argv=[f'{name}:={value}' for name, value in given.items()],
        noninteractive=not is_interactive,
    )
    actions: list[Any] = [
        OpaqueFunction(function=control.begin),
        RegisterEventHandler(OnProcessStart(on_start=control.on_start)),
        RegisterEventHandler(OnProcessExit(on_exit=control.on_exit)),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(path)), launch_arguments=list(given.items())
        ),
        OpaqueFunction(function=control.described),
    ]
    service.include_launch_description(LaunchDescription(actions))
    failed = service.run() != 0
    return 2 if failed else control.exit_code
