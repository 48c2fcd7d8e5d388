"""Timers."""

from robot_face_gen.ros_runtime.timer import Rate, Timer

__all__ = ['Rate', 'Timer']
