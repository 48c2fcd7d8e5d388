"""Nodes by rclpy's names."""

import copy
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from . import arguments, console
from .callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from .clock import Clock, ROSClock
from .context import Context, get_default_context
from .dds import Reader, Writer
from .endpoints import GuardCondition, Publisher, SlowReaderNotice, Subscription
from .events import PublisherEventCallbacks, SubscriptionEventCallbacks
from .exceptions import (
    InvalidServiceNameException,
    InvalidTopicNameException,
    NotInitializedException,
    NoTypeSupportImportedException,
    RCLError,
)
from .graph import NodeEntry
from .idl import message_idl
from .introspection import IntrospectionMixin
from .messages import message_class
from .names import (
    dds_topic,
    expand_topic_name,
    validate_full_topic_name,
    validate_namespace,
    validate_node_name,
)
from .parameter import Parameter
from .parameter_services import ParameterService
from .parameters import ParametersMixin
from .qos import (
    DurabilityPolicy,
    QoSProfile,
    qos_profile_parameter_events,
    qos_profile_services_default,
)
from .qos_dds import to_dds
from .qos_overrides import QoSOverridingOptions, declare_qos_parameters
from .services import Client, Service, ServiceChannel, type_hash_entry
from .time_source import TimeSource
from .timer import Rate, Timer

_ROSOUT_QOS = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Node(ParametersMixin, IntrospectionMixin):
    """A participant of the graph: its topics, services, timers and parameters."""

    def __init__(self, node_name: str, *, context: Context | None = None,
                 cli_args: list[str] | None = None, namespace: str | None = None,
                 use_global_arguments: bool = True, enable_rosout: bool = True,
                 start_parameter_services: bool = True,
                 parameter_overrides: list[Parameter] | None = None,
                 allow_undeclared_parameters: bool = False,
                 automatically_declare_parameters_from_overrides: bool = False) -> None:
        """Enter the graph.

        Args:
            node_name: Name, unless the command line renames the node.
            context: What it belongs to; None: the default context.
            cli_args: Arguments for this node alone, as after `--ros-args`.
            namespace: Put in front of the names of the node and of what it offers.
            use_global_arguments: Whether the process' command line counts for it.
            enable_rosout: Whether it sends its log to /rosout.
            start_parameter_services: Whether others can see and set its parameters.
            parameter_overrides: Values that win over the command line's.
            allow_undeclared_parameters: Whether parameters may be set that are not declared.
            automatically_declare_parameters_from_overrides: Whether to declare what the command
                line sets.

        Raises:
            NotInitializedException: `rclpy.init` was not called.
            InvalidNodeNameException: The name is not valid.
            InvalidNamespaceException: The namespace is not valid.
        """
        self._context = get_default_context() if context is None else context
        if not self._context.ok():
            raise NotInitializedException('cannot create node')
        local = arguments.parse(['', '--ros-args', *(cli_args or [])])
        rules = [local, self._context.arguments] if use_global_arguments else [local]
        self._remaps = [remap for rule in rules for remap in rule.remaps]
        namespace = f'/{(namespace or "").strip("/")}'
        validate_node_name(node_name)
        self._name, self._namespace = arguments.remap_node(self._remaps, node_name, namespace)
        validate_node_name(self._name)
        validate_namespace(self._namespace)
        self._destroyed = False
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
        full_name = self.get_fully_qualified_name()
        self._logger = console.get_logger(full_name[1:].replace('/', '.'))
        self._clock = ROSClock()
        self._entry = NodeEntry(self._name, self._namespace)
        self._sink: Any = None
        announcer = self._context.announcer
        announcer.hold()
        try:
            announcer.add(self._entry)
            self._context._nodes.add(self)
            if enable_rosout:
                self._start_rosout()
            values: dict[str, Any] = {}
            # The process' arguments first: the node's own come later and win.
            for rule in reversed(rules):
                values |= arguments.parameters_for(rule.parameters, full_name)
            overrides = {name: Parameter(name, value=value) for name, value in values.items()}
            overrides |= {given.name: given for given in parameter_overrides or []}
            events = self.create_publisher(message_class('rcl_interfaces/msg/ParameterEvent'),
                                           '/parameter_events', qos_profile_parameter_events)
            self._init_parameters(overrides, allow_undeclared_parameters,
                                  lambda event: self._send_parameter_event(events, event))
            if automatically_declare_parameters_from_overrides:
                self.declare_parameters('', [
                    (name, given.value, message_class('rcl_interfaces/msg/ParameterDescriptor')())
                    for name, given in overrides.items()], ignore_override=True)
            self._time_source = TimeSource(node=self)
            self._time_source.attach_clock(self._clock)
            if start_parameter_services:
                self._parameter_service = ParameterService(self)
        except BaseException:
            self.destroy_node()
            raise
        finally:
            announcer.release()

    def _send_parameter_event(self, publisher: Publisher, event: Any) -> None:
        event.node = self.get_fully_qualified_name()
        event.stamp = self._clock.now().to_msg()
        if self._context.ok():
            publisher.publish(event)

    def _start_rosout(self) -> None:
        log_type = message_class('rcl_interfaces/msg/Log')
        publisher = self.create_publisher(log_type, '/rosout', _ROSOUT_QOS)
        stamp_type = message_class('builtin_interfaces/msg/Time')

        def send(stamp_ns: int, level: int, name: str, message: str, where: Any) -> None:
            seconds, rest = divmod(stamp_ns, 10 ** 9)
            try:
                publisher.publish(log_type(
                    stamp=stamp_type(sec=seconds, nanosec=rest), level=level, name=name,
                    msg=message, function=where[0], file=where[1], line=where[2]))
            except RCLError:
                # After the shutdown the console alone gets what is still said.
                return

        self._sink = send
        console.add_sink(self._logger.name, send)

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

    @property
    def context(self) -> Context:
        """What it belongs to."""
        return self._context

    @property
    def default_callback_group(self) -> MutuallyExclusiveCallbackGroup:
        """Group of the callbacks for which none is named."""
        return self._default_callback_group

    @property
    def handle(self) -> 'Node':
        """Itself: there is nothing below."""
        return self

    def get_name(self) -> str:
        """The node's name."""
        return self._name

    def get_namespace(self) -> str:
        """The node's namespace."""
        return self._namespace

    def get_clock(self) -> Clock:
        """The node's clock: ROS time."""
        return self._clock

    def get_logger(self) -> console.RcutilsLogger:
        """The node's logger."""
        return self._logger

    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str:
        """A topic's absolute name, after remapping unless `only_expand`."""
        return self._resolve(topic, only_expand, is_service=False)

    def resolve_service_name(self, service: str, *, only_expand: bool = False) -> str:
        """A service's absolute name, after remapping unless `only_expand`."""
        return self._resolve(service, only_expand, is_service=True)

    def _resolve(self, name: str, only_expand: bool, *, is_service: bool) -> str:
        try:
            full = expand_topic_name(name, self._name, self._namespace)
        except InvalidTopicNameException as error:
            if is_service:
                raise InvalidServiceNameException(name, *error.args[3:5]) from None
            raise
        if not only_expand:
            full = arguments.remap_name(
                self._remaps, full, self._name, self._namespace, is_service=is_service)
        validate_full_topic_name(full, is_service=is_service)
        return full

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

    def destroy_node(self) -> None:
        """Leave the graph with everything."""
        if self._destroyed:
            return
        self._destroyed = True
        self.executor = None
        if self._sink is not None:
            console.remove_sink(self._logger.name, self._sink)
        announcer = self._context._announcer
        if announcer is not None:
            announcer.hold()
        for rate, _ in list(self._rates):
            self.destroy_rate(rate)
        for owned, destroy in (
                (self._publishers, self.destroy_publisher), (self._clients, self.destroy_client),
                (self._subscriptions, self.destroy_subscription),
                (self._services, self.destroy_service), (self._timers, self.destroy_timer),
                (self._guards, self.destroy_guard_condition)):
            for thing in list(owned):  # type: ignore[call-overload]
                destroy(thing)  # type: ignore[operator]
        if announcer is not None:
            announcer.remove(self._entry)
            announcer.release()
        self._context._node_destroyed()


def _wire_name(name: str, qos: QoSProfile) -> str:
    return name[1:] if qos.avoid_ros_namespace_conventions else dds_topic(name)
