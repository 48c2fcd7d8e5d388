"""Parameters by rclpy's names."""

import array
import re
from collections.abc import Callable
from enum import Enum
from typing import Any

from .exceptions import InvalidParameterException
from .messages import message_class

PARAMETER_SEPARATOR_STRING = '.'

_LISTS = (list, tuple, array.array)
#: Number of a type -> its name, the field of ParameterValue that holds it, and a check.
_TYPES: dict[int, tuple[str, str | None, Callable[[Any], bool]]] = {
    0: ('NOT_SET', None, lambda value: value is None),
    1: ('BOOL', 'bool_value', lambda value: isinstance(value, bool)),
    2: ('INTEGER', 'integer_value', lambda value: isinstance(value, int)),
    3: ('DOUBLE', 'double_value', lambda value: isinstance(value, float)),
    4: ('STRING', 'string_value', lambda value: isinstance(value, str)),
    5: ('BYTE_ARRAY', 'byte_array_value', lambda value: _is_list_of(value, bytes)),
    6: ('BOOL_ARRAY', 'bool_array_value', lambda value: _is_list_of(value, bool)),
    7: ('INTEGER_ARRAY', 'integer_array_value', lambda value: _is_list_of(value, int)),
    8: ('DOUBLE_ARRAY', 'double_array_value', lambda value: _is_list_of(value, float)),
    9: ('STRING_ARRAY', 'string_array_value', lambda value: _is_list_of(value, str)),
}


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, _LISTS) and all(isinstance(item, kind) for item in value)


class Parameter:
    """A name with a value of one of ROS' parameter types."""

    class Type(Enum):
        """The types of parameters."""

        NOT_SET = 0
        BOOL = 1
        INTEGER = 2
        DOUBLE = 3
        STRING = 4
        BYTE_ARRAY = 5
        BOOL_ARRAY = 6
        INTEGER_ARRAY = 7
        DOUBLE_ARRAY = 8
        STRING_ARRAY = 9

        @classmethod
        def from_parameter_value(cls, parameter_value: Any) -> 'Parameter.Type':
            """The type of a value; TypeError where it is none of a parameter's."""
            # A truth value is also a number: the order of _TYPES decides, bool before int.
            for number, (_, _, fits) in _TYPES.items():
                if fits(parameter_value):
                    return cls(number)
            raise TypeError(
                f"The given value is not one of the allowed types '{parameter_value}'.")

        def check(self, parameter_value: Any) -> bool:
            """Whether a value is of this type."""
            return _TYPES[self.value][2](parameter_value)

    @classmethod
    def from_parameter_msg(cls, param_msg: Any) -> 'Parameter':
        """From rcl_interfaces/msg/Parameter."""
        field = _TYPES[param_msg.value.type][1]
        value = getattr(param_msg.value, field) if field else None
        return cls(param_msg.name, cls.Type(param_msg.value.type), value)

    def __init__(self, name: str, type_: 'Parameter.Type | None' = None,
                 value: Any = None) -> None:
        """Make a parameter.

        Args:
            name: Its name; parts are joined with dots.
            type_: Its type; None: the value's.
            value: Its value.

        Raises:
            TypeError: The value is of no parameter type, or `type_` is no type.
            ValueError: The value is not of the type.
        """
        if type_ is None:
            type_ = Parameter.Type.from_parameter_value(value)
        if not isinstance(type_, Parameter.Type):
            raise TypeError(f"type must be an instance of '{Parameter.Type!r}'")
        if not type_.check(value):
            raise ValueError(f"Type '{type_}' and value '{value}' do not agree")
        self._name, self._type_, self._value = name, type_, value

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def type_(self) -> 'Parameter.Type':
        """Its type."""
        return self._type_

    @property
    def value(self) -> Any:
        """Its value."""
        return self._value

    def __repr__(self) -> str:
        return f'Parameter({self._name!r}, {self._type_}, {self._value!r})'

    def get_parameter_value(self) -> Any:
        """Its value as rcl_interfaces/msg/ParameterValue."""
        message = message_class('rcl_interfaces/msg/ParameterValue')(type=self._type_.value)
        field = _TYPES[self._type_.value][1]
        if field:
            setattr(message, field, self._value)
        return message

    def to_parameter_msg(self) -> Any:
        """As rcl_interfaces/msg/Parameter."""
        return message_class('rcl_interfaces/msg/Parameter')(
            name=self._name, value=self.get_parameter_value())


def parameter_value_to_python(parameter_value: Any) -> Any:
    """The value in a rcl_interfaces/msg/ParameterValue; RuntimeError where its type is unknown."""
    if parameter_value.type not in _TYPES:
        raise RuntimeError(f'unexpected parameter type {parameter_value.type}')
    field = _TYPES[parameter_value.type][1]
    value = getattr(parameter_value, field) if field else None
    return list(value) if isinstance(value, _LISTS) else value


def validate_parameter_name(name: str) -> bool:
    """Check a parameter's name; True, or InvalidParameterException."""
    # Letters, digits and what qos_overrides./topic.publisher.depth needs; not more is refused.
    if not name or not re.fullmatch(r'[\w./~-]+', name):
        raise InvalidParameterException(name)
    return True
