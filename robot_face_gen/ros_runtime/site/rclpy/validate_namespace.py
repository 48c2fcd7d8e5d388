"""Check of namespaces."""

from robot_face_gen.ros_runtime.names import validate_namespace

__all__ = ['validate_namespace']
