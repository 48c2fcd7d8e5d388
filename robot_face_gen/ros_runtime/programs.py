"""Where packages are, and what starts their programs, without ROS 2's index of packages."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path


def prefixes() -> Iterator[Path]:
    """Folders that packages may be installed under, the first ones first."""
    for folder in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        if folder:
            yield Path(folder)
    yield Path(sys.prefix)


def package_prefix(package: str) -> Path:
    """Folder that a package is installed under; its source tree where that is all there is.

    Raises:
        LookupError: There is no such package; says where it was looked for.
    """
    looked = list(prefixes())
    for prefix in looked:
        if (prefix / 'share' / package / 'package.xml').is_file():
            return prefix
    tree = _source_tree(package)
    if tree is None:
        raise LookupError(
            f"package '{package}' not found in {', '.join(map(str, looked))}, nor as a source tree"
        )
    return tree


def package_share(package: str) -> Path:
    """Folder of a package's launch files and configuration.

    Raises:
        LookupError: There is no such package.
    """
    # An editable installation puts nothing into share, and what an earlier one left there is old.
    tree = _source_tree(package)
    if tree is not None:
        return tree
    return package_prefix(package) / 'share' / package


def _source_tree(package: str) -> Path | None:
    """The repository that a Python package is imported from, if it is one of this name."""
    try:
        spec = util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    tree = Path(spec.origin).resolve().parent.parent
    return tree if (tree / 'package.xml').is_file() and (tree / 'setup.py').is_file() else None


def find_program(package: str, name: str) -> list[str]:
    """Words that start a package's program.

    In this order: `lib/PACKAGE/NAME` under a prefix, as ROS 2 installs it; the console script of
    the Python package; its module.

    Raises:
        LookupError: There is none; says what was looked for.
    """
    for prefix in prefixes():
        path = prefix / 'lib' / package / name
        if path.is_file() and os.access(path, os.X_OK):
            return [str(path)]
    module, function = _entry_point(package, name) or (f'{package}.nodes.{name}', 'main')
    # Not resolved: the link in a virtual environment is what stands beside its scripts.
    script = Path(sys.executable).parent / name
    if _entry_point(package, name) and script.is_file() and os.access(script, os.X_OK):
        return [str(script)]
    try:
        spec = util.find_spec(module)
    except ImportError:
        spec = None
    if spec is None:
        known = ', '.join(sorted(_programs(package))) or 'none'
        raise LookupError(
            f"executable '{name}' not found in package '{package}' (programs known: {known})"
        )
    if function == 'main':
        return [sys.executable, '-m', module]
    return [
        sys.executable,
        '-c',
        f'import sys; from {module} import {function}; sys.exit({function}())',
    ]


def _programs(package: str) -> dict[str, metadata.EntryPoint]:
    try:
        points = metadata.distribution(package).entry_points
    except metadata.PackageNotFoundError:
        return {}
    return {point.name: point for point in points if point.group == 'console_scripts'}


def _entry_point(package: str, name: str) -> tuple[str, str] | None:
    point = _programs(package).get(name)
    return (point.module, point.attr) if point else None
