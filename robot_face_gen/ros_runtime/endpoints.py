"""Publishers, subscriptions and guard conditions by rclpy's names."""

import time
from collections.abc import Callable
from typing import Any

from cyclonedds.core import GuardCondition as DdsGuardCondition

from .dds import Reader, Writer, delete
from .duration import Duration
from .events import PublisherEventCallbacks, SubscriptionEventCallbacks
from .exceptions import InvalidHandle, RCLError
from .messages import deserialize, serialize
from .qos import QoSProfile


class Publisher:
    """Sends messages to a topic."""

    def __init__(self, publisher_impl: Writer, msg_type: Any, topic: str, qos_profile: QoSProfile,
                 event_callbacks: PublisherEventCallbacks, callback_group: Any) -> None:
        self._impl = publisher_impl
        self.msg_type = msg_type
        self.topic = topic
        self.qos_profile = qos_profile
        self.event_handlers = event_callbacks.create_event_handlers(
            callback_group, publisher_impl, publisher_impl.topic_name)

    def publish(self, msg: Any) -> None:
        """Send a message, or its bytes.

        Raises:
            TypeError: It is no message of the topic's type.
            RCLError: The context was shut down or the publisher destroyed.
        """
        if not self._impl.context.ok():
            raise RCLError("Failed to publish: publisher's context is invalid")
        if isinstance(msg, self.msg_type):
            data = serialize(msg)
        elif isinstance(msg, bytes):
            data = msg
        else:
            raise TypeError(f'Expected {self.msg_type}, got {type(msg)}')
        if not self._impl.write(data):
            self._impl.on_full(self.topic)

    def get_subscription_count(self) -> int:
        """Number of subscriptions that get its messages."""
        return self._impl.matched()

    @property
    def topic_name(self) -> str:
        """Resolved name of the topic."""
        return self._impl.topic_name

    @property
    def handle(self) -> Writer:
        """What lies below."""
        return self._impl

    def destroy(self) -> None:
        """Leave the graph."""
        self._impl.close()

    def assert_liveliness(self) -> None:
        """Show that it lives, for topics where publishers have to."""
        self._impl.entity._dll_handle.dds_assert_liveliness(self._impl.entity._ref)

    def wait_for_all_acked(self, timeout: Duration | None = None) -> bool:
        """Wait until every reliable subscription has everything (None: without limit)."""
        forever = timeout is None or timeout.nanoseconds < 0
        limit = 2 ** 63 - 1 if timeout is None or forever else timeout.nanoseconds
        return self._impl.entity._wait_for_acks(self._impl.entity._ref, limit) == 0


class Subscription:
    """Receives messages of a topic."""

    def __init__(self, subscription_impl: Reader, msg_type: Any, topic: str,
                 callback: Callable[[Any], Any], callback_group: Any, qos_profile: QoSProfile,
                 raw: bool, event_callbacks: SubscriptionEventCallbacks) -> None:
        self._impl = subscription_impl
        self.msg_type = msg_type
        self.topic = topic
        self.callback = callback
        self.callback_group = callback_group
        self.qos_profile = qos_profile
        self.raw = raw
        self.event_handlers = event_callbacks.create_event_handlers(
            callback_group, subscription_impl, subscription_impl.topic_name)

    def _handles(self) -> list[int]:
        return [] if self._impl._closed else [self._impl.condition._ref]

    def _take(self) -> Callable[[], Any] | None:
        taken = self._impl.take()
        if taken is None:
            return None
        # Bytes that are no such message are an error of whoever sent them: raised where it spins.
        return lambda: self.callback(
            taken[0] if self.raw else deserialize(taken[0], self.msg_type))

    def get_publisher_count(self) -> int:
        """Number of publishers whose messages it gets (not in humble's rclpy)."""
        return self._impl.matched()

    @property
    def handle(self) -> Reader:
        """What lies below."""
        return self._impl

    def destroy(self) -> None:
        """Leave the graph."""
        self._impl.close()

    @property
    def topic_name(self) -> str:
        """Resolved name of the topic."""
        return self._impl.topic_name


class GuardCondition:
    """Runs a callback in the thread that spins, when asked from any thread."""

    def __init__(self, callback: Callable[[], Any] | None, callback_group: Any,
                 context: Any = None) -> None:
        from .context import get_default_context
        self._context = get_default_context() if context is None else context
        self.callback = callback
        self.callback_group = callback_group
        self._guard: Any = DdsGuardCondition(self._context.participant.entity)

    def trigger(self) -> None:
        """Ask for the callback."""
        if self._guard is None:
            raise InvalidHandle('cannot use GuardCondition because it was destroyed')
        self._guard.set(True)

    def _handles(self) -> list[int]:
        return [] if self._guard is None else [self._guard._ref]

    def _take(self) -> Callable[[], Any] | None:
        if self._guard is None or not self._guard.take():
            return None
        return self.callback or (lambda: None)

    @property
    def handle(self) -> 'GuardCondition':
        """Itself: there is nothing below."""
        return self

    def destroy(self) -> None:
        """Stop for good."""
        guard, self._guard = self._guard, None
        delete(guard)


class SlowReaderNotice:
    """Says now and then that messages are lost to a reader that lags behind."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._lost = 0
        self._said = 0.0

    def __call__(self, topic: str) -> None:
        """Note one lost message."""
        self._lost += 1
        if time.monotonic() - self._said > 5.0:
            self._said = time.monotonic()
            self._logger.warn(f'{self._lost} message(s) on {topic} not sent: a reliable '
                              'subscription lags behind')
