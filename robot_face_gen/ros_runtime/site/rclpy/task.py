"""Futures and tasks."""

from robot_face_gen.ros_runtime.task import Future, Task

__all__ = ['Future', 'Task']
