"""rclpy for machines without ROS 2, by rclpy's names; see `robot_face_gen.ros_runtime`."""

from robot_face_gen.ros_runtime.context import Context
from robot_face_gen.ros_runtime.signals import (
    SignalHandlerOptions,
    install_signal_handlers,
    uninstall_signal_handlers,
)
from robot_face_gen.ros_runtime.spinning import (
    create_node,
    get_global_executor,
    init,
    shutdown,
    spin,
    spin_once,
    spin_until_future_complete,
)
from robot_face_gen.ros_runtime.task import Future
from robot_face_gen.ros_runtime.utilities import (
    get_default_context,
    get_rmw_implementation_identifier,
    ok,
    try_shutdown,
)

__all__ = [
    'Context',
    'Future',
    'SignalHandlerOptions',
    'create_node',
    'get_default_context',
    'get_global_executor',
    'get_rmw_implementation_identifier',
    'init',
    'install_signal_handlers',
    'ok',
    'shutdown',
    'spin',
    'spin_once',
    'spin_until_future_complete',
    'try_shutdown',
    'uninstall_signal_handlers',
]
