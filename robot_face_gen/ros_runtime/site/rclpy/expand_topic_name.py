"""Names made absolute."""

from robot_face_gen.ros_runtime.names import expand_topic_name

__all__ = ['expand_topic_name']
