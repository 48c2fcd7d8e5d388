"""Clients."""

from robot_face_gen.ros_runtime.services import Client

__all__ = ['Client']
