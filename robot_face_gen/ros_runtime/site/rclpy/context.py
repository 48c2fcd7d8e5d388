"""Contexts."""

from robot_face_gen.ros_runtime.context import Context

__all__ = ['Context']
