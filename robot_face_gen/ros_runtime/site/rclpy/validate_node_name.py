"""Check of node names."""

from robot_face_gen.ros_runtime.names import validate_node_name

__all__ = ['validate_node_name']
