"""Conditions of actions."""

from __future__ import annotations

import warnings

from ._subset import subset
from .condition import Condition
from .launch_context import LaunchContext
from .some_substitutions_type import SomeSubstitutionsType
from .substitution import Substitution
from .utilities import normalize_to_list_of_substitutions, perform_substitutions

_TRUE = ('true', '1')
_FALSE = ('false', '0')


class InvalidConditionExpressionError(ValueError):
    """A condition is neither true nor false."""

    def __init__(
        self,
        expression: str,
        unexpanded_expression: list[Substitution],
        valid_expressions: list[str],
    ) -> None:
        origin = ' + '.join(part.describe() for part in unexpanded_expression)
        super().__init__(
            f'a condition must be one of {", ".join(valid_expressions)}, not {expression!r} '
            f'(which comes from {origin})'
        )


def evaluate_condition_expression(context: LaunchContext, expression: list[Substitution]) -> bool:
    """Whether a text says true ('true', '1') or false ('false', '0'), in any case of letters.

    Raises:
        InvalidConditionExpressionError: It says neither.
    """
    text = perform_substitutions(context, expression).strip().lower()
    if text not in _TRUE + _FALSE:
        raise InvalidConditionExpressionError(text, expression, [*_TRUE, *_FALSE])
    return text in _TRUE


class IfCondition(Condition):
    """Holds where the text says true."""

    def __init__(self, predicate_expression: SomeSubstitutionsType) -> None:
        self.__expression = normalize_to_list_of_substitutions(predicate_expression)
        super().__init__(predicate=self._predicate_func)

    def _predicate_func(self, context: LaunchContext) -> bool:
        return evaluate_condition_expression(context, self.__expression)


class UnlessCondition(IfCondition):
    """Holds where the text says false."""

    def _predicate_func(self, context: LaunchContext) -> bool:
        return not super()._predicate_func(context)


class LaunchConfigurationEquals(Condition):
    """Holds where a configuration has that value; None is for one that is not set."""

    def __init__(
        self, launch_configuration_name: str, expected_value: SomeSubstitutionsType | None
    ) -> None:
        warnings.warn(
            f'{type(self).__name__} is deprecated; newer launch has IfCondition with '
            'EqualsSubstitution for it',
            UserWarning,
            stacklevel=2,
        )
        self.__name = launch_configuration_name
        self.__expected = (
            None if expected_value is None else normalize_to_list_of_substitutions(expected_value)
        )
        super().__init__(predicate=self._predicate_func)

    def _predicate_func(self, context: LaunchContext) -> bool:
        value = context.launch_configurations.get(self.__name)
        if self.__expected is None:
            return value is None
        return value == perform_substitutions(context, self.__expected)


class LaunchConfigurationNotEquals(LaunchConfigurationEquals):
    """Holds where a configuration has not that value."""

    def _predicate_func(self, context: LaunchContext) -> bool:
        return not super()._predicate_func(context)


__all__ = [
    'IfCondition',
    'InvalidConditionExpressionError',
    'LaunchConfigurationEquals',
    'LaunchConfigurationNotEquals',
    'UnlessCondition',
    'evaluate_condition_expression',
]
__getattr__ = subset(__name__, __all__)
