"""QoS through parameters."""

from robot_face_gen.ros_runtime.qos_overrides import InvalidQosOverridesError, QoSOverridingOptions

__all__ = ['InvalidQosOverridesError', 'QoSOverridingOptions']
