"""Python functions and messages as actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import logging
from ..action import Action
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity
from ..some_substitutions_type import SomeSubstitutionsType
from ..substitution import Substitution
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions


class OpaqueFunction(Action):
    """Calls `function(context, *args, **kwargs)`; the entities it returns are visited."""

    def __init__(
        self,
        *,
        function: Callable,
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        **left_over_kwargs: Any,
    ) -> None:
        super().__init__(**left_over_kwargs)
        if not callable(function):
            raise TypeError(f'OpaqueFunction: function must be callable, not {function!r}')
        self.__function = function
        self.__args = list(args) if args is not None else []
        self.__kwargs = dict(kwargs) if kwargs is not None else {}

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Call it."""
        return self.__function(context, *self.__args, **self.__kwargs)


class LogInfo(Action):
    """Says something on the screen."""

    def __init__(self, *, msg: SomeSubstitutionsType, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.__msg = normalize_to_list_of_substitutions(msg)

    @property
    def msg(self) -> list[Substitution]:
        """What it says."""
        return self.__msg

    def execute(self, context: LaunchContext) -> None:
        """Say it."""
        logging.get_logger('launch.user').info(perform_substitutions(context, self.__msg))
