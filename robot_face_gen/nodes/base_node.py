# SPDX-License-Identifier: Apache-2.0
"""The base class of all nodes: parameters, health, worker threads, orderly shutdown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

try:  # Iron and later
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

from robot_face_gen.pipeline.health import Health

from .diagnostics import PERIOD_S, Diagnostics
from .graph_watch import GraphWatch
from .parameter_table import Parameters, ParameterTable, Values

SIM_POLL_S = 0.005  # simulated time gives no notice when it advances: polling interval
SLEEP_S = 1.0  # the system clock can be set: longest sleep
JOIN_S = 5.0
FALL_NS = 1_000_000_000


def fell_back(before_ns: int, now_ns: int) -> bool:
    """Whether a clock jumped back from `before_ns`, as when a simulation restarts."""
    return now_ns < before_ns - FALL_NS


def sensor_qos(depth: int) -> QoSProfile:
    """Best effort, because late frames are useless; can be overridden by parameters."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT
    )


def new_health() -> Health:
    """A health whose common counters exist from the start."""
    health = Health()
    for name in ('dropped', 'invalid'):
        health.count(name, 0)
    return health


class BaseNode(Node, Generic[Values]):
    """A node of the graph; `table` has its name and its parameters.

    Raises:
        ValueError: a parameter given at start-up is refused.
    """

    def __init__(self, table: ParameterTable[Values]) -> None:
        self.exit_code: int | None = None  # set by any thread to end the node
        # Before Node.__init__: a Ctrl-C during that calls destroy_node.
        self.stopping = threading.Event()
        self._workers: list[threading.Thread] = []
        super().__init__(table.node)
        self.health = new_health()
        self._parameters_declared = Parameters(self, table, self.on_change)
        if unknown := self._parameters_declared.unknown:
            names = ', '.join(unknown)
            self.get_logger().warning(f'unknown parameters have no effect: {names}')
            self.health.fact('unknown_parameters', names)
            self.health.count('unknown', len(unknown))
        self._watch = GraphWatch(self)
        self.diagnostics = Diagnostics(self, self.health, self._watch.look)
        self.every(PERIOD_S, self.diagnostics.publish)

    @property
    def parameters(self) -> Values:
        """The parameters in force."""
        return self._parameters_declared.values

    def on_change(self, changes: dict[str, Any]) -> None:
        """Apply changed parameters; a ValueError refuses the change."""

    def now_ns(self) -> int:
        """The node's time (simulated where use_sim_time says so), ns."""
        return int(self.get_clock().now().nanoseconds)

    def sleep_until(self, stamp_ns: int) -> bool:
        """Sleep until the node's clock shows `stamp_ns`; False if the node is stopping.

        A clock that jumps back (`fell_back`) ends the sleep too; the caller checks the time.
        """
        begin_ns = now_ns = self.now_ns()
        while now_ns < stamp_ns and not self.stopping.is_set():
            simulated = self.get_parameter('use_sim_time').value
            left_s = (stamp_ns - now_ns) / 1e9
            self.stopping.wait(min(left_s, SIM_POLL_S if simulated else SLEEP_S))
            now_ns = self.now_ns()
            if fell_back(begin_ns, now_ns):
                break
        return not self.stopping.is_set()

    def subscribe(
        self,
        kind: type,
        topic: str,
        callback: Callable[[Any], None],
        *,
        flow: str,
        stall_s: float,
        depth: int = 10,
        health: Health | None = None,
    ) -> Any:
        """Subscribe to a sensor topic; a message that `callback` refuses is counted and dropped.

        The callback refuses a bad message with a ValueError. `flow` is the name of its count and
        rate in the diagnostics; silence of more than `stall_s` raises the level. The middleware
        keeps `depth` messages while the executor is busy. Without a health, the node's counts
        them.
        """
        resolved, health = self.resolve_topic_name(topic), health or self.health
        health.add_flow(flow, resolved, stall_s)

        def receive(message: Any) -> None:
            health.tick(flow)
            try:
                callback(message)
            except ValueError as error:
                text = f'{resolved}: message dropped: {error}'
                field = str(error).split('[')[0].split(' ')[0]  # each is a fault of its own
                health.count('invalid', trouble=text, about=f'{resolved} {field}')

        subscription = self.create_subscription(
            kind,
            topic,
            receive,
            sensor_qos(depth),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )
        self._watch.add(subscription, kind, health, is_publisher=False)
        return subscription

    def unsubscribe(self, subscription: Any, flow: str) -> None:
        """End a subscription of the node; its flow leaves the diagnostics."""
        self._watch.remove(subscription)
        self.health.remove_flow(flow)
        self.destroy_subscription(subscription)

    def advertise(
        self,
        kind: type,
        topic: str,
        *,
        flow: str,
        depth: int = 10,
        health: Health | None = None,
        reliable: bool = False,
    ) -> Any:
        """A publisher on a sensor topic, or a reliable one for commands.

        `flow` and `health` are those of `subscribe`.
        """
        health = health or self.health
        health.add_flow(flow)
        publisher = self.create_publisher(
            kind,
            topic,
            QoSProfile(depth=depth) if reliable else sensor_qos(depth),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
        )
        self._watch.add(publisher, kind, health, is_publisher=True)
        return publisher

    def every(self, period_s: float, callback: Callable[[], None]) -> Any:
        """A timer in real time: it goes on while simulated time stands still."""
        return self.create_timer(period_s, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def start_worker(self, work: Callable[[], None], name: str) -> None:
        """Run `work` in a thread until it returns; it must check `stopping`."""

        def run() -> None:
            try:
                work()
            except Exception as error:
                # After Ctrl-C, publishers are destroyed while workers still run.
                if not self.stopping.is_set() and self.context.ok():
                    self.get_logger().fatal(f'{name}: {type(error).__name__}: {error}')
                    self.exit_code = 1

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._workers.append(thread)
        thread.start()

    def finish(self) -> None:
        """End the node without an error; any thread may call it."""
        self.exit_code = 0

    def destroy_node(self) -> None:
        """Stop the workers, then destroy the node."""
        self.stopping.set()
        for worker in self._workers:
            worker.join(JOIN_S)
        if self.exit_code is not None:
            self.diagnostics.publish()  # log what has happened since the last report
        super().destroy_node()
