# SPDX-License-Identifier: Apache-2.0
"""Messages and figures as `ros2 topic` shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np


def rate(times: Sequence[float]) -> str:
    """Figures for messages that came at these times (in seconds, at least two of them)."""
    gaps = [after - before for before, after in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    return (
        f'average rate: {1.0 / mean if mean else math.inf:.3f}\n'
        f'\tmin: {min(gaps):.3f}s max: {max(gaps):.3f}s std dev: {deviation:.5f}s '
        f'window: {len(gaps)}'
    )


def pick(message: Any, path: str | None) -> tuple[Any, str]:
    """A field by its path ('header.stamp'), and its type; the message itself without a path.

    Raises:
        ValueError: There is no such field; names those that there are.
    """
    kind = ''
    for name in path.split('.') if path else ():
        fields: dict[str, str] = getattr(message, 'get_fields_and_field_types', dict)()
        if name not in fields:
            there = ', '.join(fields) or 'none'
            raise ValueError(f"--field {path}: there is no field '{name}' (there are: {there})")
        message, kind = getattr(message, name), fields[name]
    return message, kind


def to_plain(value: Any, kind: str = '', *, arrays: bool = True, length: int | None = None) -> Any:
    """A message, or the value of a field of type `kind`, as what YAML knows.

    Args:
        value: The message or value.
        kind: Its type as `get_fields_and_field_types` names it; '' for a message.
        arrays: Whether values of arrays are given, or only the arrays' types.
        length: How many values of an array are given; None is all.
    """
    if hasattr(value, 'get_fields_and_field_types'):
        return {
            name: to_plain(getattr(value, name), field, arrays=arrays, length=length)
            for name, field in value.get_fields_and_field_types().items()
        }
    if isinstance(value, (bytes, bytearray)):
        value = list(value)
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return _shortest(value) if kind == 'float' else value
    if not arrays:
        size = '' if kind.endswith(']') else f', length: {len(value)}'
        return f'<{"array" if kind.endswith("]") else "sequence"} type: {kind}{size}>'
    item = kind.removeprefix('sequence<').split('[')[0].split(',')[0].rstrip('>')
    values = value.tolist() if hasattr(value, 'tolist') else list(value)
    shown = [to_plain(one, item, arrays=arrays, length=length) for one in values[:length]]
    return shown if length is None or len(values) <= length else [*shown, '...']


def _shortest(value: float) -> float:
    """The shortest number that is the same 32-bit float: 0.1 for 0.10000000149."""
    return float(str(np.float32(value)))
