"""Endpoints of the graph."""

from robot_face_gen.ros_runtime.introspection import TopicEndpointInfo, TopicEndpointTypeEnum

__all__ = ['TopicEndpointInfo', 'TopicEndpointTypeEnum']
