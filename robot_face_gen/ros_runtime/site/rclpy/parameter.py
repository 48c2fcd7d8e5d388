"""Parameters."""

from robot_face_gen.ros_runtime.parameter import (
    PARAMETER_SEPARATOR_STRING,
    Parameter,
    parameter_value_to_python,
)

__all__ = ['PARAMETER_SEPARATOR_STRING', 'Parameter', 'parameter_value_to_python']
