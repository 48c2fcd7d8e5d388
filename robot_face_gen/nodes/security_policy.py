# SPDX-License-Identifier: Apache-2.0
"""SROS2's policy of the nodes: what each may publish, subscribe to, serve and call.

The format is that of `ros2 security create_permission` (sros2, policy version 0.2.0). All nodes
share one enclave, so that `ROS_SECURITY_ENCLAVE_OVERRIDE=/robot_face_gen` covers every process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from .parameter_table import ParameterTable

ENCLAVE = '/robot_face_gen'
SERVER_NAMESPACE = 'robot1'  # an example for `reaction_server`, whose namespaces are a parameter
_EVERY_NODE_PUBLISHES = ('/rosout', '/parameter_events', '/diagnostics')
_EVERY_NODE_LISTENS = ('/parameter_events', '/clock')
_PARAMETER_SERVICES = (
    'describe_parameters',
    'get_parameter_types',
    'get_parameters',
    'list_parameters',
    'set_parameters',
    'set_parameters_atomically',
)
# Beside the topics of the tables.
_PUBLISHES = {
    'face_actuator_node': (
        'robot_face/joint_states', 'neck_controller/joint_trajectory', 'face_controller/commands',
        'robot_face/facial_action_units', 'robot_face/expression',
    ),
    'face_view_node': ('/tf_static',),
    'replay_node': ('/clock', 'openface/features', 'audio'),
}  # fmt: skip
_LISTENS = {
    'face_actuator_node': ('joint_states',),
    'face_screen_node': ('/diagnostics',),
    'record_node': (
        'openface/features', 'audio', 'whisper/embedding', 'robot_face/reaction',
        'robot_face/joint_states', '/diagnostics', '/rosout', '/tf', '/tf_static',
    ),
}  # fmt: skip
_SERVES = {'face_actuator_node': ('~/enable',)}


def sros2_policy(tables: Sequence[ParameterTable]) -> str:
    """The text of config/sros2_policy.xml."""
    root = ElementTree.Element('policy', version='0.2.0')
    enclave = ElementTree.SubElement(ElementTree.SubElement(root, 'enclaves'), 'enclave')
    enclave.set('path', ENCLAVE)
    profiles = ElementTree.SubElement(enclave, 'profiles')
    for table in tables:
        profile = ElementTree.SubElement(profiles, 'profile', ns='/', node=table.node)
        publishes = _names(table.publishes, _PUBLISHES.get(table.node, ()))
        listens = _names(table.listens, _LISTENS.get(table.node, ()))
        services = [f'~/{name}' for name in _PARAMETER_SERVICES]
        services += _SERVES.get(table.node, ())
        _allow(profile, 'topic', 'publish', [*_EVERY_NODE_PUBLISHES, *publishes])
        _allow(profile, 'topic', 'subscribe', [*_EVERY_NODE_LISTENS, *listens])
        _allow(profile, 'service', 'reply', services)
        if table.node == 'face_screen_node':  # its page sets parameters, and stops the motors
            called = [
                f'{other.node}/{name}'
                for other in tables
                for name in ('get_parameters', 'set_parameters')
            ]
            _allow(profile, 'service', 'request', [*called, 'face_actuator_node/enable'])
    ElementTree.indent(root)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<!-- SPDX-License-Identifier: Apache-2.0 -->\n'
    note = (
        '<!-- Written by: python -m robot_face_gen.nodes.tables sros2. See docs/security.md -->\n'
    )
    return head + note + ElementTree.tostring(root, encoding='unicode') + '\n'


def _names(topics: Iterable[tuple[str, str]], more: Iterable[str]) -> list[str]:
    """Names of topics; those that a parameter chooses are replaced by an example."""
    names = (*(name for name, _ in topics), *more)
    return [
        name.replace('NAMESPACE', SERVER_NAMESPACE).replace('IMAGE_TOPIC', 'image')
        for name in names
    ]


def _allow(profile: ElementTree.Element, kind: str, what: str, names: Iterable[str]) -> None:
    rules = ElementTree.SubElement(profile, f'{kind}s', {what: 'ALLOW'})
    for name in dict.fromkeys(names):
        ElementTree.SubElement(rules, kind).text = name
