"""A clear word for names that only a full ROS 2 has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def subset(module: str, names: Iterable[str]) -> Callable[[str], Any]:
    """A module's `__getattr__` that says what there is instead of the name asked for."""
    there = ', '.join(sorted(names))

    def __getattr__(name: str) -> Any:
        raise AttributeError(
            f'{module}.{name} is not in the part of {module} that comes with robot_face_gen; a '
            f'launch file that needs it runs where ROS 2 is sourced. Here are: {there}'
        )

    return __getattr__
