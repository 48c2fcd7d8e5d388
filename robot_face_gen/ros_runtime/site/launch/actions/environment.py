"""The environment of what is started."""

from __future__ import annotations

import os
from typing import Any

from ..action import Action
from ..launch_context import LaunchContext
from ..some_substitutions_type import SomeSubstitutionsType
from ..substitution import Substitution
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions


class SetEnvironmentVariable(Action):
    """Gives an environment variable a value."""

    def __init__(
        self, name: SomeSubstitutionsType, value: SomeSubstitutionsType, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.__name = normalize_to_list_of_substitutions(name)
        self.__value = normalize_to_list_of_substitutions(value)

    @property
    def name(self) -> list[Substitution]:
        """Its name."""
        return self.__name

    @property
    def value(self) -> list[Substitution]:
        """Its value."""
        return self.__value

    def execute(self, context: LaunchContext) -> None:
        """Set it."""
        name = perform_substitutions(context, self.__name)
        context.environment[name] = perform_substitutions(context, self.__value)


class AppendEnvironmentVariable(SetEnvironmentVariable):
    """Adds to an environment variable, at its end or (`prepend`) at its beginning."""

    def __init__(
        self,
        name: SomeSubstitutionsType,
        value: SomeSubstitutionsType,
        prepend: bool | SomeSubstitutionsType = False,
        separator: SomeSubstitutionsType = os.pathsep,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, value, **kwargs)
        self.__prepend = prepend
        self.__separator = normalize_to_list_of_substitutions(separator)

    def execute(self, context: LaunchContext) -> None:
        """Add to it."""
        prepend = self.__prepend
        if not isinstance(prepend, bool):
            from ..conditions import evaluate_condition_expression

            prepend = evaluate_condition_expression(
                context, normalize_to_list_of_substitutions(prepend)
            )
        name = perform_substitutions(context, self.name)
        parts = [perform_substitutions(context, self.value)]
        if name in context.environment:
            parts.insert(len(parts) if prepend else 0, context.environment[name])
        separator = perform_substitutions(context, self.__separator)
        context.environment[name] = separator.join(parts)


class UnsetEnvironmentVariable(Action):
    """Removes an environment variable."""

    def __init__(self, name: SomeSubstitutionsType, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.__name = normalize_to_list_of_substitutions(name)

    @property
    def name(self) -> list[Substitution]:
        """Its name."""
        return self.__name

    def execute(self, context: LaunchContext) -> None:
        """Remove it where it is."""
        context.environment.pop(perform_substitutions(context, self.__name), None)


class PushEnvironment(Action):
    """Begins a scope of the environment."""

    def execute(self, context: LaunchContext) -> None:
        """Begin it."""
        context._push_environment()


class PopEnvironment(Action):
    """Ends a scope of the environment."""

    def execute(self, context: LaunchContext) -> None:
        """End it."""
        context._pop_environment()


class ResetEnvironment(Action):
    """Makes the environment as it was when the launch began."""

    def execute(self, context: LaunchContext) -> None:
        """Restore it."""
        context._reset_environment()
