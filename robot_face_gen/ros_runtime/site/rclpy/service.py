"""Services."""

from robot_face_gen.ros_runtime.services import Service

__all__ = ['Service']
