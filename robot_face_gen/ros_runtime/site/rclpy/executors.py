"""Executors."""

from robot_face_gen.ros_runtime.exceptions import (
    ConditionReachedException,
    ExternalShutdownException,
    ShutdownException,
    TimeoutException,
)
from robot_face_gen.ros_runtime.executor import Executor
from robot_face_gen.ros_runtime.executors import MultiThreadedExecutor, SingleThreadedExecutor

__all__ = [
    'ConditionReachedException',
    'Executor',
    'ExternalShutdownException',
    'MultiThreadedExecutor',
    'ShutdownException',
    'SingleThreadedExecutor',
    'TimeoutException',
]
