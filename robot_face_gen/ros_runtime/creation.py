"""How a node makes publishers, subscriptions, services, clients and timers, by rclpy's names."""

import copy
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from .clock import Clock, ROSClock
from .dds import Reader, Writer
from .definitions import type_hash_entry
from .endpoints import GuardCondition, Publisher, SlowReaderNotice, Subscription
from .entities import EntitiesMixin
from .events import PublisherEventCallbacks, SubscriptionEventCallbacks
from .exceptions import NoTypeSupportImportedException
from .idl import message_idl
from .names import dds_topic
from .qos import QoSProfile, qos_profile_services_default
from .qos_dds import to_dds
from .qos_overrides import QoSOverridingOptions, declare_qos_parameters
from .services import Client, Service, ServiceChannel
from .timer import Rate, Timer


class CreationMixin(EntitiesMixin):
    """The part of a node that makes what the executor waits for."""

    _clock: ROSClock

    @abstractmethod
    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str:
        """A topic's absolute name."""

    @abstractmethod
    def resolve_service_name(self, service: str, *, only_expand: bool = False) -> str:
        """A service's absolute name."""

    def create_publisher(self, msg_type: Any, topic: str, qos_profile: QoSProfile | int, *,
                         callback_group: Any = None,
                         event_callbacks: PublisherEventCallbacks | None = None,
                         qos_overriding_options: QoSOverridingOptions | None = None,
                         publisher_class: type[Publisher] = Publisher) -> Publisher:
        """Publish on a topic.

        Args:
            msg_type: Class of the messages.
            topic: Name of the topic.
            qos_profile: How to send; a number is the depth of the queue.
            callback_group: Group of the event callbacks.
            event_callbacks: What to call at events.
            qos_overriding_options: Which policies can be set through parameters.
            publisher_class: Class to make.

        Raises:
            InvalidTopicNameException: The name is not valid.
            NoTypeSupportImportedException: `msg_type` is no message class.
        """
        name, qos = self._prepare('publisher', msg_type, topic, qos_profile,
                                  qos_overriding_options)
        impl = Writer(self._context.participant, _wire_name(name, qos),
                      message_idl(msg_type.__ros_type__),
                      to_dds(qos, type_hash_entry(msg_type.__ros_type__).encode(), writer=True))
        impl.on_full = SlowReaderNotice(self._logger)
        self._own(impl, name)
        publisher = publisher_class(impl, msg_type, topic, qos,
                                    event_callbacks or PublisherEventCallbacks(),
                                    callback_group or self._default_callback_group)
        self._publishers.append(publisher)
        self._entry.writers.append(impl.gid)
        self._enter(publisher.event_handlers)
        return publisher

    def create_subscription(self, msg_type: Any, topic: str, callback: Callable[[Any], Any],
                            qos_profile: QoSProfile | int, *, callback_group: Any = None,
                            event_callbacks: SubscriptionEventCallbacks | None = None,
                            qos_overriding_options: QoSOverridingOptions | None = None,
                            raw: bool = False) -> Subscription:
        """Subscribe to a topic.

        Args:
            msg_type: Class of the messages.
            topic: Name of the topic.
            callback: Called with each message.
            qos_profile: How to receive; a number is the depth of the queue.
            callback_group: Group of the callback.
            event_callbacks: What to call at events.
            qos_overriding_options: Which policies can be set through parameters.
            raw: Whether the callback gets the bytes.

        Raises:
            InvalidTopicNameException: The name is not valid.
            NoTypeSupportImportedException: `msg_type` is no message class.
        """
        name, qos = self._prepare('subscription', msg_type, topic, qos_profile,
                                  qos_overriding_options)
        impl = Reader(self._context.participant, _wire_name(name, qos),
                      message_idl(msg_type.__ros_type__),
                      to_dds(qos, type_hash_entry(msg_type.__ros_type__).encode(), writer=False))
        self._own(impl, name)
        subscription = Subscription(impl, msg_type, topic, callback,
                                    callback_group or self._default_callback_group, qos, raw,
                                    event_callbacks or SubscriptionEventCallbacks())
        self._subscriptions.append(subscription)
        self._entry.readers.append(impl.gid)
        self._enter(subscription.event_handlers)
        return subscription

    def _prepare(self, kind: str, msg_type: Any, topic: str, qos_profile: QoSProfile | int,
                 options: QoSOverridingOptions | None) -> tuple[str, QoSProfile]:
        if not hasattr(msg_type, '__rules__'):
            raise NoTypeSupportImportedException(f'{msg_type!r} is no message class')
        if isinstance(qos_profile, QoSProfile):
            qos = copy.copy(qos_profile)
        elif isinstance(qos_profile, int):
            if qos_profile < 0:
                raise ValueError('history depth must be greater than or equal to zero')
            qos = QoSProfile(depth=qos_profile)
        else:
            raise TypeError(f'Expected QoSProfile or int, but received {type(qos_profile)!r}')
        name = self.resolve_topic_name(topic)
        if options is not None:
            declare_qos_parameters(kind, self, name, qos, options)
        return name, qos

    def create_client(self, srv_type: Any, srv_name: str, *,
                      qos_profile: QoSProfile = qos_profile_services_default,
                      callback_group: Any = None) -> Client:
        """Call a service; of nodes of this runtime, or that use Cyclone DDS as well."""
        impl = self._channel(srv_type, srv_name, qos_profile, server=False)
        client = Client(self._context, impl, srv_type, srv_name, qos_profile,
                        callback_group or self._default_callback_group)
        client._executor = self._current_executor
        self._clients.append(client)
        self._enter([])
        return client

    def create_service(self, srv_type: Any, srv_name: str, callback: Callable[[Any, Any], Any], *,
                       qos_profile: QoSProfile = qos_profile_services_default,
                       callback_group: Any = None) -> Service:
        """Offer a service; `callback(request, response)` returns the response."""
        impl = self._channel(srv_type, srv_name, qos_profile, server=True)
        service = Service(impl, srv_type, srv_name, callback,
                          callback_group or self._default_callback_group, qos_profile)
        self._services.append(service)
        self._enter([])
        return service

    def _channel(self, srv_type: Any, srv_name: str, qos: QoSProfile, *,
                 server: bool) -> ServiceChannel:
        if not hasattr(srv_type, 'Request'):
            raise NoTypeSupportImportedException(f'{srv_type!r} is no service class')
        impl = ServiceChannel(self._context.participant, srv_type,
                              self.resolve_service_name(srv_name), qos, server=server)
        self._entry.readers.append(impl.reader.gid)
        self._entry.writers.append(impl.writer.gid)
        return impl

    def create_timer(self, timer_period_sec: float, callback: Callable,
                     callback_group: Any = None, clock: Clock | None = None) -> Timer:
        """Call back at even intervals, by the node's clock unless another is named."""
        timer = Timer(callback, callback_group or self._default_callback_group,
                      int(float(timer_period_sec) * 1e9), clock or self._clock,
                      context=self._context)
        timer._on_change = self._wake_executor
        self._timers.append(timer)
        self._changed()
        return timer

    def create_guard_condition(self, callback: Callable,
                               callback_group: Any = None) -> GuardCondition:
        """Run a callback in the thread that spins, when triggered from any thread."""
        guard = GuardCondition(callback, callback_group or self._default_callback_group,
                               context=self._context)
        self._guards.append(guard)
        self._changed()
        return guard

    def create_rate(self, frequency: float, clock: Clock | None = None) -> Rate:
        """Sleep at even intervals in a thread that does not spin."""
        if frequency <= 0:
            raise ValueError('frequency must be > 0')
        timer = self.create_timer(1.0 / frequency, lambda: None, self._rate_group, clock)
        rate = Rate(timer, context=self._context)
        self._rates.append((rate, timer))
        return rate


def _wire_name(name: str, qos: QoSProfile) -> str:
    return name[1:] if qos.avoid_ros_namespace_conventions else dds_topic(name)
