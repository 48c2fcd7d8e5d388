"""QoS events by rclpy's names: what an endpoint is told besides messages."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from cyclonedds.core import DDSException, DDSStatus

from .console import get_logger
from .qos import QoSPolicyKind, qos_policy_name_from_kind
from .qos_dds import POLICY_KINDS


class QoSPublisherEventType(IntEnum):
    """Events of a publisher."""

    RCL_PUBLISHER_OFFERED_DEADLINE_MISSED = 0
    RCL_PUBLISHER_LIVELINESS_LOST = 1
    RCL_PUBLISHER_OFFERED_INCOMPATIBLE_QOS = 2


class QoSSubscriptionEventType(IntEnum):
    """Events of a subscription."""

    RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED = 0
    RCL_SUBSCRIPTION_LIVELINESS_CHANGED = 1
    RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS = 2
    RCL_SUBSCRIPTION_MESSAGE_LOST = 3


@dataclass
class QoSDeadlineMissedInfo:
    """How often a deadline was missed."""

    total_count: int
    total_count_change: int


@dataclass
class QoSLivelinessChangedInfo:
    """How many publishers live."""

    alive_count: int
    not_alive_count: int
    alive_count_change: int
    not_alive_count_change: int


@dataclass
class QoSLivelinessLostInfo:
    """How often this publisher failed to show that it lives."""

    total_count: int
    total_count_change: int


@dataclass
class QoSMessageLostInfo:
    """How many messages were lost."""

    total_count: int
    total_count_change: int


@dataclass
class QoSIncompatibleInfo:
    """How many endpoints do not fit, and by which policy the last."""

    total_count: int
    total_count_change: int
    last_policy_kind: QoSPolicyKind


QoSRequestedDeadlineMissedInfo = QoSOfferedDeadlineMissedInfo = QoSDeadlineMissedInfo
QoSRequestedIncompatibleQoSInfo = QoSOfferedIncompatibleQoSInfo = QoSIncompatibleInfo

_P, _S = QoSPublisherEventType, QoSSubscriptionEventType
#: Event -> DDS' status, the method that reads it, and what the callback gets.
_SOURCES: dict[Any, tuple[int, str, Any]] = {
    ('publisher', _P.RCL_PUBLISHER_OFFERED_DEADLINE_MISSED): (
        DDSStatus.OfferedDeadlineMissed, 'get_offered_deadline_missed_status',
        QoSDeadlineMissedInfo),
    ('publisher', _P.RCL_PUBLISHER_LIVELINESS_LOST): (
        DDSStatus.LivelinessLost, 'get_liveliness_lost_status', QoSLivelinessLostInfo),
    ('publisher', _P.RCL_PUBLISHER_OFFERED_INCOMPATIBLE_QOS): (
        DDSStatus.OfferedIncompatibleQos, 'get_offered_incompatible_qos_status',
        QoSIncompatibleInfo),
    ('subscription', _S.RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED): (
        DDSStatus.RequestedDeadlineMissed, 'get_requested_deadline_missed_status',
        QoSDeadlineMissedInfo),
    ('subscription', _S.RCL_SUBSCRIPTION_LIVELINESS_CHANGED): (
        DDSStatus.LivelinessChanged, 'get_liveliness_changed_status', QoSLivelinessChangedInfo),
    ('subscription', _S.RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS): (
        DDSStatus.RequestedIncompatibleQos, 'get_requested_incompatible_qos_status',
        QoSIncompatibleInfo),
    ('subscription', _S.RCL_SUBSCRIPTION_MESSAGE_LOST): (
        DDSStatus.SampleLost, 'get_sample_lost_status', QoSMessageLostInfo),
}


class QoSEventHandler:
    """Calls back when an endpoint is told of one kind of event."""

    def __init__(self, *, callback_group: Any, callback: Callable[[Any], Any],
                 event_type: IntEnum, parent_impl: Any) -> None:
        """Watch for an event of a reader or writer of `dds`."""
        kind = 'publisher' if isinstance(event_type, QoSPublisherEventType) else 'subscription'
        self.callback_group = callback_group
        self.callback = callback
        self._impl = parent_impl
        self._status, self._method, self._info = _SOURCES[kind, event_type]
        parent_impl.watch(self._status)

    def _handles(self) -> list[int]:
        return [] if self._impl._closed else [self._impl.entity._ref]

    def _take(self) -> Callable[[], Any] | None:
        if self._impl._closed:
            return None
        try:
            status = getattr(self._impl.entity, self._method)()
        except DDSException:
            return None
        fields = {name: getattr(status, name) for name in self._info.__dataclass_fields__
                  if hasattr(status, name)}
        change = [value for name, value in fields.items() if name.endswith('_change')]
        if not any(change):
            return None
        if self._info is QoSIncompatibleInfo:
            fields['last_policy_kind'] = POLICY_KINDS.get(
                status.last_policy_id, QoSPolicyKind.INVALID)
        return lambda: self.callback(self._info(**fields))

    def destroy(self) -> None:
        """Watch no more."""


def _default(logger_name: str, topic: str, who: str, what: str) -> Callable[[Any], None]:
    def warn(event: QoSIncompatibleInfo) -> None:
        get_logger(logger_name).warn(
            f"New {who} discovered on topic '{topic}', {what} incompatible QoS. No messages will "
            f"be {'received from' if who == 'publisher' else 'sent to'} it. Last incompatible "
            f'policy: {qos_policy_name_from_kind(event.last_policy_kind)}')
    return warn


class SubscriptionEventCallbacks:
    """What to call at a subscription's events."""

    def __init__(self, *, deadline: Callable[[Any], Any] | None = None,
                 incompatible_qos: Callable[[Any], Any] | None = None,
                 liveliness: Callable[[Any], Any] | None = None,
                 message_lost: Callable[[Any], Any] | None = None,
                 use_default_callbacks: bool = True) -> None:
        """Choose callbacks; by default an incompatible QoS is warned of."""
        self.deadline = deadline
        self.incompatible_qos = incompatible_qos
        self.liveliness = liveliness
        self.message_lost = message_lost
        self.use_default_callbacks = use_default_callbacks

    def create_event_handlers(self, callback_group: Any, subscription: Any,
                              topic_name: str) -> list[QoSEventHandler]:
        """The handlers of a reader's events."""
        incompatible = self.incompatible_qos
        if incompatible is None and self.use_default_callbacks:
            incompatible = _default(subscription.logger_name, topic_name, 'publisher', 'offering')
        return _handlers(callback_group, subscription, {
            _S.RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED: self.deadline,
            _S.RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS: incompatible,
            _S.RCL_SUBSCRIPTION_LIVELINESS_CHANGED: self.liveliness,
            _S.RCL_SUBSCRIPTION_MESSAGE_LOST: self.message_lost})


class PublisherEventCallbacks:
    """What to call at a publisher's events."""

    def __init__(self, *, deadline: Callable[[Any], Any] | None = None,
                 liveliness: Callable[[Any], Any] | None = None,
                 incompatible_qos: Callable[[Any], Any] | None = None,
                 use_default_callbacks: bool = True) -> None:
        """Choose callbacks; by default an incompatible QoS is warned of."""
        self.deadline = deadline
        self.liveliness = liveliness
        self.incompatible_qos = incompatible_qos
        self.use_default_callbacks = use_default_callbacks

    def create_event_handlers(self, callback_group: Any, publisher: Any,
                              topic_name: str) -> list[QoSEventHandler]:
        """The handlers of a writer's events."""
        incompatible = self.incompatible_qos
        if incompatible is None and self.use_default_callbacks:
            incompatible = _default(publisher.logger_name, topic_name, 'subscription',
                                    'requesting')
        return _handlers(callback_group, publisher, {
            _P.RCL_PUBLISHER_OFFERED_DEADLINE_MISSED: self.deadline,
            _P.RCL_PUBLISHER_LIVELINESS_LOST: self.liveliness,
            _P.RCL_PUBLISHER_OFFERED_INCOMPATIBLE_QOS: incompatible})


def _handlers(group: Any, impl: Any, callbacks: dict[Any, Any]) -> list[QoSEventHandler]:
    return [QoSEventHandler(callback_group=group, callback=callback, event_type=event,
                            parent_impl=impl)
            for event, callback in callbacks.items() if callback]
