"""Whether an action is carried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class Condition:
    """A predicate over the context."""

    def __init__(self, *, predicate: Callable[[LaunchContext], bool] | None = None) -> None:
        self._predicate = predicate

    def describe(self) -> str:
        """How the condition shows."""
        return repr(self)

    def evaluate(self, context: LaunchContext) -> bool:
        """Whether it holds."""
        return self._predicate is None or self._predicate(context)
