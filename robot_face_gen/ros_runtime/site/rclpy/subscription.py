"""Subscriptions."""

from robot_face_gen.ros_runtime.endpoints import Subscription

__all__ = ['Subscription']
