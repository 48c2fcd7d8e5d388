"""Nodes."""

from robot_face_gen.ros_runtime.node import Node

__all__ = ['Node']
