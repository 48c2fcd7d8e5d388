"""Where packages are, by the names of ROS 2's `ament_index_python`."""

from .packages import PackageNotFoundError, get_package_prefix, get_package_share_directory

__all__ = ['PackageNotFoundError', 'get_package_prefix', 'get_package_share_directory']
