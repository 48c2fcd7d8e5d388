"""What holds for all nodes that follow in the same group."""

from __future__ import annotations

from typing import Any

from launch.substitutions import SubstitutionFailure
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions

from launch import Action, LaunchContext, SomeSubstitutionsType, Substitution

from ..parameter_descriptions import evaluate_dict, normalize_parameters
from .naming import check_namespace, joined_namespace


class PushROSNamespace(Action):
    """Puts the nodes that follow under a namespace."""

    def __init__(self, namespace: SomeSubstitutionsType, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.__namespace = normalize_to_list_of_substitutions(namespace)

    @property
    def namespace(self) -> list[Substitution]:
        """The namespace."""
        return self.__namespace

    def execute(self, context: LaunchContext) -> None:
        """Put them there.

        Raises:
            SubstitutionFailure: It is no namespace; names it.
        """
        pushed = perform_substitutions(context, self.__namespace)
        namespace = joined_namespace(context.launch_configurations.get('ros_namespace'), pushed)
        try:
            check_namespace(namespace or '/')
        except ValueError as error:
            raise SubstitutionFailure(f"namespace '{pushed}': {error}") from error
        context.launch_configurations['ros_namespace'] = namespace


class SetParameter(Action):
    """Gives the nodes that follow a parameter."""

    def __init__(self, name: SomeSubstitutionsType, value: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.__name = tuple(normalize_to_list_of_substitutions(name))
        self.__value = value
        (self.__pairs,) = normalize_parameters([{self.__name: value}])

    @property
    def name(self) -> tuple[Substitution, ...]:
        """Its name."""
        return self.__name

    @property
    def value(self) -> Any:
        """Its value."""
        return self.__value

    def execute(self, context: LaunchContext) -> None:
        """Give it to them."""
        given = context.launch_configurations.setdefault('global_params', [])
        given.extend(evaluate_dict(context, self.__pairs).items())


class SetParametersFromFile(Action):
    """Gives the nodes that follow a file of parameters."""

    def __init__(self, filename: SomeSubstitutionsType, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.__filename = normalize_to_list_of_substitutions(filename)

    def execute(self, context: LaunchContext) -> None:
        """Give it to them."""
        path = perform_substitutions(context, self.__filename)
        context.launch_configurations.setdefault('global_params', []).append(path)


class SetRemap(Action):
    """Gives the nodes that follow another name for a topic or service."""

    def __init__(
        self, src: SomeSubstitutionsType, dst: SomeSubstitutionsType, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.__src = normalize_to_list_of_substitutions(src)
        self.__dst = normalize_to_list_of_substitutions(dst)

    @property
    def src(self) -> list[Substitution]:
        """The name in the node."""
        return self.__src

    @property
    def dst(self) -> list[Substitution]:
        """The other name."""
        return self.__dst

    def execute(self, context: LaunchContext) -> None:
        """Give it to them."""
        pair = (
            perform_substitutions(context, self.__src),
            perform_substitutions(context, self.__dst),
        )
        context.launch_configurations.setdefault('ros_remaps', []).append(pair)
