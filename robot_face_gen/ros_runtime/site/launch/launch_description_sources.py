"""Where descriptions come from."""

from ._subset import subset
from .launch_description_source import (
    InvalidPythonLaunchFileError,
    LaunchDescriptionSource,
    get_launch_description_from_python_launch_file,
    load_python_launch_file_as_module,
)
from .some_substitutions_type import SomeSubstitutionsType


class PythonLaunchDescriptionSource(LaunchDescriptionSource):
    """A Python launch file."""

    def __init__(self, launch_file_path: SomeSubstitutionsType) -> None:
        super().__init__(None, launch_file_path, 'interpreted python launch file')


class AnyLaunchDescriptionSource(LaunchDescriptionSource):
    """A launch file; without ROS 2 it must be a Python one."""

    def __init__(self, launch_file_path: SomeSubstitutionsType) -> None:
        super().__init__(None, launch_file_path, 'interpreted launch file')


__all__ = [
    'AnyLaunchDescriptionSource',
    'InvalidPythonLaunchFileError',
    'PythonLaunchDescriptionSource',
    'get_launch_description_from_python_launch_file',
    'load_python_launch_file_as_module',
]
__getattr__ = subset(__name__, __all__)
