"""QoS events, by the names of jazzy."""

from robot_face_gen.ros_runtime.events import (
    PublisherEventCallbacks,
    QoSIncompatibleInfo,
    SubscriptionEventCallbacks,
)
from robot_face_gen.ros_runtime.events import (
    QoSEventHandler as EventHandler,
)

__all__ = [
    'EventHandler',
    'PublisherEventCallbacks',
    'QoSIncompatibleInfo',
    'SubscriptionEventCallbacks',
]
