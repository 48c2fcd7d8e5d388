"""What a message's fields accept, hold and look like on the wire, one rule per kind of field.

The rules are those of the classes that rosidl generates: scalars are checked for type and range, a
fixed array of numbers is a numpy array, a sequence of numbers an `array.array`, everything else a
list.
"""

import array
from collections import UserList, UserString
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from math import isinf
from typing import Any

import numpy as np

from .definitions import FieldType

INTEGERS = {f'{sign}int{bits}': ((0, 2 ** bits - 1) if sign else
                                 (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
            for sign in ('', 'u') for bits in (8, 16, 32, 64)}
FLOATS = {name: float(np.finfo(name).max) for name in ('float32', 'float64')}
DTYPES = {name: np.dtype(name) for name in (*INTEGERS, *FLOATS)}
TYPECODES = {'int8': 'b', 'uint8': 'B', 'int16': 'h', 'uint16': 'H', 'int32': 'i', 'uint32': 'I',
             'int64': 'q', 'uint64': 'Q', 'float32': 'f', 'float64': 'd'}
IDL_NAMES = {'float32': 'float', 'float64': 'double', 'bool': 'boolean', 'byte': 'octet'}


@dataclass(frozen=True)
class Rule:
    """How one field behaves.

    Attributes:
        default: Makes the value that a new message has.
        accept: Checks an assigned value and returns what the message holds; AssertionError says
            what was wrong.
        convert: The same for a value given to the constructor, which also takes any iterable.
        to_wire: Makes what rosbags writes from the held value; None where they are the same.
        from_wire: Makes the held value from what rosbags read; None where they are the same.
    """

    default: Callable[[], Any]
    accept: Callable[[Any], Any]
    convert: Callable[[Any], Any]
    to_wire: Callable[[Any], Any] | None = None
    from_wire: Callable[[Any], Any] | None = None


def idl_name(field: FieldType) -> str:
    """Type of a field as `get_fields_and_field_types` names it, for example 'float[136]'."""
    if field.nested:
        package, _, name = field.base.split('/')
        base = f'{package}/{name}'
    else:
        base = IDL_NAMES.get(field.base, field.base)
    if field.string_bound:
        base = f'{base}<{field.string_bound}>'
    if field.kind == 'array':
        return f'{base}[{field.size}]'
    if field.kind == 'sequence':
        return f'sequence<{base}, {field.size}>' if field.size else f'sequence<{base}>'
    return base


def make_rule(name: str, field: FieldType, message_class: Callable[[str], type]) -> Rule:
    """The rule of field `name`; `message_class` gives the class of a nested message."""
    one = _scalar(name, field, message_class)
    if field.kind == 'one':
        return one
    if field.base in DTYPES:
        return _numbers(name, field)
    return _list(name, field, one)


def _scalar(name: str, field: FieldType, message_class: Callable[[str], type]) -> Rule:
    if field.nested:
        cls = message_class(field.base)

        def accept(value: Any) -> Any:
            assert isinstance(value, cls), (
                f"The '{name}' field must be a sub message of type '{cls.__name__}', "
                f'not {type(value).__name__}')
            return value

        return Rule(cls, accept, accept)
    if field.base == 'byte':
        return _byte(name)
    if field.base == 'string':
        return _string(name, field.string_bound)
    if field.base == 'bool':
        return _checked(name, bool, 'bool', lambda value: True, '')
    if field.base in INTEGERS:
        low, high = INTEGERS[field.base]
        return _checked(name, int, f'int ({field.base})', lambda value: low <= value <= high,
                        f' in [{low}, {high}]')
    limit = FLOATS[field.base]
    return _checked(name, float, f'float ({field.base})',
                    lambda value: not abs(value) > limit or isinf(value),
                    f' in [{-limit}, {limit}]')


def _checked(name: str, wanted: type, words: str, fits: Callable[[Any], bool], span: str) -> Rule:
    def accept(value: Any) -> Any:
        assert isinstance(value, wanted), (
            f"The '{name}' field must be of type '{words}', not {value!r} "
            f'({type(value).__name__})')
        assert fits(value), f"The '{name}' field must be a {words}{span}, not {value!r}"
        return value

    return Rule(wanted, accept, accept)


def _string(name: str, bound: int) -> Rule:
    def accept(value: Any) -> str:
        assert isinstance(value, str), (
            f"The '{name}' field must be of type 'str', not {value!r} ({type(value).__name__})")
        assert not bound or len(value) <= bound, (
            f"The '{name}' field must be a string of at most {bound} characters, not {len(value)}")
        return value

    return Rule(str, accept, accept)


def _byte(name: str) -> Rule:
    def accept(value: Any) -> bytes:
        assert isinstance(value, (bytes, bytearray)) and len(value) == 1, (
            f"The '{name}' field must be of type 'bytes' with length 1, not {value!r}")
        return bytes(value)

    # rosbags takes a byte for a signed number.
    return Rule(lambda: b'\0', accept, accept,
                to_wire=lambda value: int.from_bytes(value, 'little', signed=True),
                from_wire=lambda value: bytes([value & 0xFF]))


def _is_listlike(value: Any) -> bool:
    return (isinstance(value, (Sequence, Set, UserList))
            and not isinstance(value, (str, UserString)))


def _check_length(name: str, field: FieldType, length: int) -> None:
    if field.kind == 'array':
        assert length == field.size, (
            f"The '{name}' field must have a size of {field.size}, not {length}")
    else:
        assert not field.size or length <= field.size, (
            f"The '{name}' field must have a size of at most {field.size}, not {length}")


def _numbers(name: str, field: FieldType) -> Rule:
    dtype, code, wanted = DTYPES[field.base], TYPECODES[field.base], (
        int if field.base in INTEGERS else float)
    low, high = INTEGERS.get(field.base, (-FLOATS.get(field.base, 0), FLOATS.get(field.base, 0)))
    held: type[Any] = np.ndarray if field.kind == 'array' else array.array

    def build(value: Any) -> Any:
        if field.kind == 'array':
            return np.array(value, dtype=dtype)
        return array.array(code, value)

    def accept(value: Any) -> Any:
        if isinstance(value, held):
            kind = value.dtype if isinstance(value, np.ndarray) else value.typecode
            assert kind == (dtype if isinstance(value, np.ndarray) else code), (
                f"The '{name}' field wants {held.__name__} of {field.base}, not of {kind!r}")
            _check_length(name, field, getattr(value, 'size', len(value)))
            return value
        assert _is_listlike(value), (
            f"The '{name}' field must be a set or sequence of '{wanted.__name__}', or "
            f'{held.__module__}.{held.__name__} of {field.base}, not {type(value).__name__}')
        _check_length(name, field, len(value))
        for item in value:
            assert isinstance(item, wanted), (
                f"The '{name}' field must hold values of type '{wanted.__name__}', not {item!r}")
            assert low <= item <= high or item != item or isinf(item), (
                f"The '{name}' field must hold values in [{low}, {high}], not {item!r}")
        return build(value)

    def convert(value: Any) -> Any:
        made = build(value)
        _check_length(name, field, len(made))
        return made

    if field.kind == 'array':
        return Rule(lambda: np.zeros(field.size, dtype), accept, convert,
                    to_wire=lambda value: np.ascontiguousarray(value).reshape(-1),
                    # What was read is a view of the bytes that came in, which cannot be written.
                    from_wire=lambda value: value.copy())

    def from_wire(value: np.ndarray) -> array.array:
        made = array.array(code)
        made.frombytes(value.data.cast('B') if value.size else b'')
        return made

    return Rule(lambda: array.array(code), accept, convert,
                to_wire=lambda value: np.frombuffer(value, dtype), from_wire=from_wire)


def _list(name: str, field: FieldType, one: Rule) -> Rule:
    length = field.size if field.kind == 'array' else 0

    def accept(value: Any) -> list:
        assert _is_listlike(value), (
            f"The '{name}' field must be a set or sequence, not {type(value).__name__}")
        _check_length(name, field, len(value))
        return [one.accept(item) for item in value]

    to_wire: Callable[[Any], Any] | None = None
    from_wire: Callable[[Any], Any] | None = None
    if field.base in ('bool', 'byte'):
        # rosbags takes and gives arrays for both.
        if field.base == 'bool':
            def to_wire(value: list) -> np.ndarray:
                return np.array(value, dtype=np.bool_)

            def from_wire(value: np.ndarray) -> list:
                return value.tolist()
        else:
            def to_wire(value: list) -> np.ndarray:
                return np.frombuffer(b''.join(value), np.uint8)

            def from_wire(value: np.ndarray) -> list:
                return [bytes([item & 0xFF]) for item in value.tolist()]
    return Rule(lambda: [one.default() for _ in range(length)], accept,
                lambda value: accept(list(value)), to_wire, from_wire)
