"""Texts from expressions: 'true' and 'false', and whatever Python makes."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable
from typing import Any

from ..launch_context import LaunchContext
from ..some_substitutions_type import SomeSubstitutionsType
from ..substitution import Substitution
from ..utilities import (
    coerce_to_type,
    is_substitution,
    normalize_to_list_of_substitutions,
    perform_substitutions,
)
from .texts import SubstitutionFailure, described


class PythonExpression(Substitution):
    """What Python makes of an expression; `math` and its names are there."""

    def __init__(
        self,
        expression: SomeSubstitutionsType,
        python_modules: SomeSubstitutionsType = ('math',),
    ) -> None:
        self.__expression = normalize_to_list_of_substitutions(expression)
        self.__modules = normalize_to_list_of_substitutions(python_modules)

    @property
    def expression(self) -> list[Substitution]:
        """The expression."""
        return self.__expression

    @property
    def python_modules(self) -> list[Substitution]:
        """Modules that the expression may name."""
        return self.__modules

    def describe(self) -> str:
        """The expression."""
        return f'PythonExpr({described(self.__expression)})'

    def perform(self, context: LaunchContext) -> str:
        """The result as a text.

        Raises:
            SubstitutionFailure: Python does not understand it; shows it.
        """
        names: dict[str, Any] = {}
        for module in self.__modules:
            name = context.perform_substitution(module)
            names[name] = importlib.import_module(name)
        if 'math' in names:
            names = {**vars(math), **names}
        text = perform_substitutions(context, self.__expression)
        try:
            return str(eval(text, {}, names))  # the launch file is a program anyway
        except Exception as error:
            raise SubstitutionFailure(
                f'{text!r} cannot be evaluated: {type(error).__name__}: {error}'
            ) from error


def _truth(context: LaunchContext, parts: list[Substitution]) -> bool:
    try:
        return coerce_to_type(perform_substitutions(context, parts), bool)
    except ValueError as error:
        raise SubstitutionFailure(str(error)) from error


def _word(truth: bool) -> str:
    return str(truth).lower()


class NotSubstitution(Substitution):
    """'true' where the text says false."""

    def __init__(self, value: SomeSubstitutionsType) -> None:
        self.__value = normalize_to_list_of_substitutions(value)

    @property
    def value(self) -> list[Substitution]:
        """The text."""
        return self.__value

    def describe(self) -> str:
        """The text."""
        return f'Not({described(self.__value)})'

    def perform(self, context: LaunchContext) -> str:
        """'true' or 'false'."""
        return _word(not _truth(context, self.__value))


class _Pair(Substitution):
    def __init__(self, left: SomeSubstitutionsType, right: SomeSubstitutionsType) -> None:
        self._left = normalize_to_list_of_substitutions(left)
        self._right = normalize_to_list_of_substitutions(right)

    @property
    def left(self) -> list[Substitution]:
        """The first text."""
        return self._left

    @property
    def right(self) -> list[Substitution]:
        """The second text."""
        return self._right

    def describe(self) -> str:
        """Both texts."""
        return f'{type(self).__name__}({described(self._left)}, {described(self._right)})'


class AndSubstitution(_Pair):
    """'true' where both texts say true."""

    def perform(self, context: LaunchContext) -> str:
        """'true' or 'false'."""
        return _word(_truth(context, self._left) and _truth(context, self._right))


class OrSubstitution(_Pair):
    """'true' where one of the texts says true."""

    def perform(self, context: LaunchContext) -> str:
        """'true' or 'false'."""
        return _word(_truth(context, self._left) or _truth(context, self._right))


class EqualsSubstitution(_Pair):
    """'true' where both are the same, as truth values and numbers where they are such."""

    def __init__(
        self,
        left: Any | Iterable[Any] | None,
        right: Any | Iterable[Any] | None,
    ) -> None:
        super().__init__(self.__text(left), self.__text(right))

    @staticmethod
    def __text(value: Any) -> SomeSubstitutionsType:
        if value is None:
            return ''
        if isinstance(value, bool):
            return _word(value)
        return value if is_substitution(value) else str(value)

    def perform(self, context: LaunchContext) -> str:
        """'true' or 'false'."""
        left = perform_substitutions(context, self._left)
        right = perform_substitutions(context, self._right)
        truths = {'true': True, '1': True, 'false': False, '0': False}
        if left.lower() in truths and right.lower() in truths:
            return _word(truths[left.lower()] == truths[right.lower()])
        try:
            return _word(math.isclose(float(left), float(right)))
        except ValueError:
            return _word(left == right)


class NotEqualsSubstitution(EqualsSubstitution):
    """'true' where they are not the same."""

    def perform(self, context: LaunchContext) -> str:
        """'true' or 'false'."""
        return _word(super().perform(context) == 'false')


class IfElseSubstitution(Substitution):
    """One text or the other."""

    def __init__(
        self,
        condition: SomeSubstitutionsType,
        if_value: SomeSubstitutionsType = '',
        else_value: SomeSubstitutionsType = '',
    ) -> None:
        self._condition = normalize_to_list_of_substitutions(condition)
        self._if_value = normalize_to_list_of_substitutions(if_value)
        self._else_value = normalize_to_list_of_substitutions(else_value)

    @property
    def condition(self) -> list[Substitution]:
        """What decides."""
        return self._condition

    @property
    def if_value(self) -> list[Substitution]:
        """Where it says true."""
        return self._if_value

    @property
    def else_value(self) -> list[Substitution]:
        """Where it says false."""
        return self._else_value

    def describe(self) -> str:
        """What decides, and both texts."""
        parts = (self._condition, self._if_value, self._else_value)
        return f'IfElse({", ".join(described(part) for part in parts)})'

    def perform(self, context: LaunchContext) -> str:
        """The text chosen."""
        chosen = self._if_value if _truth(context, self._condition) else self._else_value
        return perform_substitutions(context, chosen)
