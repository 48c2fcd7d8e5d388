"""One message."""

from robot_face_gen.ros_runtime.utilities import wait_for_message

__all__ = ['wait_for_message']
