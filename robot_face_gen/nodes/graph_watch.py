# SPDX-License-Identifier: Apache-2.0
"""Looks at the other ends of a node's topics: incompatible QoS or types, several publishers.

rclpy has QoS events for some of it. Each event is one more entity that the executor handles at
every wake-up; asking the graph once a second costs a third of that, and works in Humble too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

if TYPE_CHECKING:
    from rclpy.node import Node

    from .health import Health

# A node that was killed and respawned is listed twice until its lease ends (20 s in Fast DDS).
CROWDED_LOOKS = 20
# Words of `qos_check_compatible` -> policy.
_POLICIES = {
    'best effort': 'reliability',
    'volatile': 'durability',
    'deadline': 'deadline',
    'liveliness': 'liveliness',
    'lease': 'liveliness lease duration',
}


@dataclass
class _Endpoint:
    """One of our publishers or subscriptions."""

    topic: str  # resolved
    kind: str  # 'robot_face_gen_msgs/msg/FaceFeatures'
    qos: QoSProfile
    is_publisher: bool
    health: Health
    reported: set[tuple] = field(default_factory=set)  # endpoints already logged
    crowded_looks: int = 0


class GraphWatch:
    """Checks the peers of a node's endpoints; call `look` once a second.

    Args:
        node: whose endpoints they are.
        log: called with a warning, once for each peer.
    """

    def __init__(self, node: Node, log: Callable[[str], None]) -> None:
        self._node, self._log = node, log
        self._endpoints: list[_Endpoint] = []

    def add(self, endpoint: Any, kind: type, health: Health, *, is_publisher: bool) -> None:
        """Watch a publisher or subscription of rclpy; `kind` is its message class."""
        package, name = kind.__module__.split('.')[0], kind.__name__
        self._endpoints.append(
            _Endpoint(
                endpoint.topic_name,
                f'{package}/msg/{name}',
                endpoint.qos_profile,
                is_publisher,
                health,
            )
        )

    def look(self) -> None:
        """Report peers that cannot talk to us, and topics that several nodes publish."""
        for endpoint in self._endpoints:
            self._check_peers(endpoint)
            self._check_publishers(endpoint)

    def _check_peers(self, endpoint: _Endpoint) -> None:
        find = (
            self._node.get_subscriptions_info_by_topic
            if endpoint.is_publisher
            else self._node.get_publishers_info_by_topic
        )
        for peer in find(endpoint.topic):
            text = _mismatch(endpoint, peer)
            key = (tuple(peer.endpoint_gid), text)
            if text and key not in endpoint.reported:
                endpoint.reported.add(key)
                endpoint.health.count('incompatible_qos', trouble=text, logged=True)
                self._log(text)

    def _check_publishers(self, endpoint: _Endpoint) -> None:
        count = self._node.count_publishers(endpoint.topic)
        endpoint.crowded_looks = endpoint.crowded_looks + 1 if count > 1 else 0
        if endpoint.crowded_looks >= CROWDED_LOOKS:
            text = f'{endpoint.topic}: {count} publishers: their messages are mixed'
            endpoint.health.count('crowded', trouble=text)


def _mismatch(endpoint: _Endpoint, peer: Any) -> str:
    """Why a peer and we exchange no messages; '' where we do."""
    where = f'{endpoint.topic}: node {peer.node_namespace.rstrip("/")}/{peer.node_name}'
    if peer.topic_type != endpoint.kind:
        return f'{where} uses type {peer.topic_type}, expected {endpoint.kind}'
    ours, theirs = endpoint.qos, peer.qos_profile
    pair = (ours, theirs) if endpoint.is_publisher else (theirs, ours)
    compatibility, reason = qos_check_compatible(*pair)
    if compatibility != QoSCompatibility.ERROR:
        return ''
    names = [name for word, name in _POLICIES.items() if word in reason.lower()]
    return (
        f'{where}: incompatible QoS ({", ".join(dict.fromkeys(names)) or reason.strip()}): no '
        f'messages will be {"delivered to it" if endpoint.is_publisher else "received from it"}'
    )
