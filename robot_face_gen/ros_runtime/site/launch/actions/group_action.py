"""Several actions as one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..action import Action
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity
from ..some_substitutions_type import SomeSubstitutionsType
from .configurations import (
    PopLaunchConfigurations,
    PushLaunchConfigurations,
    ResetLaunchConfigurations,
    SetLaunchConfiguration,
)
from .environment import PopEnvironment, PushEnvironment, ResetEnvironment


class GroupAction(Action):
    """Actions under one condition; where scoped, what they set ends with the group.

    Args:
        actions: The actions.
        scoped: Whether configurations and environment are as before after the group.
        forwarding: Whether a scoped group begins with what was set before it.
        launch_configurations: Configurations to set for the group.
    """

    def __init__(
        self,
        actions: Iterable[Action],
        *,
        scoped: bool = True,
        forwarding: bool = True,
        launch_configurations: dict[SomeSubstitutionsType, SomeSubstitutionsType] | None = None,
        **left_over_kwargs: Any,
    ) -> None:
        super().__init__(**left_over_kwargs)
        given = launch_configurations or {}
        sets = [SetLaunchConfiguration(name, value) for name, value in given.items()]
        inside: list[Action]
        if not scoped:
            inside = [*sets, *actions]
        else:
            begin = sets if forwarding else [ResetEnvironment(), ResetLaunchConfigurations(given)]
            inside = [
                PushLaunchConfigurations(),
                PushEnvironment(),
                *begin,
                *actions,
                PopEnvironment(),
                PopLaunchConfigurations(),
            ]
        self.__inside: list[LaunchDescriptionEntity] = list(inside)

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """The actions, with what begins and ends the scope."""
        return self.__inside

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        """The actions are visited next."""
        return self.__inside
