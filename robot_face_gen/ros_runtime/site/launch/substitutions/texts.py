"""Texts from the context: arguments, environment, places."""

from __future__ import annotations

import collections.abc
import os
import shutil
from collections.abc import Iterable
from typing import Any

from ..launch_context import LaunchContext
from ..some_substitutions_type import SomeSubstitutionsType
from ..substitution import Substitution
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions


class SubstitutionFailure(RuntimeError):
    """A substitution has no text here."""


def described(parts: Iterable[Substitution]) -> str:
    """Several substitutions as they show."""
    return ' + '.join(part.describe() for part in parts)


class TextSubstitution(Substitution):
    """The text itself."""

    def __init__(self, *, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f'TextSubstitution: text must be str, not {text!r}')
        self.__text = text

    @property
    def text(self) -> str:
        """The text."""
        return self.__text

    def describe(self) -> str:
        """The text in quotes."""
        return f"'{self.text}'"

    def perform(self, context: LaunchContext) -> str:
        """The text."""
        return self.text


class LaunchConfiguration(Substitution):
    """Value of a launch argument, or of another configuration of that name."""

    def __init__(
        self, variable_name: SomeSubstitutionsType, *, default: Any | Iterable[Any] | None = None
    ) -> None:
        self.__name = normalize_to_list_of_substitutions(variable_name)
        self.__default: list[Substitution] | None = None
        if default is not None:
            is_single = isinstance(default, (str, Substitution)) or not isinstance(
                default, collections.abc.Iterable
            )
            self.__default = normalize_to_list_of_substitutions(
                part if isinstance(part, (str, Substitution)) else str(part)
                for part in ([default] if is_single else default)
            )

    @property
    def variable_name(self) -> list[Substitution]:
        """Its name."""
        return self.__name

    def describe(self) -> str:
        """Its name."""
        return f'LaunchConfig({described(self.__name)})'

    def perform(self, context: LaunchContext) -> str:
        """The value, else the default.

        Raises:
            SubstitutionFailure: There is neither.
        """
        name = perform_substitutions(context, self.__name)
        if name in context.launch_configurations:
            return context.launch_configurations[name]
        if self.__default is None:
            raise SubstitutionFailure(f"launch configuration '{name}' does not exist")
        return perform_substitutions(context, self.__default)


class EnvironmentVariable(Substitution):
    """Value of an environment variable."""

    def __init__(
        self, name: SomeSubstitutionsType, *, default_value: SomeSubstitutionsType | None = None
    ) -> None:
        self.__name = normalize_to_list_of_substitutions(name)
        self.__default = (
            None if default_value is None else normalize_to_list_of_substitutions(default_value)
        )

    @property
    def name(self) -> list[Substitution]:
        """Its name."""
        return self.__name

    @property
    def default_value(self) -> list[Substitution] | None:
        """Text where the variable is not set."""
        return self.__default

    def describe(self) -> str:
        """Its name."""
        return f'EnvVar({described(self.__name)})'

    def perform(self, context: LaunchContext) -> str:
        """The value, else the default.

        Raises:
            SubstitutionFailure: There is neither.
        """
        name = perform_substitutions(context, self.__name)
        if name in context.environment:
            return context.environment[name]
        if self.__default is None:
            raise SubstitutionFailure(f"environment variable '{name}' does not exist")
        return perform_substitutions(context, self.__default)


class PathJoinSubstitution(Substitution):
    """A path from its parts."""

    def __init__(self, substitutions: Iterable[SomeSubstitutionsType]) -> None:
        self.__parts = [normalize_to_list_of_substitutions(part) for part in substitutions]

    @property
    def substitutions(self) -> list[list[Substitution]]:
        """The parts."""
        return self.__parts

    def describe(self) -> str:
        """The parts."""
        return f'PathJoin({", ".join(described(part) for part in self.__parts)})'

    def perform(self, context: LaunchContext) -> str:
        """The path."""
        return os.path.join(*(perform_substitutions(context, part) for part in self.__parts))


class FindExecutable(Substitution):
    """Path of a program that the shell would find."""

    def __init__(self, *, name: SomeSubstitutionsType) -> None:
        self.__name = normalize_to_list_of_substitutions(name)

    @property
    def name(self) -> list[Substitution]:
        """Its name."""
        return self.__name

    def describe(self) -> str:
        """Its name."""
        return f'FindExec({described(self.__name)})'

    def perform(self, context: LaunchContext) -> str:
        """The path.

        Raises:
            SubstitutionFailure: There is no such program.
        """
        name = perform_substitutions(context, self.__name)
        path = shutil.which(name, path=context.environment.get('PATH'))
        if path is None:
            raise SubstitutionFailure(f"executable '{name}' not found on the PATH")
        return path


class LocalSubstitution(Substitution):
    """Something of `context.locals`, as 'event.process_name'."""

    def __init__(self, expression: str, description: str | None = None) -> None:
        self.__expression = expression
        self.__description = description

    @property
    def expression(self) -> str:
        """What to look up."""
        return self.__expression

    def describe(self) -> str:
        """What to look up."""
        return f"LocalVar('{self.__description or self.__expression}')"

    def perform(self, context: LaunchContext) -> str:
        """The value as a text.

        Raises:
            SubstitutionFailure: There is no such thing here.
        """
        value: Any = context.locals
        for name in self.__expression.split('.'):
            if not hasattr(value, name):
                raise SubstitutionFailure(f"there is no '{self.__expression}' here")
            value = getattr(value, name)
        return str(value)


class ThisLaunchFileDir(Substitution):
    """Folder of the launch file that is being read."""

    _LOCAL = 'current_launch_file_directory'

    def __init__(self) -> None:
        super().__init__()

    def describe(self) -> str:
        """Its name."""
        return f'{type(self).__name__}()'

    def perform(self, context: LaunchContext) -> str:
        """The path.

        Raises:
            SubstitutionFailure: The description comes from no file.
        """
        try:
            return context.get_locals_as_dict()[self._LOCAL]
        except KeyError:
            raise SubstitutionFailure(f'{self.describe()} is used outside a launch file') from None


class ThisLaunchFile(ThisLaunchFileDir):
    """Path of the launch file that is being read."""

    _LOCAL = 'current_launch_file_path'
