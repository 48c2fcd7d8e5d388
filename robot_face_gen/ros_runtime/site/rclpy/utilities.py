"""What needs no node."""

from robot_face_gen.ros_runtime.utilities import (
    get_available_rmw_implementations,
    get_default_context,
    get_rmw_implementation_identifier,
    ok,
    remove_ros_args,
    shutdown,
    timeout_sec_to_nsec,
    try_shutdown,
)

__all__ = [
    'get_available_rmw_implementations',
    'get_default_context',
    'get_rmw_implementation_identifier',
    'ok',
    'remove_ros_args',
    'shutdown',
    'timeout_sec_to_nsec',
    'try_shutdown',
]
