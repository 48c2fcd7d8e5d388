"""Check of parameter names."""

from robot_face_gen.ros_runtime.parameter import validate_parameter_name

__all__ = ['validate_parameter_name']
