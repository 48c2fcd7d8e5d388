"""Nodes as processes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from launch.actions import ExecuteProcess
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions

from launch import LaunchContext, SomeSubstitutionsType, logging

from ..parameter_descriptions import (
    Parameter,
    ParameterFile,
    as_yaml,
    evaluate_dict,
    normalize_parameters,
    write_parameters,
)
from ..substitutions import ExecutableInPackage
from .naming import check_namespace, check_node_name, joined_namespace


class Node(ExecuteProcess):
    """Runs a node.

    Args:
        executable: Name of its program in the package, or a path where no package is given.
        package: The package.
        name: Name of the node; the one in its program where not given.
        namespace: Under the group's namespace, or absolute.
        exec_name: Name of the process for people; the program's where not given.
        parameters: Files and dicts of parameters; later ones win.
        remappings: Pairs of a name in the node and another name.
        ros_arguments: Further words after `--ros-args`.
        arguments: Further words.
        kwargs: As for ExecuteProcess.
    """

    UNSPECIFIED_NODE_NAME = '<node_name_unspecified>'
    UNSPECIFIED_NODE_NAMESPACE = '<node_namespace_unspecified>'

    def __init__(
        self,
        *,
        executable: SomeSubstitutionsType,
        package: SomeSubstitutionsType | None = None,
        name: SomeSubstitutionsType | None = None,
        namespace: SomeSubstitutionsType | None = None,
        exec_name: SomeSubstitutionsType | None = None,
        parameters: Any = None,
        remappings: Iterable[tuple[SomeSubstitutionsType, SomeSubstitutionsType]] | None = None,
        ros_arguments: Iterable[SomeSubstitutionsType] | None = None,
        arguments: Iterable[SomeSubstitutionsType] | None = None,
        **kwargs: Any,
    ) -> None:
        if 'cmd' in kwargs:
            raise TypeError('Node takes executable and arguments, not cmd')
        words = [executable, *(arguments or ())]
        if ros_arguments is not None:
            words += ['--ros-args', *ros_arguments]
        super().__init__(cmd=words, name=exec_name or executable, **kwargs)
        self.__has_exec_name = exec_name is not None
        self.__program = (
            None if package is None else ExecutableInPackage(executable, package=package)
        )
        self.__package = package
        self.__executable = executable
        self.__name = None if name is None else normalize_to_list_of_substitutions(name)
        self.__namespace = (
            None if namespace is None else normalize_to_list_of_substitutions(namespace)
        )
        self.__parameters = [] if parameters is None else normalize_parameters(parameters)
        self.__remappings = []
        for pair in remappings or ():
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise TypeError(f'remappings must be pairs (tuples of two names), not {pair!r}')
            self.__remappings.append(
                tuple(normalize_to_list_of_substitutions(part) for part in pair)
            )
        self.__final_name: str | None = None

    @property
    def node_package(self) -> Any:
        """The package."""
        return self.__package

    @property
    def node_executable(self) -> Any:
        """Name of the program."""
        return self.__executable

    @property
    def node_name(self) -> str:
        """Full name of the node.

        Raises:
            RuntimeError: It is not known before the node is started.
        """
        if self.__final_name is None:
            raise RuntimeError("cannot access 'node_name' before executing action")
        return self.__final_name

    def is_node_name_fully_specified(self) -> bool:
        """Whether name and namespace are given."""
        unknown = (self.UNSPECIFIED_NODE_NAME, self.UNSPECIFIED_NODE_NAMESPACE)
        return not any(part in self.node_name for part in unknown)

    def _final_cmd(self, context: LaunchContext) -> list[str]:
        program, *words = super()._final_cmd(context)
        first = [program] if self.__program is None else self.__program.command(context)
        words = [*first, *words, '--ros-args']
        name = namespace = None
        if self.__name is not None:
            name = perform_substitutions(context, self.__name)
            check_node_name(name)
            words += ['-r', f'__node:={name}']
        namespace = joined_namespace(
            context.launch_configurations.get('ros_namespace'),
            None if self.__namespace is None else perform_substitutions(context, self.__namespace),
        )
        if namespace is not None:
            check_namespace(namespace)
            words += ['-r', f'__ns:={namespace}']
        base = self.UNSPECIFIED_NODE_NAMESPACE if namespace is None else namespace
        self.__final_name = f'{base.rstrip("/")}/{name or self.UNSPECIFIED_NODE_NAME}'
        words += self.__parameter_words(context)
        remappings = [
            *context.launch_configurations.get('ros_remaps', []),
            *(
                tuple(perform_substitutions(context, part) for part in pair)
                for pair in self.__remappings
            ),
        ]
        for source, target in remappings:
            words += ['-r', f'{source}:={target}']
        return words

    def __parameter_words(self, context: LaunchContext) -> list[str]:
        words: list[str] = []
        for one in context.launch_configurations.get('global_params', []):
            if isinstance(one, tuple):
                words += ['-p', f'{one[0]}:={_word(one[1])}']
            else:
                words += self.__file_words(Path(one).absolute())
        for one in self.__parameters:
            if isinstance(one, ParameterFile):
                words += self.__file_words(one.evaluate(context))
            elif isinstance(one, Parameter):
                name, value = one.evaluate(context)
                words += ['-p', f'{name}:={_word(value)}']
            else:
                node = self.node_name if self.is_node_name_fully_specified() else '/**'
                tree = {node: {'ros__parameters': evaluate_dict(context, one)}}
                path = write_parameters(as_yaml(tree, on_one_line=False))
                words += ['--params-file', str(path)]
        return words

    def __file_words(self, path: Path) -> list[str]:
        if not path.is_file():
            logging.get_logger('launch').warning(f'Parameter file path is not a file: {path}')
            return []
        return ['--params-file', os.fspath(path)]


def _word(value: Any) -> str:
    return as_yaml(value, on_one_line=True).strip()
