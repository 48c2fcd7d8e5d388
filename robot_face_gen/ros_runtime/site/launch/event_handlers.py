"""Handlers of what can happen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._subset import subset
from .event import Event
from .event_handler import BaseEventHandler, as_entities
from .events import Shutdown
from .events.process import ProcessExited, ProcessIO, ProcessStarted
from .launch_description_entity import LaunchDescriptionEntity

if TYPE_CHECKING:
    from .launch_context import LaunchContext

Target = Any  # an action, a callable that takes one and says whether it is meant, or None for all
Reaction = Any  # entities, or a callable that takes event and context and returns entities


class _OnEvent(BaseEventHandler):
    """Visits entities, or what a callable gives, when an event of one kind comes."""

    def __init__(
        self,
        kind: type[Event],
        reaction: Reaction,
        target: Target = None,
        handle_once: bool = False,
    ) -> None:
        def matches(event: Event) -> bool:
            if not isinstance(event, kind):
                return False
            if target is None:
                return True
            action = event.action  # type: ignore[attr-defined]
            return action is target or (callable(target) and bool(target(action)))

        if target is not None and not callable(target):
            from .actions import ExecuteLocal

            if not isinstance(target, ExecuteLocal):
                raise TypeError(
                    f'target_action must be the action of a process or a callable, not {target!r}'
                )
        super().__init__(matcher=matches, handle_once=handle_once)
        self._reaction: Callable | None = reaction if callable(reaction) else None
        self._entities = [] if callable(reaction) else as_entities(reaction)

    def describe(self) -> tuple[str, list[LaunchDescriptionEntity]]:
        """How the handler shows, and its entities."""
        return type(self).__name__, self._entities

    def handle(self, event: Event, context: LaunchContext) -> Any:
        """What is to be visited."""
        super().handle(event, context)
        return self._reaction(event, context) if self._reaction else self._entities


class OnProcessExit(_OnEvent):
    """When a process has ended."""

    def __init__(
        self, *, target_action: Target = None, on_exit: Reaction, handle_once: bool = False
    ) -> None:
        super().__init__(ProcessExited, on_exit, target_action, handle_once)


class OnProcessStart(_OnEvent):
    """When a process has been started."""

    def __init__(
        self, *, target_action: Target = None, on_start: Reaction, handle_once: bool = False
    ) -> None:
        super().__init__(ProcessStarted, on_start, target_action, handle_once)


class OnProcessIO(_OnEvent):
    """When a process says something."""

    def __init__(
        self,
        *,
        target_action: Target = None,
        on_stdin: Callable[[ProcessIO], Any] | None = None,
        on_stdout: Callable[[ProcessIO], Any] | None = None,
        on_stderr: Callable[[ProcessIO], Any] | None = None,
        handle_once: bool = False,
    ) -> None:
        def heard(event: ProcessIO, context: LaunchContext) -> Any:
            reaction = on_stdout if event.from_stdout else on_stderr
            return reaction(event) if reaction else None

        super().__init__(ProcessIO, heard, target_action, handle_once)


class OnShutdown(_OnEvent):
    """When everything is being ended."""

    def __init__(self, *, on_shutdown: Reaction, handle_once: bool = False) -> None:
        super().__init__(Shutdown, on_shutdown, None, handle_once)


__all__ = ['OnProcessExit', 'OnProcessIO', 'OnProcessStart', 'OnShutdown']
__getattr__ = subset(__name__, __all__)
