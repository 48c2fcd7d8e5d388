"""What lets the nodes run where no ROS 2 is installed; imports no other room.

Where ROS 2 is sourced, its own rclpy, launch and messages are used and nothing here is. Where it
is not, `activate` puts the folder `site` last on the module search path: it holds an rclpy, the
standard messages and a launch that speak ROS 2's protocol through Cyclone DDS and rosbags.
"""

import sys
from importlib import util
from pathlib import Path

SITE = Path(__file__).resolve().parent / 'site'

_MESSAGES_MISSING = (
    "the message package 'robot_face_gen_msgs' is not built or not sourced. It is nested in this "
    'repository, and colcon does not look inside a folder that is a package. Either build with '
    "the repository itself as the workspace ('colcon build' in its root: colcon_defaults.yaml "
    'names both packages), or link it beside this package in a larger workspace (ln -s '
    'robot_face_gen/robot_face_gen_msgs src/robot_face_gen_msgs), or pass --base-paths src '
    "src/*/*_msgs to colcon; then source install/setup.bash")

_STANDALONE_MISSING = (
    'no ROS 2 is sourced, and without one {names} is needed in its place: '
    "pip install 'robot_face_gen[standalone]'")


def has_ros2() -> bool:
    """Whether `import rclpy` finds ROS 2's own rclpy."""
    spec = util.find_spec('rclpy')
    return spec is not None and not str(spec.origin or '').startswith(str(SITE))


def activate() -> None:
    """Make rclpy, launch and the messages importable; call it before importing any of them.

    Does nothing where ROS 2 is sourced, and nothing when called again.

    Raises:
        ImportError: Neither ROS 2 nor the stand-in's requirements are installed, or ROS 2 is there
            but the project's own messages are not built.
    """
    if str(SITE) in sys.path:
        return
    if has_ros2():
        require_messages()
        return
    missing = [name for name in ('cyclonedds', 'rosbags') if util.find_spec(name) is None]
    if missing:
        raise ImportError(_STANDALONE_MISSING.format(names=' and '.join(missing)))
    sys.path.append(str(SITE))


def require_messages() -> None:
    """Check that ROS 2 finds the project's own messages.

    Raises:
        ImportError: It does not; says what to do about it.
    """
    spec = util.find_spec('robot_face_gen_msgs')
    # Run from the repository's root, the folder of the definitions alone looks like a package.
    if spec is None or spec.origin is None:
        raise ImportError(_MESSAGES_MISSING)
