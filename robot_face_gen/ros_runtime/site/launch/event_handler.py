"""What is to be done when something happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .event import Event
from .launch_description_entity import LaunchDescriptionEntity

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class BaseEventHandler:
    """Base of all handlers: a matcher, and `handle`."""

    def __init__(self, *, matcher: Callable[[Event], bool], handle_once: bool = False) -> None:
        self.__matcher = matcher
        self.__handle_once = handle_once

    @property
    def handle_once(self) -> bool:
        """Whether the handler goes after its first event."""
        return self.__handle_once

    def matches(self, event: Event) -> bool:
        """Whether the handler is for this event."""
        return self.__matcher(event)

    def describe(self) -> tuple[str, list[LaunchDescriptionEntity]]:
        """How the handler shows, and the entities it is known to give."""
        return type(self).__name__, []

    def handle(self, event: Event, context: LaunchContext) -> Any:
        """Entities to visit because of the event; `context.locals.event` is the event."""
        context.extend_locals({'event': event})
        if self.handle_once:
            context.unregister_event_handler(self)
        return None


class EventHandler(BaseEventHandler):
    """A handler whose entities are given beforehand."""

    def __init__(
        self,
        *,
        matcher: Callable[[Event], bool],
        entities: Any = None,
        handle_once: bool = False,
    ) -> None:
        super().__init__(matcher=matcher, handle_once=handle_once)
        self.__entities = entities

    @property
    def entities(self) -> Any:
        """What is visited."""
        return self.__entities

    def describe(self) -> tuple[str, list[LaunchDescriptionEntity]]:
        """How the handler shows, and its entities."""
        return type(self).__name__, as_entities(self.__entities)

    def handle(self, event: Event, context: LaunchContext) -> Any:
        """The entities."""
        super().handle(event, context)
        return self.__entities


def as_entities(some: Any) -> list[LaunchDescriptionEntity]:
    """None, one entity or several of them as a list.

    Raises:
        TypeError: Something else is among them; names it.
    """
    if some is None:
        return []
    if isinstance(some, LaunchDescriptionEntity):
        return [some]
    entities = list(some) if isinstance(some, Iterable) else [some]
    for entity in entities:
        if entity is not None and not isinstance(entity, LaunchDescriptionEntity):
            raise TypeError(f'expected an action or another entity of a launch, not {entity!r}')
    return [entity for entity in entities if entity is not None]
