"""Simulated time."""

from robot_face_gen.ros_runtime.time_source import CLOCK_TOPIC, USE_SIM_TIME_NAME, TimeSource

__all__ = ['CLOCK_TOPIC', 'USE_SIM_TIME_NAME', 'TimeSource']
