# SPDX-License-Identifier: Apache-2.0
"""A subscription to a topic of which nothing is known before, for `robot-face-gen topic`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.qos import QoSProfile

LOOK_S = 0.1  # how often new publishers are looked for


class Listener:
    """A subscription that fits the topic's publishers, those too that come after it."""

    def __init__(
        self,
        node: Node,
        message_type: Any,
        name: str,
        callback: Callable[[Any], None],
        *,
        raw: bool = False,
    ) -> None:
        self._node, self._name, self._callback = node, name, callback
        self._type, self._raw = message_type, raw
        self._looked = time.monotonic()
        self._subscribe(suited_qos(node, name))

    def _subscribe(self, profile: QoSProfile) -> None:
        self._profile = profile
        self._subscription = self._node.create_subscription(
            self._type, self._name, self._callback, profile, raw=self._raw
        )

    def adapt(self) -> None:
        """Subscribe anew where other publishers have come that ask for it."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        profile = suited_qos(self._node, self._name)
        if (profile.reliability, profile.durability) != (
            self._profile.reliability,
            self._profile.durability,
        ):
            self._node.destroy_subscription(self._subscription)
            self._subscribe(profile)


def suited_qos(node: Node, name: str) -> QoSProfile:
    """What all publishers of the topic can serve."""
    from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

    offered = [info.qos_profile for info in node.get_publishers_info_by_topic(name)]
    profile = QoSProfile(depth=100)
    if any(one.reliability != ReliabilityPolicy.RELIABLE for one in offered):
        profile.reliability = ReliabilityPolicy.BEST_EFFORT
    if offered and all(one.durability == DurabilityPolicy.TRANSIENT_LOCAL for one in offered):
        profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return profile
