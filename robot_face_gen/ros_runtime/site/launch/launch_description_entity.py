"""What a launch description is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class LaunchDescriptionEntity:
    """Base of actions and of the description itself."""

    def describe(self) -> str:
        """How the entity shows."""
        return repr(self)

    def describe_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """Entities inside, as far as they are known without launching."""
        return []

    def describe_conditional_sub_entities(
        self,
    ) -> list[tuple[str, Iterable[LaunchDescriptionEntity]]]:
        """Entities inside that come only under a condition: (the condition, they)."""
        return []

    def visit(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Do what there is to do; what comes back is visited next."""
        return None

    def get_asyncio_future(self) -> asyncio.Future | None:
        """Done when the entity is; None where it is done at once."""
        return None
