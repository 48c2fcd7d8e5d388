"""Publishes a node's health on /diagnostics once a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType

from .health import ERROR, OK, WARN, Health, Report

if TYPE_CHECKING:
    from rclpy.node import Node

PERIOD_S = 1.0
REMIND_S = 10.0
_LEVELS = {OK: DiagnosticStatus.OK, WARN: DiagnosticStatus.WARN, ERROR: DiagnosticStatus.ERROR}


def status_message(name: str, hardware_id: str, report: Report) -> DiagnosticStatus:
    """A report as ROS 2 knows it."""
    return DiagnosticStatus(
        level=_LEVELS[report.level],
        name=name,
        message=report.message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value) for key, value in report.values.items()],
    )


class Diagnostics:
    """One status a node, with a log line whenever its level changes or it goes on waiting.

    `look` is called before each report.
    """

    def __init__(
        self, node: Node, health: Health, look: Callable[[], None] = lambda: None
    ) -> None:
        self._node = node
        self._health = health
        self._look = look
        self._name = node.get_fully_qualified_name().lstrip('/')
        self._level = OK
        self._reminded = 0
        # Reliable and depth 10, as diagnostic_updater has it.
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # By a clock of its own: without /clock simulated time stands still: that must be told.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(PERIOD_S, self.publish, clock=steady)

    def publish(self) -> None:
        """Sum up, log what has changed, publish."""
        self._look()
        report = self._health.report()
        self._log(report)
        message = DiagnosticArray(status=[status_message(self._name, '', report)])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _log(self, report: Report) -> None:
        logger = self._node.get_logger()
        waiting = self._health.waiting_for()
        if self._node.get_clock().now().nanoseconds == 0:
            waiting = ['/clock', *waiting]
        if waiting:
            if self._reminded % round(REMIND_S / PERIOD_S) == 0:
                logger.info(f'waiting for {", ".join(waiting)}')
            self._reminded += 1
        if report.level != self._level:
            if report.level == OK:
                logger.info('all is well again')
            elif report.level == ERROR and report.not_logged:
                logger.error(report.not_logged)
            elif report.not_logged and not waiting:
                logger.warning(report.not_logged)
            self._level = report.level
