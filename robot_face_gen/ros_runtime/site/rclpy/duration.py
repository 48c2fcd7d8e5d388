"""Durations."""

from robot_face_gen.ros_runtime.duration import Duration, Infinite

__all__ = ['Duration', 'Infinite']
