# SPDX-License-Identifier: Apache-2.0
"""Where ROS 2 comes from, and the environment that node processes get; imports no rclpy."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from importlib.util import find_spec

from robot_face_gen.files import temporary_folder, user_path
from robot_face_gen.resources import share_folder

#: Variables that name the profiles of Fast DDS: until Jazzy, and later.
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')

_RANGE = 'ROS_AUTOMATIC_DISCOVERY_RANGE'

#: Variables by which a user controls discovery, or the transports in a Fast DDS profile.
DISCOVERY_VARIABLES = (_RANGE, 'ROS_LOCALHOST_ONLY', 'ROS_STATIC_PEERS', *PROFILE_VARIABLES)

_NO_WHEELS = (
    'rclpy was not found. Install ROS 2 (Ubuntu: apt, https://docs.ros.org; macOS and Windows: '
    'RoboStack, https://robostack.github.io) and source its setup file'
)
_WHEELS = (
    'rclpy was not found. Source ROS 2, or install it in a virtual environment: '
    "pip install 'robot_face_gen[ros]' && pip install --no-build-isolation ./robot_face_gen_msgs"
)
_RCLPY_MISSING = (
    'ROS 2 {distro} is sourced, but this Python ({python}) does not find rclpy: use the Python of '
    'that ROS 2, and install its rclpy (sudo apt install ros-{distro}-rclpy)'
)
_MESSAGES_MISSING = (
    "the message package 'robot_face_gen_msgs' was not found. Run 'colcon build' in the root of "
    "the repository (colcon_defaults.yaml names both packages), then 'source install/setup.bash'. "
    'In a larger workspace, link the messages beside the package, because colcon does not look '
    'inside a package: ln -s robot_face_gen/robot_face_gen_msgs src/robot_face_gen_msgs'
)
_MESSAGES_NOT_BUILT = (
    "the message package 'robot_face_gen_msgs' was not found. Build it in the root of the "
    'repository: pip install --no-build-isolation ./robot_face_gen_msgs'
)


class RosMissingError(ImportError):
    """ROS 2 or the project's messages are not installed; one line says how to get them."""


def is_ros_sourced(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the setup file of a ROS 2 installation has been sourced.

    A workspace that was built on the wheels does not count: it sets AMENT_PREFIX_PATH alone.
    """
    return bool(environ.get('AMENT_PREFIX_PATH') and environ.get('ROS_DISTRO'))


def has_wheels() -> bool:
    """Whether the package index has ROS 2 wheels for this platform and Python."""
    return (
        sys.platform == 'linux'
        and platform.machine() == 'x86_64'
        and (3, 10) <= sys.version_info[:2] <= (3, 13)
    )


def use_writable_log_folder() -> None:
    """Give ROS a folder for its logs, without which it would not start.

    A temporary one if the home folder is read-only. A service has no HOME: the user's folder is
    then named to ROS, which does not ask the system for it.
    """
    if os.environ.get('ROS_LOG_DIR'):
        return
    folder = user_path(os.environ.get('ROS_HOME') or '~/.ros') / 'log'
    try:
        if folder.parts[0] == '~':
            raise OSError('this user has no home folder')
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            if not os.environ.get('HOME'):
                os.environ['ROS_LOG_DIR'] = str(folder)
            return
        why = 'cannot be written'
    except OSError as error:
        why = (error.strerror or str(error)).lower()
    if (temporary := temporary_folder()) is not None:
        os.environ['ROS_LOG_DIR'] = str(temporary / 'log')
        print(f"{folder}: {why}; ROS' log files are in {temporary / 'log'}", file=sys.stderr)


def require_ros() -> None:
    """Check that rclpy and the project's messages can be imported; imports neither.

    Raises:
        RosMissingError: One is missing; one line says how to get it on this platform.
    """
    sourced = is_ros_sourced()
    if not _is_installed('rclpy'):
        if sourced:
            raise RosMissingError(
                _RCLPY_MISSING.format(distro=os.environ['ROS_DISTRO'], python=sys.executable)
            )
        raise RosMissingError(_WHEELS if has_wheels() else _NO_WHEELS)
    if not _is_installed('robot_face_gen_msgs'):
        raise RosMissingError(_MESSAGES_MISSING if sourced else _MESSAGES_NOT_BUILT)


def child_environment(
    environ: Mapping[str, str] = os.environ, *, images: bool = False
) -> dict[str, str]:
    """Environment for node processes.

    Discovery stays on this machine if no ROS 2 is sourced and the user has set none of
    DISCOVERY_VARIABLES. Fast DDS gets a profile of ours, unless the user names one, or the process
    exchanges images, which need the shared memory that our profiles leave out. Idle OpenMP threads
    sleep instead of spinning unless OMP_WAIT_POLICY is set: several processes share few cores.
    """
    found = {'OMP_WAIT_POLICY': 'PASSIVE', **environ}
    if not is_ros_sourced(environ) and not any(map(environ.get, DISCOVERY_VARIABLES)):
        found[_RANGE] = 'LOCALHOST'
    fast_dds = environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp').startswith('rmw_fastrtps')
    if fast_dds and not images and not any(map(environ.get, PROFILE_VARIABLES)):
        profile = 'fastdds.xml'
        if found.get(_RANGE) == 'LOCALHOST':
            # For this range rmw_fastrtps adds shared memory, and sockets on all interfaces.
            found[_RANGE], profile = 'SYSTEM_DEFAULT', 'fastdds_loopback.xml'
        found |= dict.fromkeys(PROFILE_VARIABLES, str(share_folder() / 'config' / profile))
    return found


def _is_installed(name: str) -> bool:
    """Whether a package can be imported; a folder without `__init__.py` is not enough.

    In the root of the repository, the folder of the message definitions is such a folder.
    """
    spec = find_spec(name)
    return spec is not None and spec.origin is not None
