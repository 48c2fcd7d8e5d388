"""Parameters of a node that are known only while launching."""

from __future__ import annotations

import atexit
import math
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from launch._subset import subset
from launch.substitutions import SubstitutionFailure
from launch.utilities import (
    is_substitution,
    normalize_to_list_of_substitutions,
    normalize_typed_substitution,
    perform_substitutions,
    perform_typed_substitution,
)

from launch import LaunchContext, SomeSubstitutionsType, Substitution

_SCALARS = (bool, int, float, str)


class ParameterValue:
    """A value, or a substitution whose text is taken as `value_type` (None: as YAML takes it)."""

    def __init__(self, value: Any, *, value_type: Any = None) -> None:
        self.__value = normalize_typed_substitution(value, value_type)
        self.__value_type = value_type

    @property
    def value(self) -> Any:
        """The value, or its substitutions."""
        return self.__value

    @property
    def value_type(self) -> Any:
        """What the text is taken as."""
        return self.__value_type

    def evaluate(self, context: LaunchContext) -> Any:
        """The value here.

        Raises:
            ValueError: The text is no such value.
        """
        return perform_typed_substitution(context, self.__value, self.__value_type)


class Parameter:
    """A parameter's name and value."""

    def __init__(self, name: SomeSubstitutionsType, value: Any, *, value_type: Any = None) -> None:
        self.__name = normalize_to_list_of_substitutions(name)
        self.__value = ParameterValue(value, value_type=value_type)

    @property
    def name(self) -> list[Substitution]:
        """Its name."""
        return self.__name

    @property
    def value(self) -> Any:
        """Its value, or its substitutions."""
        return self.__value.value

    @property
    def value_type(self) -> Any:
        """What the text is taken as."""
        return self.__value.value_type

    def evaluate(self, context: LaunchContext) -> tuple[str, Any]:
        """Name and value here."""
        return perform_substitutions(context, self.__name), self.__value.evaluate(context)


class ParameterFile:
    """A file of parameters; with `allow_substs`, `$(var name)` and `$(env NAME)` in it count."""

    def __init__(
        self,
        param_file: os.PathLike | SomeSubstitutionsType,
        *,
        allow_substs: bool | SomeSubstitutionsType = False,
    ) -> None:
        self.__file = (
            param_file
            if isinstance(param_file, os.PathLike)
            else normalize_to_list_of_substitutions(param_file)
        )
        self.__allow_substs = normalize_typed_substitution(allow_substs, bool)

    @property
    def param_file(self) -> Any:
        """The file, or its substitutions."""
        return self.__file

    @property
    def allow_substs(self) -> Any:
        """Whether substitutions in it count."""
        return self.__allow_substs

    def evaluate(self, context: LaunchContext) -> Path:
        """The file to pass to the node: itself, or one with its substitutions made."""
        path = Path(
            perform_substitutions(context, self.__file)
            if isinstance(self.__file, list)
            else self.__file
        )
        if not perform_typed_substitution(context, self.__allow_substs, bool):
            return path
        text = _substituted(path.read_text(encoding='utf-8'), context)
        try:
            yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SubstitutionFailure(f'{path} is no YAML after substitution: {error}') from error
        return write_parameters(text)


def _substituted(text: str, context: LaunchContext) -> str:
    def value(match: re.Match[str]) -> str:
        kind, name, default = match[1], match[2].strip('\'"'), match[3]
        if kind == 'var' and name in context.launch_configurations:
            return str(context.launch_configurations[name])
        if kind == 'env' and name in context.environment:
            return context.environment[name]
        if kind not in ('var', 'env') or default is None:
            raise SubstitutionFailure(
                f"'{match[0]}': without ROS 2 there are $(var name) and $(env NAME), each with an "
                'optional default, and the name must be set'
            )
        return default.strip('\'"')

    return re.sub(r'\$\((\S+) +(\S+?)(?: +([^)]*?))?\)', value, text)


def write_parameters(text: str) -> Path:
    """A file of its own with this text; removed when the launch's process ends."""
    with tempfile.NamedTemporaryFile('w', prefix='launch_params_', delete=False) as file:
        file.write(text)
    path = Path(file.name)
    atexit.register(path.unlink, missing_ok=True)
    return path


def normalize_parameters(parameters: Any) -> list[Any]:
    """What a node's `parameters` lists: files, single parameters, and dicts (flattened).

    Raises:
        TypeError: Something else is among them; names it.
    """
    if isinstance(parameters, (str, Mapping)) or not hasattr(parameters, '__iter__'):
        raise TypeError(f'parameters must be a list of files and dicts, not {parameters!r}')
    found: list[Any] = []
    for one in parameters:
        if isinstance(one, Mapping):
            found.append(_flattened(one, []))
        elif isinstance(one, (ParameterFile, Parameter)):
            found.append(one)
        else:
            found.append(ParameterFile(one))
    return found


def _flattened(tree: Mapping, prefix: list[Substitution]) -> list[tuple[list[Substitution], Any]]:
    found: list[tuple[list[Substitution], Any]] = []
    for key, value in tree.items():
        name = prefix + normalize_to_list_of_substitutions(key)
        if isinstance(value, Mapping):
            found.extend(_flattened(value, name + normalize_to_list_of_substitutions('.')))
        elif isinstance(value, (*_SCALARS, Substitution, ParameterValue, list, tuple)):
            found.append((name, value))
        else:
            raise TypeError(f'parameter {key!r}: {value!r} is no value of a parameter')
    return found


def evaluate_dict(context: LaunchContext, pairs: list[tuple[list[Substitution], Any]]) -> dict:
    """Names and values here."""
    found = {}
    for parts, value in pairs:
        name = perform_substitutions(context, parts)
        try:
            found[name] = _evaluated(context, value)
        except (ValueError, TypeError) as error:
            raise type(error)(f"parameter '{name}': {error}") from error
    return found


def _evaluated(context: LaunchContext, value: Any) -> Any:
    if isinstance(value, ParameterValue):
        return value.evaluate(context)
    if isinstance(value, _SCALARS):
        return value
    if is_substitution(value):  # the text is taken as YAML takes it; an empty one is a text
        return ParameterValue(value).evaluate(context) if _text(context, value) else ''
    parts = [
        normalize_to_list_of_substitutions(part) if isinstance(part, (list, tuple)) else part
        for part in value
    ]
    if {type(part) for part in parts} == {int, float}:
        parts = [float(part) for part in parts]
    return ParameterValue(parts).evaluate(context)


def _text(context: LaunchContext, value: Any) -> str:
    return perform_substitutions(context, normalize_to_list_of_substitutions(value))


class _Dumper(yaml.SafeDumper):
    """Puts all texts in quotes: ROS reads more words as truth values than PyYAML knows of."""


_Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar('tag:yaml.org,2002:str', text, style="'")
)


def as_yaml(value: Any, *, on_one_line: bool) -> str:
    """A value such that ROS reads the same value."""
    return yaml.dump(
        value, Dumper=_Dumper, default_flow_style=on_one_line, width=math.inf
    ).removesuffix('...\n')


__all__ = ['Parameter', 'ParameterFile', 'ParameterValue']
__getattr__ = subset(__name__, __all__)
