"""What is known while launching."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Iterable, MutableMapping
from types import SimpleNamespace
from typing import Any

from .event import Event
from .event_handler import BaseEventHandler
from .substitution import Substitution


class LaunchContext:
    """Configurations, environment, handlers and events of one launch."""

    def __init__(self, *, argv: Iterable[str] | None = None, noninteractive: bool = False) -> None:
        self.__argv = argv if argv is not None else []
        self.__noninteractive = noninteractive
        self.__configurations: dict[str, Any] = {}
        self.__configurations_stack: list[dict[str, Any]] = []
        self.__environment_stack: list[dict[str, str]] = []
        self.__environment_at_start = os.environ.copy()
        self.__globals: dict[str, Any] = {}
        self.__locals: dict[str, Any] = {}
        self.__locals_stack: list[dict[str, Any]] = []
        self.__loop: asyncio.AbstractEventLoop | None = None
        self.__is_shutdown = False
        self._event_handlers: deque[BaseEventHandler] = deque()
        self._events: deque[Event] = deque()
        self._wake: asyncio.Event | None = None
        self._completion_futures: list[asyncio.Future] = []

    @property
    def argv(self) -> Iterable[str]:
        """Words of the command line."""
        return self.__argv

    @property
    def noninteractive(self) -> bool:
        """Whether no terminal belongs to the launch."""
        return self.__noninteractive

    @property
    def is_shutdown(self) -> bool:
        """Whether everything is being ended."""
        return self.__is_shutdown

    @property
    def asyncio_loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop that the launch runs in; None before it runs."""
        return self.__loop

    def _set_is_shutdown(self, state: bool) -> None:
        self.__is_shutdown = state

    def _set_asyncio_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self.__loop = loop
        self._wake = asyncio.Event() if loop else None

    def add_completion_future(self, completion_future: asyncio.Future) -> None:
        """Have the launch wait for one thing more."""
        self._completion_futures.append(completion_future)

    @property
    def launch_configurations(self) -> dict[str, Any]:
        """Values of launch arguments and other configurations."""
        return self.__configurations

    def _push_launch_configurations(self) -> None:
        # Lists (of remappings, of parameters) too: a group must not add to those outside it.
        self.__configurations_stack.append(self.__configurations)
        self.__configurations = {
            name: list(value) if isinstance(value, list) else value
            for name, value in self.__configurations.items()
        }

    def _pop_launch_configurations(self) -> None:
        self.__configurations = self.__configurations_stack.pop()

    @property
    def environment(self) -> MutableMapping[str, str]:
        """Environment that processes get: this process' own."""
        return os.environ

    def _push_environment(self) -> None:
        self.__environment_stack.append(os.environ.copy())

    def _pop_environment(self) -> None:
        self.__restore_environment(self.__environment_stack.pop())

    def _reset_environment(self) -> None:
        self.__restore_environment(self.__environment_at_start)

    @staticmethod
    def __restore_environment(saved: dict[str, str]) -> None:
        os.environ.clear()
        os.environ.update(saved)

    @property
    def locals(self) -> SimpleNamespace:
        """What holds at this place: the event being handled, the launch file being read."""
        return SimpleNamespace(**self.get_locals_as_dict())

    def get_locals_as_dict(self) -> dict[str, Any]:
        """What holds at this place, by name."""
        return {**self.__globals, **self.__locals}

    def extend_globals(self, extensions: dict[str, Any]) -> None:
        """Add to what holds everywhere."""
        self.__globals.update(extensions)

    def extend_locals(self, extensions: dict[str, Any]) -> None:
        """Add to what holds until the present event is handled."""
        self.__locals.update(extensions)

    def _push_locals(self) -> None:
        self.__locals_stack.append(dict(self.__locals))

    def _pop_locals(self) -> None:
        self.__locals = self.__locals_stack.pop()

    def would_handle_event(self, event: Event) -> bool:
        """Whether any handler is for this event."""
        return any(handler.matches(event) for handler in self._event_handlers)

    def register_event_handler(
        self, event_handler: BaseEventHandler, append: bool = False
    ) -> None:
        """Add a handler, before the others unless `append`."""
        if append:
            self._event_handlers.append(event_handler)
        else:
            self._event_handlers.appendleft(event_handler)

    def unregister_event_handler(self, event_handler: BaseEventHandler) -> None:
        """Remove a handler."""
        self._event_handlers.remove(event_handler)

    def emit_event_sync(self, event: Event) -> None:
        """Say that something happened; from the loop's own thread."""
        self._events.append(event)
        if self._wake is not None:
            self._wake.set()

    async def emit_event(self, event: Event) -> None:
        """Say that something happened."""
        self.emit_event_sync(event)

    def perform_substitution(self, substitution: Substitution) -> str:
        """A substitution's text here."""
        return substitution.perform(self)
