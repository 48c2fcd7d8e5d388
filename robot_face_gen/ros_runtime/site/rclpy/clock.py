"""Clocks."""

from robot_face_gen.ros_runtime.clock import (
    Clock,
    ClockChange,
    ClockType,
    JumpHandle,
    JumpThreshold,
    ROSClock,
    TimeJump,
)

__all__ = [
    'Clock',
    'ClockChange',
    'ClockType',
    'JumpHandle',
    'JumpThreshold',
    'ROSClock',
    'TimeJump',
]
