"""Messages as bytes."""

from robot_face_gen.ros_runtime.utilities import deserialize_message, serialize_message

__all__ = ['deserialize_message', 'serialize_message']
