"""The description of what is launched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import logging
from .launch_context import LaunchContext
from .launch_description_entity import LaunchDescriptionEntity

if TYPE_CHECKING:
    from .action import Action
    from .actions import DeclareLaunchArgument


class LaunchDescription(LaunchDescriptionEntity):
    """A list of actions and further descriptions."""

    def __init__(
        self,
        initial_entities: Iterable[LaunchDescriptionEntity] | None = None,
        *,
        deprecated_reason: str | None = None,
    ) -> None:
        self.__entities = list(initial_entities) if initial_entities is not None else []
        self.__deprecated_reason = deprecated_reason

    @property
    def entities(self) -> list[LaunchDescriptionEntity]:
        """What it is made of."""
        return self.__entities

    @property
    def deprecated(self) -> bool:
        """Whether it should no longer be used."""
        return self.__deprecated_reason is not None

    @property
    def deprecated_reason(self) -> str | None:
        """Why it should no longer be used."""
        return self.__deprecated_reason

    def add_entity(self, entity: LaunchDescriptionEntity) -> None:
        """Add one at the end."""
        self.__entities.append(entity)

    def add_action(self, action: Action) -> None:
        """Add an action at the end."""
        self.add_entity(action)

    def describe_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """What it is made of."""
        return self.__entities

    def visit(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        """Everything in it is visited next."""
        if self.deprecated:
            where = context.get_locals_as_dict().get('current_launch_file_path', 'this launch')
            logging.get_logger('launch').warning(
                f'{where} is deprecated: {self.__deprecated_reason}'
            )
        return self.__entities

    def get_launch_arguments(
        self, conditional_inclusion: bool = False
    ) -> list[DeclareLaunchArgument]:
        """All arguments declared here and inside; of equal names the first."""
        from .actions import DeclareLaunchArgument, ResetLaunchConfigurations

        found: dict[str, DeclareLaunchArgument] = {}

        def search(entities: Iterable[LaunchDescriptionEntity], conditional: bool) -> None:
            for entity in entities:
                if isinstance(entity, ResetLaunchConfigurations):
                    return  # what is declared after this cannot be given from outside
                if isinstance(entity, DeclareLaunchArgument) and entity.name not in found:
                    entity._conditionally_included = conditional or entity.condition is not None
                    found[entity.name] = entity
                search(entity.describe_sub_entities(), False)
                for _, inside in entity.describe_conditional_sub_entities():
                    search(inside, True)

        search(self.entities, conditional_inclusion)
        return list(found.values())
