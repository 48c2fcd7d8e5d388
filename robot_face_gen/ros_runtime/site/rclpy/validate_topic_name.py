"""Check of topic and service names."""

from robot_face_gen.ros_runtime.names import validate_topic_name

__all__ = ['validate_topic_name']
