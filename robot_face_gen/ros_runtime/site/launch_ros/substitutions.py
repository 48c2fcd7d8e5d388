"""Places of packages and their programs."""

from __future__ import annotations

from ament_index_python.packages import get_package_prefix, get_package_share_directory
from launch._subset import subset
from launch.substitutions import SubstitutionFailure
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions

from launch import LaunchContext, SomeSubstitutionsType, Substitution
from robot_face_gen.ros_runtime.programs import find_program


class FindPackagePrefix(Substitution):
    """Folder that a package is installed under."""

    _find = staticmethod(get_package_prefix)

    def __init__(self, package: SomeSubstitutionsType) -> None:
        self.__package = normalize_to_list_of_substitutions(package)

    @property
    def package(self) -> list[Substitution]:
        """Its name."""
        return self.__package

    def describe(self) -> str:
        """Its name."""
        parts = ' + '.join(part.describe() for part in self.__package)
        return f'{type(self).__name__}(pkg={parts})'

    def perform(self, context: LaunchContext) -> str:
        """The path; PackageNotFoundError where there is no such package."""
        return self._find(perform_substitutions(context, self.__package))


class FindPackageShare(FindPackagePrefix):
    """Folder of a package's launch files, configuration and the like."""

    _find = staticmethod(get_package_share_directory)


class ExecutableInPackage(Substitution):
    """A package's program."""

    def __init__(self, executable: SomeSubstitutionsType, package: SomeSubstitutionsType) -> None:
        self.__executable = normalize_to_list_of_substitutions(executable)
        self.__package = normalize_to_list_of_substitutions(package)

    @property
    def executable(self) -> list[Substitution]:
        """Its name."""
        return self.__executable

    @property
    def package(self) -> list[Substitution]:
        """Name of the package."""
        return self.__package

    def command(self, context: LaunchContext) -> list[str]:
        """Words that start it: a path, or Python with a module."""
        try:
            return find_program(
                perform_substitutions(context, self.__package),
                perform_substitutions(context, self.__executable),
            )
        except LookupError as error:
            raise SubstitutionFailure(error.args[0]) from None

    def perform(self, context: LaunchContext) -> str:
        """Its path."""
        words = self.command(context)
        if len(words) > 1:
            raise SubstitutionFailure(f"it has no file of its own, only '{' '.join(words)}'")
        return words[0]


__all__ = ['ExecutableInPackage', 'FindPackagePrefix', 'FindPackageShare']
__getattr__ = subset(__name__, __all__)
