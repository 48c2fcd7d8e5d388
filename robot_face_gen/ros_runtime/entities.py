"""What a node owns and how it ends: publishers, subscriptions and so on, by rclpy's names."""

import weakref
from collections.abc import Callable, Iterator
from typing import Any

from . import console
from .callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from .context import Context
from .dds import Reader, Writer
from .endpoints import GuardCondition, Publisher, Subscription
from .graph import NodeEntry
from .services import Client, Service
from .timer import Rate, Timer


class EntitiesMixin:
    """The part of a node that owns what the executor waits for."""

    _context: Context
    _logger: console.RcutilsLogger

    def _init_entities(self, entry: NodeEntry) -> None:
        self._entry = entry
        self._version = 0
        self._publishers: list[Publisher] = []
        self._subscriptions: list[Subscription] = []
        self._clients: list[Client] = []
        self._services: list[Service] = []
        self._timers: list[Timer] = []
        self._guards: list[GuardCondition] = []
        self._waitables: list[Any] = []
        self._rates: list[tuple[Rate, Timer]] = []
        self._default_callback_group = MutuallyExclusiveCallbackGroup()
        self._rate_group = ReentrantCallbackGroup()
        self._executor_ref: Callable[[], Any] = lambda: None

    @property
    def default_callback_group(self) -> MutuallyExclusiveCallbackGroup:
        """Group of the callbacks for which none is named."""
        return self._default_callback_group

    @property
    def publishers(self) -> Iterator[Publisher]:
        """The node's publishers."""
        yield from self._publishers

    @property
    def subscriptions(self) -> Iterator[Subscription]:
        """The node's subscriptions."""
        yield from self._subscriptions

    @property
    def clients(self) -> Iterator[Client]:
        """The node's clients."""
        yield from self._clients

    @property
    def services(self) -> Iterator[Service]:
        """The node's services."""
        yield from self._services

    @property
    def timers(self) -> Iterator[Timer]:
        """The node's timers."""
        yield from self._timers

    @property
    def guards(self) -> Iterator[GuardCondition]:
        """The node's guard conditions."""
        yield from self._guards

    @property
    def waitables(self) -> Iterator[Any]:
        """What else the node waits for: the events of its endpoints."""
        yield from self._waitables

    @property
    def executor(self) -> Any:
        """What cares for the node now; None where nothing does."""
        return self._executor_ref()

    @executor.setter
    def executor(self, new_executor: Any) -> None:
        current = self._executor_ref()
        if current is new_executor:
            return
        if current is not None:
            current.remove_node(self)
        self._executor_ref = (lambda: None) if new_executor is None else weakref.ref(new_executor)
        if new_executor is not None:
            new_executor.add_node(self)

    @property
    def _executor(self) -> Any:
        return self._executor_ref()

    @_executor.setter
    def _executor(self, value: Any) -> None:
        self._executor_ref = (lambda: None) if value is None else weakref.ref(value)

    def _current_executor(self) -> Any:
        return self._executor_ref()

    def _changed(self) -> None:
        """The node has other entities than before: announce and wait for those."""
        self._version += 1
        self._wake_executor()

    def _wake_executor(self) -> None:
        executor = self._executor_ref()
        if executor is not None:
            executor.wake()

    def _executables(self) -> list[Any]:
        return [*self._subscriptions, *self._services, *self._clients, *self._guards,
                *self._waitables]

    def _timer_list(self) -> list[Timer]:
        return list(self._timers)

    def _own(self, impl: Reader | Writer, name: str) -> None:
        impl.context, impl.topic_name, impl.logger_name = self._context, name, self._logger.name

    def _enter(self, waitables: list[Any]) -> None:
        self._waitables.extend(waitables)
        self._context.announcer.changed()
        self._changed()

    def add_waitable(self, waitable: Any) -> None:
        """Wait for something else too."""
        self._enter([waitable])

    def remove_waitable(self, waitable: Any) -> None:
        """Wait for it no more."""
        self._waitables.remove(waitable)
        self._changed()

    def _leave(self, owned: list[Any], thing: Any, handlers: list[Any], readers: list[bytes],
               writers: list[bytes]) -> bool:
        if thing not in owned:
            return False
        owned.remove(thing)
        for handler in handlers:
            self._waitables.remove(handler)
        for gid in readers:
            self._entry.readers.remove(gid)
        for gid in writers:
            self._entry.writers.remove(gid)
        thing.destroy()
        if self._context._announcer is not None and (readers or writers):
            self._context._announcer.changed()
        self._changed()
        return True

    def destroy_publisher(self, publisher: Publisher) -> bool:
        """Publish no more; False where it is not the node's."""
        return self._leave(self._publishers, publisher, publisher.event_handlers, [],
                           [publisher.handle.gid])

    def destroy_subscription(self, subscription: Subscription) -> bool:
        """Subscribe no more; False where it is not the node's."""
        return self._leave(self._subscriptions, subscription, subscription.event_handlers,
                           [subscription.handle.gid], [])

    def destroy_client(self, client: Client) -> bool:
        """Call no more; False where it is not the node's."""
        return self._leave(self._clients, client, [], [client.handle.reader.gid],
                           [client.handle.writer.gid])

    def destroy_service(self, service: Service) -> bool:
        """Offer it no more; False where it is not the node's."""
        return self._leave(self._services, service, [], [service.handle.reader.gid],
                           [service.handle.writer.gid])

    def destroy_timer(self, timer: Timer) -> bool:
        """Call back no more; False where it is not the node's."""
        return self._leave(self._timers, timer, [], [], [])

    def destroy_guard_condition(self, guard: GuardCondition) -> bool:
        """Wait for it no more; False where it is not the node's."""
        return self._leave(self._guards, guard, [], [], [])

    def destroy_rate(self, rate: Rate) -> bool:
        """Wake whoever sleeps; False where it is not the node's."""
        for entry in self._rates:
            if entry[0] is rate:
                self._rates.remove(entry)
                rate.destroy()
                return self.destroy_timer(entry[1])
        return False

    def _destroy_entities(self) -> None:
        for rate, _ in list(self._rates):
            self.destroy_rate(rate)
        everything: list[tuple[list[Any], Callable[[Any], bool]]] = [
            (self._publishers, self.destroy_publisher), (self._clients, self.destroy_client),
            (self._subscriptions, self.destroy_subscription),
            (self._services, self.destroy_service), (self._timers, self.destroy_timer),
            (self._guards, self.destroy_guard_condition)]
        for owned, destroy in everything:
            for thing in list(owned):
                destroy(thing)
