"""Texts and values that may be substitutions."""

from __future__ import annotations

import collections.abc
import typing
from collections.abc import Iterable
from typing import Any

import yaml

from ._subset import subset
from .launch_context import LaunchContext
from .some_substitutions_type import SomeSubstitutionsType
from .substitution import Substitution

_SCALARS = (bool, int, float, str)


def ensure_argument_type(argument: Any, types: Any, argument_name: str, caller: str = '') -> None:
    """Raise a TypeError that names an argument of a wrong type."""
    allowed = tuple(types) if isinstance(types, (list, tuple)) else (types,)
    if not isinstance(argument, allowed):
        names = ' or '.join(kind.__name__ for kind in allowed)
        raise TypeError(
            f'{caller + ": " if caller else ""}{argument_name} must be {names}, not {argument!r}'
        )


def is_a_subclass(obj: Any, entity_type: type) -> bool:
    """Whether something is an instance or a subclass of `entity_type`."""
    if isinstance(obj, type):
        return issubclass(obj, entity_type)
    return isinstance(obj, entity_type)


def normalize_to_list_of_substitutions(subs: SomeSubstitutionsType) -> list[Substitution]:
    """A text, a substitution or several of them as a list of substitutions.

    Raises:
        TypeError: Something else is among them; names it.
    """
    from .substitutions import TextSubstitution

    if isinstance(subs, str):
        return [TextSubstitution(text=subs)]
    if isinstance(subs, Substitution):
        return [subs]
    if not isinstance(subs, collections.abc.Iterable):
        raise TypeError(f'expected a text or a substitution, not {subs!r}')
    found: list[Substitution] = []
    for part in subs:
        if not isinstance(part, (str, Substitution)):
            raise TypeError(f'expected a text or a substitution, not {part!r} (in {subs!r})')
        found.append(TextSubstitution(text=part) if isinstance(part, str) else part)
    return found


def perform_substitutions(context: LaunchContext, subs: Iterable[Substitution]) -> str:
    """Texts of several substitutions in a row."""
    return ''.join(context.perform_substitution(part) for part in subs)


def is_substitution(value: Any) -> bool:
    """Whether it is a substitution, or a list of texts and at least one substitution."""
    if isinstance(value, Substitution):
        return True
    if isinstance(value, str) or not isinstance(value, collections.abc.Iterable):
        return False
    parts = list(value)
    return all(isinstance(part, (str, Substitution)) for part in parts) and any(
        isinstance(part, Substitution) for part in parts
    )


def normalize_typed_substitution(value: Any, data_type: Any) -> Any:
    """A value, or substitutions as a list; `perform_typed_substitution` gives the value.

    Raises:
        TypeError: It cannot become a `data_type`.
    """
    if isinstance(value, _SCALARS):
        item, is_list = _item_type(data_type)
        if data_type is not None and (is_list or not _is(value, item)):
            raise TypeError(f'{value!r} is not of type {_name(data_type)}')
        return value
    if is_substitution(value):
        return normalize_to_list_of_substitutions(value)
    if not isinstance(value, collections.abc.Iterable):
        raise TypeError(f'expected a value, a substitution or a list of them, not {value!r}')
    if data_type is not None and not _item_type(data_type)[1]:
        raise TypeError(f'{value!r} is a list, expected {_name(data_type)}')
    return [
        normalize_to_list_of_substitutions(part) if is_substitution(part) else part
        for part in value
    ]


def perform_typed_substitution(context: LaunchContext, value: Any, data_type: Any) -> Any:
    """Value of something normalised by `normalize_typed_substitution`.

    Raises:
        ValueError: The text cannot become a `data_type`.
    """
    if isinstance(value, _SCALARS):
        return value
    if value and all(isinstance(part, Substitution) for part in value):
        return coerce_to_type(perform_substitutions(context, value), data_type)
    item, _ = _item_type(data_type)
    found = [
        coerce_to_type(perform_substitutions(context, part), item)
        if isinstance(part, list)
        else part
        for part in value
    ]
    return _uniform(found, item, f'{value!r}')


def coerce_to_type(value: str, data_type: Any = None) -> Any:
    """A text as bool, int, float, str, a list of one of them, or (None) what YAML makes of it.

    Raises:
        ValueError: It cannot become that.
    """
    item, is_list = _item_type(data_type)
    if data_type is str:
        return value
    if data_type in (int, float):
        return data_type(value)
    if data_type is bool and value in ('0', '1'):
        return value == '1'
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f'{value!r} is no {_name(data_type)}: {error}') from error
    if isinstance(parsed, list) and (is_list or data_type is None):
        return _uniform(parsed, item, repr(value))
    if is_list or not isinstance(parsed, _SCALARS if data_type is None else data_type):
        raise ValueError(f'{value!r} is no {_name(data_type)}')
    return parsed


def _item_type(data_type: Any) -> tuple[Any, bool]:
    """Type of a list's items, or the type itself; and whether it is a list."""
    if typing.get_origin(data_type) is list:
        return typing.get_args(data_type)[0], True
    if data_type is not None and data_type not in _SCALARS:
        raise ValueError(
            f'{data_type!r} is not one of bool, int, float, str, List[bool], List[int], '
            'List[float] and List[str]'
        )
    return data_type, False


def _uniform(items: list, item_type: Any, shown: str) -> list:
    kinds = {type(part) for part in items}
    if item_type is float and kinds == {int, float}:
        return [float(part) for part in items]
    wanted = [item_type] if item_type is not None else list(_SCALARS)
    if len(kinds) > 1 or not all(type(part) in wanted for part in items):
        raise ValueError(f'{shown} is no list of {_name(item_type) if item_type else "one type"}')
    return items


def _is(value: Any, data_type: Any) -> bool:
    if isinstance(value, bool):
        return data_type is bool
    return isinstance(value, data_type)


def _name(data_type: Any) -> str:
    return 'value' if data_type is None else getattr(data_type, '__name__', str(data_type))


__all__ = [
    'ensure_argument_type',
    'is_a_subclass',
    'normalize_to_list_of_substitutions',
    'perform_substitutions',
]
__getattr__ = subset(__name__, __all__)
