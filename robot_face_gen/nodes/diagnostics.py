# SPDX-License-Identifier: Apache-2.0
"""Publishes a node's health on /diagnostics once a second."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from robot_face_gen.pipeline.health import ERROR, OK, WARN, Fault, Health

PERIOD_S = 1.0
REMIND_S = 10.0
_NUMBER = re.compile(r'[-+]?\d[\d.]*')
_MOST_TEXTS = 1000
_LEVELS = {OK: DiagnosticStatus.OK, WARN: DiagnosticStatus.WARN, ERROR: DiagnosticStatus.ERROR}


class Diagnostics:
    """Publishes a status for each health; logs every fault that begins or ends.

    `look` is called before each report. Call `publish` every PERIOD_S.
    """

    def __init__(self, node: Node, health: Health, look: Callable[[], None]) -> None:
        self._node = node
        self._look = look
        self._statuses = [_Status(node, '', health)]
        # Reliable and depth 10, as diagnostic_updater has it.
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def add(self, part: str, health: Health) -> None:
        """Also publish the health of a part of the node; `part` is its namespace."""
        self._statuses.append(_Status(self._node, part, health))

    def publish(self) -> None:
        """Publish all statuses and log changes."""
        try:
            self._publish()
        except RuntimeError as error:
            # Ctrl-C invalidates publisher and logger, and a moment later the context is not ok.
            if self._node.context.ok() and 'context is invalid' not in str(error):
                raise

    def _publish(self) -> None:
        self._look()
        now = self._node.get_clock().now()
        message = DiagnosticArray(
            status=[status.look(stands_still=now.nanoseconds == 0) for status in self._statuses]
        )
        message.header.stamp = now.to_msg()
        self._publisher.publish(message)


class _Standing(NamedTuple):
    """A fault that stands; `text` is '' if it was not logged."""

    since_s: float
    cause: str
    text: str


class _Status:
    """One health, and what was logged about it."""

    def __init__(self, node: Node, part: str, health: Health) -> None:
        self._logger, self._health = node.get_logger(), health
        self._name = '/'.join(filter(None, (part.strip('/'), node.get_name())))
        if not part:
            self._name = node.get_fully_qualified_name().lstrip('/')
        self._prefix = f'{part}: ' if part else ''
        self._standing: dict[str, _Standing] = {}  # by name
        self._logged_s: dict[str, float] = {}  # when a cause was last logged
        self._reminded = 0

    def look(self, *, stands_still: bool) -> DiagnosticStatus:
        """Make the status and log faults; `stands_still`: simulated time has not started."""
        report = self._health.report()
        waiting = self._health.waiting_for()
        if stands_still:
            waiting = ['/clock', *waiting]
        if waiting:
            if self._reminded % round(REMIND_S / PERIOD_S) == 0:
                self._logger.info(f'{self._prefix}waiting for {", ".join(waiting)}')
            self._reminded += 1
        self._log_changes(report.faults, time.monotonic())
        values = [KeyValue(key=key, value=value) for key, value in report.values.items()]
        level = _LEVELS[report.level]
        return DiagnosticStatus(
            level=level, name=self._name, message=report.message, values=values
        )

    def _log_changes(self, faults: Mapping[str, Fault], now_s: float) -> None:
        """Log each fault once when it begins and once when it ends, whatever else stands.

        The same text, apart from its numbers, is logged every REMIND_S at most; the diagnostics
        show all.
        """
        for name, fault in faults.items():
            cause = _NUMBER.sub('', fault.text)
            standing = self._standing.get(name)
            if fault.waiting or (standing is not None and standing.cause == cause):
                continue
            recent = now_s - self._logged_s.get(cause, -math.inf) < REMIND_S
            since_s = now_s if standing is None else standing.since_s
            self._standing[name] = _Standing(since_s, cause, '' if recent else fault.text)
            if recent:
                continue
            self._logged_s[cause] = now_s
            # rclpy allows only one severity for each line that logs.
            if fault.level == ERROR:
                self._logger.error(self._prefix + fault.text)
            else:
                self._logger.warning(self._prefix + fault.text)
        for name in [name for name in self._standing if name not in faults]:
            ended = self._standing.pop(name)
            if ended.text:
                seconds = f'{now_s - ended.since_s:.0f}'
                self._logger.info(f'{self._prefix}over after {seconds} s: {ended.text}')
        if len(self._logged_s) > _MOST_TEXTS:
            self._logged_s.clear()
