"""Where a description comes from."""

from __future__ import annotations

import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from typing import Any

from .launch_context import LaunchContext
from .launch_description import LaunchDescription
from .some_substitutions_type import SomeSubstitutionsType
from .substitutions import SubstitutionFailure
from .utilities import normalize_to_list_of_substitutions, perform_substitutions


class LaunchDescriptionSource:
    """A description, or the place of a Python launch file with one."""

    def __init__(
        self,
        launch_description: LaunchDescription | None = None,
        location: SomeSubstitutionsType = '<string>',
        method: str = 'unspecified mechanism from a script',
    ) -> None:
        self.__launch_description = launch_description
        self.__location = normalize_to_list_of_substitutions(location)
        self.__expanded_location: str | None = None
        self.__method = method

    @property
    def location(self) -> str:
        """Where it comes from."""
        if self.__expanded_location is None:
            return ' + '.join(part.describe() for part in self.__location)
        return self.__expanded_location

    @property
    def method(self) -> str:
        """How it is read."""
        return self.__method

    def try_get_launch_description_without_context(self) -> LaunchDescription | None:
        """The description where its place is known before launching, else None."""
        if self.__launch_description is None:
            try:
                return self.get_launch_description(LaunchContext())
            except SubstitutionFailure:
                return None
        return self.__launch_description

    def get_launch_description(self, context: LaunchContext) -> LaunchDescription:
        """The description, read if it has not been."""
        if self.__expanded_location is None:
            self.__expanded_location = perform_substitutions(context, self.__location)
        if self.__launch_description is None:
            self.__launch_description = self._get_launch_description(self.__expanded_location)
        return self.__launch_description

    def _get_launch_description(self, location: str) -> LaunchDescription:
        return get_launch_description_from_python_launch_file(location)


class InvalidPythonLaunchFileError(Exception):
    """A file is no Python launch file."""


def load_python_launch_file_as_module(python_launch_file_path: str) -> Any:
    """Run a launch file as a module.

    Raises:
        InvalidPythonLaunchFileError: It is not a Python file.
        OSError: It cannot be read.
    """
    if not python_launch_file_path.endswith('.py'):
        raise InvalidPythonLaunchFileError(
            f'{python_launch_file_path}: without ROS 2 only Python launch files (.py) are read'
        )
    loader = SourceFileLoader('python_launch_file', os.path.abspath(python_launch_file_path))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    keep, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:  # a __pycache__ beside somebody's launch file would be ours
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = keep
    return module


def get_launch_description_from_python_launch_file(
    python_launch_file_path: str,
) -> LaunchDescription:
    """The description that a launch file's `generate_launch_description` gives.

    Raises:
        InvalidPythonLaunchFileError: It has no such function.
        OSError: It cannot be read.
    """
    module = load_python_launch_file_as_module(python_launch_file_path)
    if not hasattr(module, 'generate_launch_description'):
        raise InvalidPythonLaunchFileError(
            f"{python_launch_file_path}: expected a function 'generate_launch_description()'"
        )
    return module.generate_launch_description()
