"""Launch arguments and other configurations."""

from __future__ import annotations

from typing import Any

from ..action import Action
from ..launch_context import LaunchContext
from ..some_substitutions_type import SomeSubstitutionsType
from ..substitution import Substitution
from ..utilities import normalize_to_list_of_substitutions, perform_substitutions


class DeclareLaunchArgument(Action):
    """An argument that can be given as `name:=value`; its value is the configuration `name`."""

    def __init__(
        self,
        name: str,
        *,
        default_value: SomeSubstitutionsType | None = None,
        description: str | None = None,
        choices: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if choices is not None and not choices:
            raise RuntimeError(f"argument '{name}': choices is empty; None is for any value")
        if choices is not None and isinstance(default_value, str) and default_value not in choices:
            raise RuntimeError(
                f"argument '{name}': the default {default_value!r} is none of {choices}"
            )
        self.__name = name
        self.__default_value = (
            None if default_value is None else normalize_to_list_of_substitutions(default_value)
        )
        self.__choices = choices
        if description is None:
            self.__description = f'One of: {choices}' if choices else 'no description given'
        else:
            self.__description = description
            if choices:
                stop = '' if description.endswith('.') else '.'
                self.__description += f'{stop} Valid choices are: {choices}'
        self._conditionally_included = False

    @property
    def name(self) -> str:
        """Its name."""
        return self.__name

    @property
    def default_value(self) -> list[Substitution] | None:
        """Value where none is given; None means that one must be given."""
        return self.__default_value

    @property
    def description(self) -> str:
        """What it is for."""
        return self.__description

    @property
    def choices(self) -> list[str] | None:
        """Values allowed; None is any."""
        return self.__choices

    def execute(self, context: LaunchContext) -> None:
        """Put the default where no value is given, and check it.

        Raises:
            RuntimeError: No value is given and there is no default, or it is none of the choices.
        """
        if self.name not in context.launch_configurations:
            if self.default_value is None:
                raise RuntimeError(
                    f"Required launch argument '{self.name}' (description: "
                    f"'{self.description}') was not provided"
                )
            context.launch_configurations[self.name] = perform_substitutions(
                context, self.default_value
            )
        value = context.launch_configurations[self.name]
        if self.choices is not None and value not in self.choices:
            raise RuntimeError(
                f"launch argument '{self.name}' is {value!r}, expected one of {self.choices}"
            )


class SetLaunchConfiguration(Action):
    """Gives a configuration a value."""

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
        context.launch_configurations[name] = perform_substitutions(context, self.__value)


class UnsetLaunchConfiguration(Action):
    """Removes a configuration."""

    def __init__(self, name: SomeSubstitutionsType, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.__name = normalize_to_list_of_substitutions(name)

    @property
    def name(self) -> list[Substitution]:
        """Its name."""
        return self.__name

    def execute(self, context: LaunchContext) -> None:
        """Remove it where it is."""
        context.launch_configurations.pop(perform_substitutions(context, self.__name), None)


class PushLaunchConfigurations(Action):
    """Begins a scope of configurations."""

    def execute(self, context: LaunchContext) -> None:
        """Begin it."""
        context._push_launch_configurations()


class PopLaunchConfigurations(Action):
    """Ends a scope of configurations."""

    def execute(self, context: LaunchContext) -> None:
        """End it."""
        context._pop_launch_configurations()


class ResetLaunchConfigurations(Action):
    """Removes all configurations but those given."""

    def __init__(
        self,
        launch_configurations: dict[SomeSubstitutionsType, SomeSubstitutionsType] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.__kept = launch_configurations or {}

    def execute(self, context: LaunchContext) -> None:
        """Remove them; the ones kept may be made from those removed."""
        kept = {
            perform_substitutions(
                context, normalize_to_list_of_substitutions(name)
            ): perform_substitutions(context, normalize_to_list_of_substitutions(value))
            for name, value in self.__kept.items()
        }
        context.launch_configurations.clear()
        context.launch_configurations.update(kept)
