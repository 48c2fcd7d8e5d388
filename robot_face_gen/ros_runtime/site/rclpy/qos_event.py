"""QoS events, by the names of humble."""

from robot_face_gen.ros_runtime.events import (
    PublisherEventCallbacks,
    QoSEventHandler,
    QoSLivelinessChangedInfo,
    QoSLivelinessLostInfo,
    QoSMessageLostInfo,
    QoSOfferedDeadlineMissedInfo,
    QoSOfferedIncompatibleQoSInfo,
    QoSPublisherEventType,
    QoSRequestedDeadlineMissedInfo,
    QoSRequestedIncompatibleQoSInfo,
    QoSSubscriptionEventType,
    SubscriptionEventCallbacks,
)

__all__ = [
    'PublisherEventCallbacks',
    'QoSEventHandler',
    'QoSLivelinessChangedInfo',
    'QoSLivelinessLostInfo',
    'QoSMessageLostInfo',
    'QoSOfferedDeadlineMissedInfo',
    'QoSOfferedIncompatibleQoSInfo',
    'QoSPublisherEventType',
    'QoSRequestedDeadlineMissedInfo',
    'QoSRequestedIncompatibleQoSInfo',
    'QoSSubscriptionEventType',
    'SubscriptionEventCallbacks',
]
