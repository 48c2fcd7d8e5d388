"""A text that is known only while launching."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .launch_context import LaunchContext


class Substitution:
    """Base of all substitutions: `perform` gives the text."""

    def describe(self) -> str:
        """How the substitution shows in a list of arguments."""
        return repr(self)

    def perform(self, context: LaunchContext) -> str:
        """The text in this context."""
        raise TypeError(f'{type(self).__name__} does not say how it is performed')
