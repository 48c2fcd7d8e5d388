"""A node's publishers, subscriptions, services, clients and timers, by rclpy's names."""

import copy
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from . import console
from .callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from .clock import Clock, ROSClock
from .context import Context
from .dds import Reader, Writer
from .endpoints import GuardCondition, Publisher, SlowReaderNotice, Subscription
from .events import PublisherEventCallbacks, SubscriptionEventCallbacks
from .exceptions import NoTypeSupportImportedException
from .graph import NodeEntry
from .idl import message_idl
from .names import dds_topic
from .qos import QoSProfile, qos_profile_services_default
from .qos_dds import to_dds
from .qos_overrides import QoSOverridingOptions, declare_qos_parameters
from .services import Client, Service, ServiceChannel, type_hash_entry
from .timer import Rate, Timer


class EntitiesMixin(ABC):
    """The part of a node that makes and owns what the executor waits for."""

    _context: Context
    _logger: console.RcutilsLogger
    _clock: ROSClock

    @abstractmethod
    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str:
        """A topic's absolute name."""

    @abstractmethod
    def resolve_service_name(self, service: str, *, only_expand: bool = False) -> str:
        """A service's absolute name."""

    def _init_entities(self, entry: NodeEntry) -> None:
        self._entry = entry
        self._version = 0
        self._publishers: list[Publisher] = []
        self._subscriptions: list[Subscription] = []
        self._clients: list[Client] = []
        self._services: list[Service] = []
        self._timers: list[Timer] = []
        self._guards: list[GuardCondition] = []
        self._waitables: list[Any] = []
        self._rates: list[tuple[Rate, Timer]] = []
        self._default_callback_group = MutuallyExclusiveCallbackGroup()
        self._rate_group = ReentrantCallbackGroup()
        self._executor_ref: Callable[[], Any] = lambda: None

    @property
    def default_callback_group(self) -> MutuallyExclusiveCallbackGroup:
        """Group of the callbacks for which none is named."""
        return self._default_callback_group

    @property
    def publishers(self) -> Iterator[Publisher]:
        """The node's publishers."""
        yield from self._publishers

    @property
    def subscriptions(self) -> Iterator[Subscription]:
        """The node's subscriptions."""
        yield from self._subscriptions

    @property
    def clients(self) -> Iterator[Client]:
        """The node's clients."""
        yield from self._clients

    @property
    def services(self) -> Iterator[Service]:
        """The node's services."""
        yield from self._services

    @property
    def timers(self) -> Iterator[Timer]:
        """The node's timers."""
        yield from self._timers

    @property
    def guards(self) -> Iterator[GuardCondition]:
        """The node's guard conditions."""
        yield from self._guards

    @property
    def waitables(self) -> Iterator[Any]:
        """What else the node waits for: the events of its endpoints."""
        yield from self._waitables

    @property
    def executor(self) -> Any:
        """What cares for the node now; None where nothing does."""
        return self._executor_ref()

    @executor.setter
    def executor(self, new_executor: Any) -> None:
        current = self._executor_ref()
        if current is new_executor:
            return
        if current is not None:
            current.remove_node(self)
        self._executor_ref = (lambda: None) if new_executor is None else weakref.ref(new_executor)
        if new_executor is not None:
            new_executor.add_node(self)

    @property
    def _executor(self) -> Any:
        return self._executor_ref()

    @_executor.setter
    def _executor(self, value: Any) -> None:
        self._executor_ref = (lambda: None) if value is None else weakref.ref(value)

    def _changed(self) -> None:
        """The node has other entities than before: announce and wait for those."""
        self._version += 1
        self._wake_executor()

    def _wake_executor(self) -> None:
        executor = self._executor_ref()
        if executor is not None:
            executor.wake()

    def _executables(self) -> list[Any]:
        return [*self._subscriptions, *self._services, *self._clients, *self._guards,
                *self._waitables]

    def _timer_list(self) -> list[Timer]:
        return list(self._timers)

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

    def _own(self, impl: Reader | Writer, name: str) -> None:
        impl.context, impl.topic_name, impl.logger_name = self._context, name, self._logger.name

    def _enter(self, waitables: list[Any]) -> None:
        self._waitables.extend(waitables)
        self._context.announcer.changed()
        self._changed()

    def create_client(self, srv_type: Any, srv_name: str, *,
                      qos_profile: QoSProfile = qos_profile_services_default,
                      callback_group: Any = None) -> Client:
        """Call a service; of nodes of this runtime, or that use Cyclone DDS as well."""
        impl = self._channel(srv_type, srv_name, qos_profile, server=False)
        client = Client(self._context, impl, srv_type, srv_name, qos_profile,
                        callback_group or self._default_callback_group)
        client._executor = self._executor_of
        self._clients.append(client)
        self._enter([])
        return client

    def _executor_of(self) -> Any:
        return self._executor_ref()

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

    def add_waitable(self, waitable: Any) -> None:
        """Wait for something else too."""
        self._enter([waitable])

    def remove_waitable(self, waitable: Any) -> None:
        """Wait for it no more."""
        self._waitables.remove(waitable)
        self._changed()

    def _leave(self, owned: list[Any], thing: Any, handlers: list[Any], readers: list[bytes],
               writers: list[bytes]) -> bool:
        if thing not in owned:
            return False
        owned.remove(thing)
        for handler in handlers:
            self._waitables.remove(handler)
        for gid in readers:
            self._entry.readers.remove(gid)
        for gid in writers:
            self._entry.writers.remove(gid)
        thing.destroy()
        if self._context._announcer is not None and (readers or writers):
            self._context._announcer.changed()
        self._changed()
        return True

    def destroy_publisher(self, publisher: Publisher) -> bool:
        """Publish no more; False where it is not the node's."""
        return self._leave(self._publishers, publisher, publisher.event_handlers, [],
                           [publisher.handle.gid])

    def destroy_subscription(self, subscription: Subscription) -> bool:
        """Subscribe no more; False where it is not the node's."""
        return self._leave(self._subscriptions, subscription, subscription.event_handlers,
                           [subscription.handle.gid], [])

    def destroy_client(self, client: Client) -> bool:
        """Call no more; False where it is not the node's."""
        return self._leave(self._clients, client, [], [client.handle.reader.gid],
                           [client.handle.writer.gid])

    def destroy_service(self, service: Service) -> bool:
        """Offer it no more; False where it is not the node's."""
        return self._leave(self._services, service, [], [service.handle.reader.gid],
                           [service.handle.writer.gid])

    def destroy_timer(self, timer: Timer) -> bool:
        """Call back no more; False where it is not the node's."""
        return self._leave(self._timers, timer, [], [], [])

    def destroy_guard_condition(self, guard: GuardCondition) -> bool:
        """Wait for it no more; False where it is not the node's."""
        return self._leave(self._guards, guard, [], [], [])

    def destroy_rate(self, rate: Rate) -> bool:
        """Wake whoever sleeps; False where it is not the node's."""
        for entry in self._rates:
            if entry[0] is rate:
                self._rates.remove(entry)
                rate.destroy()
                return self.destroy_timer(entry[1])
        return False

    def _destroy_entities(self) -> None:
        for rate, _ in list(self._rates):
            self.destroy_rate(rate)
        everything: list[tuple[list[Any], Callable[[Any], bool]]] = [
            (self._publishers, self.destroy_publisher), (self._clients, self.destroy_client),
            (self._subscriptions, self.destroy_subscription),
            (self._services, self.destroy_service), (self._timers, self.destroy_timer),
            (self._guards, self.destroy_guard_condition)]
        for owned, destroy in everything:
            for thing in list(owned):
                destroy(thing)


def _wire_name(name: str, qos: QoSProfile) -> str:
    return name[1:] if qos.avoid_ros_namespace_conventions else dds_topic(name)
