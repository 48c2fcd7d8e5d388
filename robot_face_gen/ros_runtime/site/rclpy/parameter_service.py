"""Services for parameters."""

from robot_face_gen.ros_runtime.parameter_services import ParameterService

__all__ = ['ParameterService']
