"""Events and their handlers as actions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import events, logging
from ..action import Action
from ..event import Event
from ..event_handler import BaseEventHandler
from ..events.process import ProcessExited
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity


class EmitEvent(Action):
    """Says that something happened."""

    def __init__(self, *, event: Event, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(event, Event):
            raise TypeError(f'EmitEvent: event must be an Event, not {event!r}')
        self.__event = event

    @property
    def event(self) -> Event:
        """What happened."""
        return self.__event

    def execute(self, context: LaunchContext) -> None:
        """Say so."""
        context.emit_event_sync(self.__event)


class Shutdown(EmitEvent):
    """Ends everything; as `on_exit` of a process it makes that process a required one."""

    def __init__(self, *, reason: str = 'reason not given', **kwargs: Any) -> None:
        super().__init__(event=events.Shutdown(reason=reason), **kwargs)

    def execute(self, context: LaunchContext) -> None:
        """End it."""
        event = context.get_locals_as_dict().get('event')
        if isinstance(event, ProcessExited):
            logging.get_logger('launch').info(
                f'process[{event.process_name}] was required: shutting down launched system'
            )
        super().execute(context)


class RegisterEventHandler(Action):
    """Adds a handler."""

    def __init__(self, event_handler: BaseEventHandler, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.__event_handler = event_handler

    @property
    def event_handler(self) -> BaseEventHandler:
        """The handler."""
        return self.__event_handler

    def describe_conditional_sub_entities(
        self,
    ) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        """Entities that the handler is known to give."""
        return [self.__event_handler.describe()]

    def execute(self, context: LaunchContext) -> None:
        """Add it."""
        context.register_event_handler(self.__event_handler)


class UnregisterEventHandler(Action):
    """Removes a handler."""

    def __init__(self, event_handler: BaseEventHandler, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.__event_handler = event_handler

    @property
    def event_handler(self) -> BaseEventHandler:
        """The handler."""
        return self.__event_handler

    def execute(self, context: LaunchContext) -> None:
        """Remove it."""
        context.unregister_event_handler(self.__event_handler)
