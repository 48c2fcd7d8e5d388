"""Points in time."""

from robot_face_gen.ros_runtime.ros_time import Time

__all__ = ['Time']
