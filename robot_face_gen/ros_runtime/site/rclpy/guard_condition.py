"""Guard conditions."""

from robot_face_gen.ros_runtime.endpoints import GuardCondition

__all__ = ['GuardCondition']
