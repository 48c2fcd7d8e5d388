"""Base of everything that a launch file does."""

from __future__ import annotations

from collections.abc import Iterable

from .condition import Condition
from .launch_context import LaunchContext
from .launch_description_entity import LaunchDescriptionEntity


class Action(LaunchDescriptionEntity):
    """An intention, carried out by `execute` where its condition holds."""

    def __init__(self, *, condition: Condition | None = None) -> None:
        self.__condition = condition

    @property
    def condition(self) -> Condition | None:
        """Condition under which it is carried out; None is always."""
        return self.__condition

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """Entities inside, whatever the condition."""
        return []

    def describe_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """Entities inside that come in any case."""
        return self.get_sub_entities() if self.condition is None else []

    def describe_conditional_sub_entities(
        self,
    ) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        """Entities inside that come if the condition holds."""
        if self.condition is None:
            return []
        return [(f'Conditionally included by {self.describe()}', self.get_sub_entities())]

    def visit(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Carry the action out if its condition holds."""
        if self.condition is None or self.condition.evaluate(context):
            return self.execute(context)
        return None

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Carry the action out; what comes back is visited next."""
        return None
