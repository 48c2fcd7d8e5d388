"""Callback groups."""

from robot_face_gen.ros_runtime.callback_groups import (
    CallbackGroup,
    MutuallyExclusiveCallbackGroup,
    ReentrantCallbackGroup,
)

__all__ = ['CallbackGroup', 'MutuallyExclusiveCallbackGroup', 'ReentrantCallbackGroup']
