"""What lies below rclpy: the exceptions that come from there."""

from robot_face_gen.ros_runtime.exceptions import (
    InvalidHandle,
    NodeNameNonExistentError,
    RCLError,
    RCLInvalidROSArgsError,
    UnknownROSArgsError,
    UnsupportedEventTypeError,
)

__all__ = [
    'InvalidHandle',
    'NodeNameNonExistentError',
    'RCLError',
    'RCLInvalidROSArgsError',
    'UnknownROSArgsError',
    'UnsupportedEventTypeError',
]
