# SPDX-License-Identifier: Apache-2.0
"""Looks at the other ends of a node's topics: incompatible QoS or types, several publishers.

rclpy has QoS events for some of it. Each event is one more entity that the executor handles at
every wake-up; asking the graph once a second costs a third of that, and works in Humble too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy

from robot_face_gen.pipeline.health import Health

# A node that was killed and respawned is listed twice until its lease ends (20 s in Fast DDS).
LEASE_LOOKS = 20
CROWDED_LOOKS = 2  # where the other publisher cannot be such a node
_LONGEST_NS = 2**62  # middlewares report "no deadline" as 0 or as nearly 2**63 ns


@dataclass
class _Endpoint:
    """One of our publishers or subscriptions."""

    topic: str  # resolved
    kind: str  # 'robot_face_gen_msgs/msg/FaceFeatures'
    qos: QoSProfile
    is_publisher: bool
    health: Health
    reported: set[tuple] = field(default_factory=set)  # peers already counted
    looks: int = 0
    others: dict[tuple, int] = field(default_factory=dict)  # publishers: at which look they came
    crowded_looks: int = 0


class GraphWatch:
    """Checks the peers of a node's endpoints; call `look` once a second."""

    def __init__(self, node: Node) -> None:
        self._node = node
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

    def remove(self, subscription: Any) -> None:
        """Do not watch a subscription any more."""
        topic = subscription.topic_name
        self._endpoints = [e for e in self._endpoints if e.is_publisher or e.topic != topic]

    def look(self) -> None:
        """Report peers that cannot talk to us, and topics that several nodes publish."""
        for endpoint in self._endpoints:
            publishers = self._node.get_publishers_info_by_topic(endpoint.topic)
            peers = publishers
            if endpoint.is_publisher:
                peers = self._node.get_subscriptions_info_by_topic(endpoint.topic)
            self._check_peers(endpoint, peers)
            self._check_publishers(endpoint, publishers)

    def _check_peers(self, endpoint: _Endpoint, peers: Sequence[Any]) -> None:
        for peer in peers:
            text = _mismatch(endpoint, peer)
            key = (tuple(peer.endpoint_gid), text)
            if text and key not in endpoint.reported:
                endpoint.reported.add(key)
                endpoint.health.count('incompatible_qos', trouble=text, about=endpoint.topic)

    def _check_publishers(self, endpoint: _Endpoint, found: Sequence[Any]) -> None:
        endpoint.looks += 1
        before = endpoint.others
        endpoint.others = {
            (gid := tuple(peer.endpoint_gid)): before.get(gid, endpoint.looks) for peer in found
        }
        endpoint.crowded_looks = endpoint.crowded_looks + 1 if len(found) > 1 else 0
        if endpoint.is_publisher:  # one that came after us has not been replaced by us
            is_new = any(look > CROWDED_LOOKS for look in endpoint.others.values())
        else:
            is_new = len({(peer.node_namespace, peer.node_name) for peer in found}) > 1
        if endpoint.crowded_looks >= (CROWDED_LOOKS if is_new else LEASE_LOOKS):
            names = sorted({_full_name(peer) for peer in found})
            text = (
                f'{endpoint.topic}: {len(found)} publishers ({", ".join(names)}): messages are '
                f'mixed{"; was the robot started twice?" if len(names) < len(found) else ""}'
            )
            endpoint.health.count('crowded', trouble=text, about=endpoint.topic)


def _full_name(peer: Any) -> str:
    if peer.node_name.startswith('_'):  # _NODE_NAME_UNKNOWN_: discovered a moment ago
        return 'unknown node'
    return f'{peer.node_namespace.rstrip("/")}/{peer.node_name}'


def _mismatch(endpoint: _Endpoint, peer: Any) -> str:
    """Why a peer and we exchange no messages; '' where we do."""
    where = f'{endpoint.topic}: node {_full_name(peer)}'
    if peer.topic_type != endpoint.kind:
        return f'{where} uses type {peer.topic_type}, expected {endpoint.kind}'
    ours, theirs = endpoint.qos, peer.qos_profile
    pair = (ours, theirs) if endpoint.is_publisher else (theirs, ours)
    if not (policies := incompatible_policies(*pair)):
        return ''
    return (
        f'{where}: incompatible QoS ({", ".join(policies)}): no messages will be '
        f'{"delivered to it" if endpoint.is_publisher else "received from it"}'
    )


def incompatible_policies(offered: QoSProfile, requested: QoSProfile) -> list[str]:
    """Policies of a subscription (`requested`) that a publisher (`offered`) does not meet.

    The rules are those of DDS. `rclpy.qos.qos_check_compatible` does not know that a deadline of
    0 and an infinite one are the same, and the graph reports the second where we set the first.
    """
    failed = {
        'reliability': offered.reliability == ReliabilityPolicy.BEST_EFFORT
        and requested.reliability == ReliabilityPolicy.RELIABLE,
        'durability': offered.durability == DurabilityPolicy.VOLATILE
        and requested.durability == DurabilityPolicy.TRANSIENT_LOCAL,
        'deadline': _period_ns(offered.deadline) > _period_ns(requested.deadline),
        'liveliness': offered.liveliness != LivelinessPolicy.MANUAL_BY_TOPIC
        and requested.liveliness == LivelinessPolicy.MANUAL_BY_TOPIC,
        'liveliness_lease_duration': _period_ns(offered.liveliness_lease_duration)
        > _period_ns(requested.liveliness_lease_duration),
    }
    return [name for name, is_incompatible in failed.items() if is_incompatible]


def _period_ns(duration: Duration) -> int:
    return int(duration.nanoseconds) if 0 < duration.nanoseconds < _LONGEST_NS else _LONGEST_NS
