"""Names of nodes, topics and services: what is valid, expansion, and names on the wire."""

import re

from .exceptions import (
    InvalidNamespaceException,
    InvalidNodeNameException,
    InvalidServiceNameException,
    InvalidTopicNameException,
)

_SUBSTITUTIONS = {'node', 'ns', 'namespace'}
_MAX_LENGTH = 247


def validate_node_name(node_name: str) -> bool:
    """Check a node's name; True, or InvalidNodeNameException says what is wrong where."""
    if not node_name:
        raise InvalidNodeNameException(node_name, 'node name must not be empty', 0)
    if node_name[0].isdigit():
        raise InvalidNodeNameException(node_name, 'node name must not start with a number', 0)
    bad = re.search(r'[^A-Za-z0-9_]', node_name)
    if bad:
        raise InvalidNodeNameException(
            node_name, 'node name must not contain characters other than alphanumerics or '
            "'_'", bad.start())
    if len(node_name) > 255:
        raise InvalidNodeNameException(node_name, 'node name is longer than 255 characters', 255)
    return True


def validate_namespace(namespace: str) -> bool:
    """Check a namespace; True, or InvalidNamespaceException says what is wrong where."""
    if not namespace.startswith('/'):
        raise InvalidNamespaceException(namespace, 'namespace must be absolute, it must lead '
                                                   "with a '/'", 0)
    if namespace != '/':
        problem = _problem_of_tokens(namespace)
        if problem:
            raise InvalidNamespaceException(namespace, *problem)
    return True


def validate_full_topic_name(name: str, *, is_service: bool = False) -> bool:
    """Check an absolute topic or service name; True, or an exception says what is wrong."""
    error = InvalidServiceNameException if is_service else InvalidTopicNameException
    if not name.startswith('/'):
        raise error(name, "it must be absolute, it must lead with a '/'", 0)
    problem = _problem_of_tokens(name)
    if problem:
        raise error(name, *problem)
    return True


def validate_topic_name(name: str, *, is_service: bool = False) -> bool:
    """Check a topic or service name as code may write it: relative, private (~) or absolute."""
    error = InvalidServiceNameException if is_service else InvalidTopicNameException
    if not name:
        raise error(name, 'it must not be empty', 0)
    plain = name
    for found in re.finditer(r'\{([^{}]*)\}', name):
        if found[1] not in _SUBSTITUTIONS:
            raise error(name, f'unknown substitution {found[0]}', found.start())
        plain = plain.replace(found[0], 'x' * len(found[0]))
    if plain.startswith('~'):
        if plain != '~' and not plain.startswith('~/'):
            raise error(name, "'~' must be followed by '/'", 1)
        plain = f'/{plain}'.replace('/~', '/x', 1)[1:]
    problem = _problem_of_tokens(plain)
    if problem:
        raise error(name, *problem)
    return True


def _problem_of_tokens(name: str) -> tuple[str, int] | None:
    bad = re.search(r'[^A-Za-z0-9_/]', name)
    if bad:
        return "it must not contain characters other than alphanumerics, '_' or '/'", bad.start()
    if name.endswith('/'):
        return "it must not end with '/'", len(name) - 1
    if '//' in name:
        return "it must not contain two '/' in a row", name.index('//')
    digit = re.search(r'(^|/)[0-9]', name)
    if digit:
        return 'no part of it may start with a number', digit.end() - 1
    if len(name) > _MAX_LENGTH:
        return f'it is longer than {_MAX_LENGTH} characters', _MAX_LENGTH
    return None


def fully_qualified(namespace: str, name: str) -> str:
    """Join a namespace and a name: '/' and 'a' give '/a'."""
    return f'{namespace.rstrip("/")}/{name}'


def expand_topic_name(topic_name: str, node_name: str, node_namespace: str) -> str:
    """Make a topic or service name absolute, seen from a node."""
    validate_topic_name(topic_name)
    for key, value in (('node', node_name), ('ns', node_namespace),
                       ('namespace', node_namespace)):
        topic_name = topic_name.replace(f'{{{key}}}', value)
    if topic_name.startswith('~'):
        topic_name = fully_qualified(node_namespace, node_name) + topic_name[1:]
    if not topic_name.startswith('/'):
        topic_name = fully_qualified(node_namespace, topic_name)
    return topic_name.replace('//', '/')


def dds_topic(topic: str) -> str:
    """DDS' name of a ROS topic: '/a/b' is 'rt/a/b'."""
    return f'rt{topic}'


def dds_request(service: str) -> str:
    """DDS' name of the topic that carries a service's requests."""
    return f'rq{service}Request'


def dds_reply(service: str) -> str:
    """DDS' name of the topic that carries a service's replies."""
    return f'rr{service}Reply'


def ros_topic(dds_name: str) -> str | None:
    """ROS' name of a DDS topic, None where it is none of ROS' topics."""
    return dds_name[2:] if dds_name.startswith('rt/') else None


def ros_service(dds_name: str) -> str | None:
    """Name of the service whose requests or replies a DDS topic carries, else None."""
    for prefix, suffix in (('rq/', 'Request'), ('rr/', 'Reply')):
        if dds_name.startswith(prefix) and dds_name.endswith(suffix):
            return dds_name[2:-len(suffix)]
    return None


def dds_type(name: str) -> str:
    """DDS' name of a type: 'std_msgs/msg/String' is 'std_msgs::msg::dds_::String_'."""
    package, kind, short = name.split('/')
    return f'{package}::{kind}::dds_::{short}_'


def ros_type(dds_name: str) -> str:
    """ROS' name of a type; what is none of ROS' types is returned as it is."""
    match = re.fullmatch(r'(\w+)::(\w+)::dds_::(\w+)_', dds_name)
    return '/'.join(match.groups()) if match else dds_name
