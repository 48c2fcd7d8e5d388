"""Check of absolute names."""

from robot_face_gen.ros_runtime.names import validate_full_topic_name

__all__ = ['validate_full_topic_name']
