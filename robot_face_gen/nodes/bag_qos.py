# SPDX-License-Identifier: Apache-2.0
"""QoS profiles of recorded topics as the text that bags contain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from rclpy.duration import Duration
from rclpy.qos import QoSProfile

from robot_face_gen.timing import SECOND_NS

_POLICIES = ('history', 'reliability', 'durability', 'liveliness')
_DURATIONS = ('deadline', 'lifespan', 'liveliness_lease_duration')


def profiles_text(profiles: Sequence[QoSProfile]) -> str:
    """The profiles of a topic's publishers as `offered_qos_profiles` of a bag (YAML).

    Policies are numbers, as rosbag2 up to version 8 of its metadata has them; later versions
    read both.
    """
    return yaml.safe_dump([_plain(profile) for profile in profiles])


def _plain(profile: QoSProfile) -> dict[str, Any]:
    values: dict[str, Any] = {name: int(getattr(profile, name)) for name in _POLICIES}
    values['depth'] = int(profile.depth)
    for name in _DURATIONS:
        duration: Duration = getattr(profile, name)
        seconds, nanoseconds = divmod(int(duration.nanoseconds), SECOND_NS)
        values[name] = {'sec': seconds, 'nsec': nanoseconds}
    values['avoid_ros_namespace_conventions'] = bool(profile.avoid_ros_namespace_conventions)
    return values
