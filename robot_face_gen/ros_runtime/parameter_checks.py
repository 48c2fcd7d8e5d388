"""Whether a parameter may have a value: its type, its range, read-only."""

import math
from typing import Any

from .messages import message_class
from .parameter import Parameter

WRONG_TYPE = 'Wrong parameter type'
#: How close a number has to be to a limit or a step to lie on it.
REL_TOL = 1e-6


def result(successful: bool, reason: str = '') -> Any:
    """A rcl_interfaces/msg/SetParametersResult."""
    return message_class('rcl_interfaces/msg/SetParametersResult')(
        successful=successful, reason=reason)


def problem_of(parameter: Parameter, descriptor: Any, *, is_declared: bool,
               check_read_only: bool) -> str:
    """Why a parameter cannot have a value under a descriptor; '' where it can.

    The descriptor gets the parameter's name, and its type where that may change.
    """
    descriptor.name = name = parameter.name
    if check_read_only and descriptor.read_only:
        return f'Trying to set a read-only parameter: {name}.'
    if descriptor.dynamic_typing:
        descriptor.type = parameter.type_.value
    elif parameter.type_ is Parameter.Type.NOT_SET:
        if is_declared:
            return 'Static parameter cannot be undeclared'
    elif parameter.type_.value != descriptor.type:
        return (f"{WRONG_TYPE}, expected '{Parameter.Type(descriptor.type)}' "
                f"got '{parameter.type_}'")
    if parameter.type_ is Parameter.Type.INTEGER and descriptor.integer_range:
        return _range_problem(name, parameter.value, descriptor.integer_range[0], 0.0)
    if parameter.type_ is Parameter.Type.DOUBLE and descriptor.floating_point_range:
        return _range_problem(name, parameter.value, descriptor.floating_point_range[0], REL_TOL)
    return ''


def _range_problem(name: str, value: float, span: Any, tolerance: float) -> str:
    def close(a: float, b: float) -> bool:
        return a == b or math.isclose(a, b, rel_tol=tolerance)

    low, high = sorted((span.from_value, span.to_value))
    if close(value, low) or close(value, high):
        return ''
    if not low < value < high:
        return f'Parameter {name} out of range. Min: {low}, Max: {high}, value: {value}'
    if span.step and not close(low + round((value - low) / span.step) * span.step, value):
        return (f'The parameter value for {name} is not a valid step. Min: {low}, max: {high}, '
                f'value: {value}, step: {span.step}')
    return ''
