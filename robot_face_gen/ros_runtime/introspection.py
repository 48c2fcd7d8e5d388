"""What a node can ask about the graph, by rclpy's names."""

from abc import ABC, abstractmethod
from enum import IntEnum
from typing import Any

from .exceptions import NodeNameNonExistentError
from .graph import Endpoint, NodeEntry
from .names import (
    dds_topic,
    expand_topic_name,
    fully_qualified,
    ros_service,
    ros_topic,
    ros_type,
    validate_full_topic_name,
)
from .qos import QoSProfile
from .qos_dds import from_dds

NamesAndTypes = list[tuple[str, list[str]]]


class TopicEndpointTypeEnum(IntEnum):
    """What an endpoint is."""

    INVALID = 0
    PUBLISHER = 1
    SUBSCRIPTION = 2


class TopicEndpointInfo:
    """What is known of a publisher or subscription of some node."""

    def __init__(self, **kwargs: Any) -> None:
        self.node_name: str = kwargs.get('node_name', '')
        self.node_namespace: str = kwargs.get('node_namespace', '')
        self.topic_type: str = kwargs.get('topic_type', '')
        self.endpoint_type: TopicEndpointTypeEnum = TopicEndpointTypeEnum(
            kwargs.get('endpoint_type', 0))
        self.endpoint_gid: list[int] = kwargs.get('endpoint_gid', [])
        self.qos_profile: QoSProfile = kwargs['qos_profile']

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TopicEndpointInfo) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return '\n'.join((
            f'Node name: {self.node_name}', f'Node namespace: {self.node_namespace}',
            f'Topic type: {self.topic_type}', f'Endpoint type: {self.endpoint_type.name}',
            f'GID: {".".join(f"{byte:02x}" for byte in self.endpoint_gid)}',
            f'QoS profile: {self.qos_profile}'))


def _service_type(dds_name: str) -> str:
    name = ros_type(dds_name)
    return name.removesuffix('_Request').removesuffix('_Response')


def _collect(pairs: Any) -> NamesAndTypes:
    found: dict[str, set[str]] = {}
    for name, type_name in pairs:
        if name is not None:
            found.setdefault(name, set()).add(type_name)
    return [(name, sorted(types)) for name, types in sorted(found.items())]


class IntrospectionMixin(ABC):
    """The part of a node that looks at the graph."""

    _context: Any

    @abstractmethod
    def get_name(self) -> str:
        """The node's name."""

    @abstractmethod
    def get_namespace(self) -> str:
        """The node's namespace."""

    def _endpoints(self) -> list[Endpoint]:
        return self._context.observer.endpoints()

    def _nodes(self) -> list[NodeEntry]:
        return self._context.observer.nodes()

    def _endpoints_of(self, node_name: str, node_namespace: str) -> list[Endpoint]:
        gids: set[bytes] = set()
        known = False
        for node in self._nodes():
            if (node.name, node.namespace) == (node_name, node_namespace):
                known = True
                gids.update(node.readers, node.writers)
        if not known:
            raise NodeNameNonExistentError(
                f'Cannot get the topics and services of {node_namespace} {node_name}: there is '
                'no such node')
        return [endpoint for endpoint in self._endpoints() if endpoint.gid in gids]

    @staticmethod
    def _topics(endpoints: list[Endpoint], no_demangle: bool) -> NamesAndTypes:
        return _collect(
            (endpoint.topic, endpoint.type_name) if no_demangle else
            (ros_topic(endpoint.topic), ros_type(endpoint.type_name)) for endpoint in endpoints)

    def get_publisher_names_and_types_by_node(
            self, node_name: str, node_namespace: str, no_demangle: bool = False) -> NamesAndTypes:
        """Topics that a node publishes; NodeNameNonExistentError where there is no such node."""
        return self._topics([endpoint for endpoint in self._endpoints_of(
            node_name, node_namespace) if endpoint.is_writer], no_demangle)

    def get_subscriber_names_and_types_by_node(
            self, node_name: str, node_namespace: str, no_demangle: bool = False) -> NamesAndTypes:
        """Topics that a node subscribes to; NodeNameNonExistentError as above."""
        return self._topics([endpoint for endpoint in self._endpoints_of(
            node_name, node_namespace) if not endpoint.is_writer], no_demangle)

    def get_service_names_and_types_by_node(self, node_name: str,
                                            node_namespace: str) -> NamesAndTypes:
        """Services that a node offers; NodeNameNonExistentError as above."""
        return _collect((ros_service(endpoint.topic), _service_type(endpoint.type_name))
                        for endpoint in self._endpoints_of(node_name, node_namespace)
                        if endpoint.topic.startswith('rq/') and not endpoint.is_writer)

    def get_client_names_and_types_by_node(self, node_name: str,
                                           node_namespace: str) -> NamesAndTypes:
        """Services that a node calls; NodeNameNonExistentError as above."""
        return _collect((ros_service(endpoint.topic), _service_type(endpoint.type_name))
                        for endpoint in self._endpoints_of(node_name, node_namespace)
                        if endpoint.topic.startswith('rq/') and endpoint.is_writer)

    def get_topic_names_and_types(self, no_demangle: bool = False) -> NamesAndTypes:
        """Every topic with its types."""
        return self._topics(self._endpoints(), no_demangle)

    def get_service_names_and_types(self) -> NamesAndTypes:
        """Every service with its types."""
        return _collect((ros_service(endpoint.topic), _service_type(endpoint.type_name))
                        for endpoint in self._endpoints())

    def get_node_names(self) -> list[str]:
        """Names of all nodes."""
        return [node.name for node in self._nodes()]

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        """Names and namespaces of all nodes."""
        return [(node.name, node.namespace) for node in self._nodes()]

    def get_node_names_and_namespaces_with_enclaves(self) -> list[tuple[str, str, str]]:
        """Names, namespaces and enclaves of all nodes."""
        return [(node.name, node.namespace, '/') for node in self._nodes()]

    def get_fully_qualified_name(self) -> str:
        """The node's namespace and name."""
        return fully_qualified(self.get_namespace(), self.get_name())

    def _of_topic(self, topic_name: str, is_writer: bool, no_mangle: bool) -> list[Endpoint]:
        if no_mangle:
            wanted = topic_name
        else:
            full = expand_topic_name(topic_name, self.get_name(), self.get_namespace())
            validate_full_topic_name(full)
            wanted = dds_topic(full)
        return [endpoint for endpoint in self._endpoints()
                if endpoint.topic == wanted and endpoint.is_writer == is_writer]

    def count_publishers(self, topic_name: str) -> int:
        """Number of publishers on a topic."""
        return len(self._of_topic(topic_name, True, False))

    def count_subscribers(self, topic_name: str) -> int:
        """Number of subscriptions on a topic."""
        return len(self._of_topic(topic_name, False, False))

    def get_publishers_info_by_topic(self, topic_name: str,
                                     no_mangle: bool = False) -> list[TopicEndpointInfo]:
        """The publishers on a topic."""
        return self._infos(topic_name, True, no_mangle)

    def get_subscriptions_info_by_topic(self, topic_name: str,
                                        no_mangle: bool = False) -> list[TopicEndpointInfo]:
        """The subscriptions on a topic."""
        return self._infos(topic_name, False, no_mangle)

    def _infos(self, topic_name: str, is_writer: bool, no_mangle: bool) -> list[TopicEndpointInfo]:
        owners = {gid: node for node in self._nodes() for gid in (*node.readers, *node.writers)}
        unknown = NodeEntry('_NODE_NAME_UNKNOWN_', '_NODE_NAMESPACE_UNKNOWN_')
        found = []
        for endpoint in self._of_topic(topic_name, is_writer, no_mangle):
            node = owners.get(endpoint.gid, unknown)
            found.append(TopicEndpointInfo(
                node_name=node.name, node_namespace=node.namespace,
                topic_type=ros_type(endpoint.type_name),
                endpoint_type=(TopicEndpointTypeEnum.PUBLISHER if is_writer
                               else TopicEndpointTypeEnum.SUBSCRIPTION),
                endpoint_gid=list(endpoint.gid), qos_profile=from_dds(endpoint.qos)))
        return found
