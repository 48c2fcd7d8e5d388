"""Actions that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from ..action import Action
from ..event import Event
from ..event_handler import EventHandler
from ..event_handlers import OnShutdown
from ..events import TimerEvent
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity
from ..some_substitutions_type import SomeSubstitutionsType
from ..utilities import normalize_typed_substitution, perform_typed_substitution
from .functions import OpaqueFunction


class TimerAction(Action):
    """Visits its actions once, `period` seconds after it is carried out itself."""

    def __init__(
        self,
        *,
        period: float | SomeSubstitutionsType,
        actions: Iterable[LaunchDescriptionEntity],
        cancel_on_shutdown: bool | SomeSubstitutionsType = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.__period = normalize_typed_substitution(
            float(period) if isinstance(period, (int, str)) else period, float
        )
        self.__actions = list(actions)
        self.__cancel_on_shutdown = normalize_typed_substitution(cancel_on_shutdown, bool)
        self.__done: asyncio.Future | None = None
        self.__handle: asyncio.TimerHandle | None = None
        self.__canceled = False

    @property
    def period(self) -> Any:
        """Seconds to wait."""
        return self.__period

    @property
    def actions(self) -> list[LaunchDescriptionEntity]:
        """What is visited then."""
        return self.__actions

    def describe_conditional_sub_entities(
        self,
    ) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        """What is visited then."""
        return [(f'{self.__period} seconds pass', self.__actions)]

    def cancel(self) -> None:
        """Wait no longer, and do nothing."""
        self.__canceled = True
        if self.__handle is not None:
            self.__handle.cancel()
        if self.__done is not None and not self.__done.done():
            self.__done.set_result(None)

    def execute(self, context: LaunchContext) -> None:
        """Begin to wait."""
        if self.__canceled:
            return
        loop = context.asyncio_loop
        assert loop is not None, 'a timer needs a running launch'
        self.__done = loop.create_future()
        mine = dict(context.get_locals_as_dict())

        def fire() -> None:
            context.emit_event_sync(TimerEvent(timer_action=self))
            if self.__done is not None and not self.__done.done():
                self.__done.set_result(None)

        def visit(context: LaunchContext) -> list[LaunchDescriptionEntity]:
            context.extend_locals(mine)
            return self.__actions

        def matches(event: Event) -> bool:
            return isinstance(event, TimerEvent) and event.timer_action is self

        context.register_event_handler(
            EventHandler(
                matcher=matches, entities=OpaqueFunction(function=visit), handle_once=True
            )
        )
        if perform_typed_substitution(context, self.__cancel_on_shutdown, bool):
            context.register_event_handler(OnShutdown(on_shutdown=lambda *_: self.cancel()))
        period = perform_typed_substitution(context, self.__period, float)
        self.__handle = loop.call_later(period, fire)

    def get_asyncio_future(self) -> asyncio.Future | None:
        """Done when the time has come."""
        return self.__done
