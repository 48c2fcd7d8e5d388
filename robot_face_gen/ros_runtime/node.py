"""Nodes by rclpy's names."""

from typing import Any

from . import arguments, console
from .clock import Clock, ROSClock
from .context import Context, get_default_context
from .creation import CreationMixin
from .endpoints import Publisher
from .exceptions import (
    InvalidServiceNameException,
    InvalidTopicNameException,
    NotInitializedException,
    RCLError,
)
from .graph import NodeEntry
from .introspection import IntrospectionMixin
from .messages import message_class
from .names import (
    expand_topic_name,
    validate_full_topic_name,
    validate_namespace,
    validate_node_name,
)
from .parameter import Parameter
from .parameter_services import ParameterService
from .parameters import ParametersMixin
from .qos import DurabilityPolicy, QoSProfile, qos_profile_parameter_events
from .time_source import TimeSource

_ROSOUT_QOS = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Node(CreationMixin, ParametersMixin, IntrospectionMixin):
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
        full_name = self.get_fully_qualified_name()
        self._logger = console.get_logger(full_name[1:].replace('/', '.'))
        self._clock = ROSClock()
        self._init_entities(NodeEntry(self._name, self._namespace))
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
    def context(self) -> Context:
        """What it belongs to."""
        return self._context

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
        self._destroy_entities()
        if announcer is not None:
            announcer.remove(self._entry)
            announcer.release()
        self._context._node_destroyed()
