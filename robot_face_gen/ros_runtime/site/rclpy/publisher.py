"""Publishers."""

from robot_face_gen.ros_runtime.endpoints import Publisher

__all__ = ['Publisher']
