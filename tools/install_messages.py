# SPDX-License-Identifier: Apache-2.0
"""Build and install robot_face_gen_msgs into the virtual environment whose Python runs this.

usage: python tools/install_messages.py STAMP [--required]

Writes STAMP where rclpy and the messages can be imported. Otherwise prints one line that says why
not; with --required, this is an error on machines that could have them.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MESSAGES = ROOT / 'robot_face_gen_msgs'
#: Not robot_face_gen_msgs.msg: in the root of the repository, a folder has that name.
TYPE_SUPPORT = 'robot_face_gen_msgs.robot_face_gen_msgs_s__rosidl_typesupport_c'
sys.path.insert(0, str(MESSAGES))

from message_build import MessageBuildError, find_compiler, require_generators  # noqa: E402


class NoWheelsError(Exception):
    """The package index has no ROS 2 for this platform."""


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    stamp = Path(arguments[0])
    try:
        if os.environ.get('AMENT_PREFIX_PATH') and os.environ.get('ROS_DISTRO'):
            check_sourced(os.environ['ROS_DISTRO'])
        else:
            check_platform()
            install(stamp.with_suffix('.log'))
    except (NoWheelsError, MessageBuildError) as error:
        print(f'ROS nodes cannot run here: {error}', file=sys.stderr)
        return int('--required' in arguments and isinstance(error, MessageBuildError))
    stamp.touch()
    return 0


def check_sourced(distro: str) -> None:
    """Check that this Python imports rclpy and the messages of the sourced ROS 2."""
    version = platform.python_version()
    if problem := import_error('rclpy'):
        raise MessageBuildError(
            f'ROS 2 {distro} is sourced, but Python {version} cannot import rclpy ({problem}); '
            'name the Python of that ROS 2: make clean, then make PYTHON=/usr/bin/python3 ...'
        )
    if problem := import_error(TYPE_SUPPORT):
        raise MessageBuildError(
            f'ROS 2 {distro} is sourced, but the messages are not ({problem}): '
            'colcon build --packages-select robot_face_gen_msgs, then . install/setup.bash'
        )


def check_platform() -> None:
    """Check that the package index has ROS 2 wheels for this platform."""
    if (sys.platform, platform.machine()) != ('linux', 'x86_64'):
        raise NoWheelsError(
            f'the package index has no ROS 2 for {platform.system()} {platform.machine()}; '
            'install ROS 2 (Ubuntu: apt, https://docs.ros.org; others: '
            'https://robostack.github.io) and source it'
        )


def install(log: Path) -> None:
    """Build the messages with pip; without a compiler, install the ziglang wheel first."""
    require_generators()
    if find_compiler() is None:
        print('No C++ compiler was found: installing the ziglang wheel (100 MB).')
        try:
            pip('install', '-c', str(ROOT / 'constraints.txt'), 'ziglang', log=log)
        except MessageBuildError as error:
            raise MessageBuildError(
                f'no C++ compiler was found: on Debian and Ubuntu, apt install g++ ({error})'
            ) from None
    # pip keeps an installed package of the same version unless told otherwise.
    options = ('--no-build-isolation', '--no-deps', '--force-reinstall')
    pip('install', *options, str(MESSAGES), log=log)
    if problem := import_error(TYPE_SUPPORT):
        raise MessageBuildError(f'the messages were built, but cannot be imported: {problem}')


def pip(*arguments: str, log: Path) -> None:
    """Run pip; on failure, its output goes to `log` and the error names its cause."""
    command = [sys.executable, '-m', 'pip', '--disable-pip-version-check', *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        log.write_text(done.stdout)
        lines = [line.strip() for line in done.stdout.splitlines() if 'error: ' in line.lower()]
        # pip's own first line says only that a subprocess failed.
        causes = [line for line in lines if 'subprocess-exited-with-error' not in line]
        raise MessageBuildError(f'{(causes or ["pip failed"])[0]} (all output: {log})')


def import_error(module: str) -> str | None:
    """Last line of the error on importing a module in a new process; None without an error."""
    done = subprocess.run(
        [sys.executable, '-c', f'import {module}'], capture_output=True, text=True
    )
    return (done.stderr.strip().splitlines() or ['failed'])[-1] if done.returncode else None


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
