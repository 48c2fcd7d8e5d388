"""A launch file inside another."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ..action import Action
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity
from ..launch_description_source import LaunchDescriptionSource
from ..launch_description_sources import AnyLaunchDescriptionSource
from ..some_substitutions_type import SomeSubstitutionsType
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions
from .configurations import SetLaunchConfiguration


class IncludeLaunchDescription(Action):
    """Visits another launch file's description, with arguments for it."""

    def __init__(
        self,
        launch_description_source: LaunchDescriptionSource | SomeSubstitutionsType,
        *,
        launch_arguments: Iterable[tuple[SomeSubstitutionsType, SomeSubstitutionsType]]
        | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(launch_description_source, LaunchDescriptionSource):
            launch_description_source = AnyLaunchDescriptionSource(launch_description_source)
        self.__source = launch_description_source
        self.__arguments = () if launch_arguments is None else tuple(launch_arguments)

    @property
    def launch_description_source(self) -> LaunchDescriptionSource:
        """Where the description comes from."""
        return self.__source

    @property
    def launch_arguments(self) -> tuple[tuple[SomeSubstitutionsType, SomeSubstitutionsType], ...]:
        """Names and values of the arguments."""
        return self.__arguments

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """The description where it is known before launching."""
        description = self.__source.try_get_launch_description_without_context()
        return [] if description is None else [description]

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        """Read the file; its arguments and its description are visited next.

        Raises:
            RuntimeError: An argument that it requires is not given; names it.
        """
        description = self.__source.get_launch_description(context)
        path = os.path.abspath(self.__source.location)
        context.extend_locals(
            {
                'current_launch_file_path': path,
                'current_launch_file_directory': os.path.dirname(path),
            }
        )
        given = [
            perform_substitutions(context, normalize_to_list_of_substitutions(name))
            for name, _ in self.__arguments
        ]
        for argument in description.get_launch_arguments():
            if (
                argument.default_value is None
                and not argument._conditionally_included
                and argument.name not in [*given, *context.launch_configurations]
            ):
                raise RuntimeError(
                    f"{self.__source.location} requires the launch argument '{argument.name}' "
                    f"(description: '{argument.description}'), given: {given or 'none'}"
                )
        sets = [SetLaunchConfiguration(name, value) for name, value in self.__arguments]
        return [*sets, description]
