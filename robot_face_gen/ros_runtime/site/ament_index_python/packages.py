"""Where packages are: in `AMENT_PREFIX_PATH`, in this Python environment, or in a source tree."""

from __future__ import annotations

from robot_face_gen.ros_runtime.programs import package_prefix, package_share


class PackageNotFoundError(KeyError):
    """No such package."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ''


def get_package_prefix(package_name: str) -> str:
    """Folder that a package is installed under.

    Raises:
        PackageNotFoundError: There is no such package.
    """
    try:
        return str(package_prefix(package_name))
    except LookupError as error:
        raise PackageNotFoundError(error.args[0]) from None


def get_package_share_directory(package_name: str, print_warning: bool = True) -> str:
    """Folder of a package's launch files, configuration and the like.

    Raises:
        PackageNotFoundError: There is no such package.
    """
    try:
        return str(package_share(package_name))
    except LookupError as error:
        raise PackageNotFoundError(error.args[0]) from None
