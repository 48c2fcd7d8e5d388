"""Message classes that behave as those that rosidl generates for rclpy, and their bytes (CDR)."""

import struct
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

import numpy as np
from rosbags.serde import SerdeError
from rosbags.typesys.store import Typestore

from .definitions import PLACEHOLDER, definitions
from .fields import Rule, idl_name, make_rule

#: Definitions as rosbags needs them to write and read our classes, filled when a class is made.
_wire = Typestore()


class Message:
    """Base of every message class."""

    __slots__ = ()
    __ros_type__ = ''
    __rules__: ClassVar[dict[str, Rule]] = {}
    __fields__: ClassVar[dict[str, str]] = {}

    def __init__(self, **kwargs: Any) -> None:
        """Make a message, every field its default where it is not given."""
        kwargs.pop('check_fields', None)
        unknown = kwargs.keys() - self.__rules__.keys()
        assert not unknown, (
            f'Invalid arguments passed to constructor of {self.__ros_type__}: '
            f'{", ".join(sorted(unknown))}; its fields are {", ".join(self.__rules__) or "none"}')
        for name, rule in self.__rules__.items():
            value = rule.convert(kwargs[name]) if name in kwargs else rule.default()
            object.__setattr__(self, f'_{name}', value)

    @classmethod
    def get_fields_and_field_types(cls) -> dict[str, str]:
        """Names of the fields and their types."""
        return dict(cls.__fields__)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return False
        for name in self.__rules__:
            mine, theirs = getattr(self, f'_{name}'), getattr(other, f'_{name}')
            if isinstance(mine, np.ndarray):
                if not np.array_equal(mine, theirs):
                    return False
            elif mine != theirs:
                return False
        return True

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        package, kind, name = self.__ros_type__.split('/')
        values = ', '.join(f'{field}={_shown(getattr(self, field))}' for field in self.__rules__)
        return f'{package}.{kind}.{name}({values})'


def _shown(value: Any) -> str:
    return repr(value.tolist()) if hasattr(value, 'tolist') else repr(value)


def _field_property(name: str, rule: Rule) -> property:
    slot, accept = f'_{name}', rule.accept

    def setter(self: Message, value: Any) -> None:
        setattr(self, slot, accept(value))

    namespace: dict[str, Any] = {}
    # As a plain attribute access; a closure over the name would be several times slower.
    exec(f'def getter(self): return self.{slot}', namespace)
    return property(namespace['getter'], setter, doc=f"Message field '{name}'.")


def _wire_property(slot: str, to_wire: Callable[[Any], Any]) -> property:
    return property(lambda self: to_wire(getattr(self, slot)))


@cache
def message_class(name: str) -> Any:
    """The class of a message, for example 'std_msgs/msg/Header'.

    Raises:
        KeyError: No such message; names it.
    """
    known = definitions()
    fields = known.fields(name)
    package, kind, short = name.split('/')
    rules = {field: make_rule(field, desc, message_class) for field, desc in fields
             if field != PLACEHOLDER}
    for field, value in known.defaults(name).items():
        rules[field] = Rule(lambda value=value: value,  # type: ignore[misc]
                            rules[field].accept, rules[field].convert)
    namespace: dict[str, Any] = {
        '__slots__': [f'_{field}' for field in rules],
        '__module__': f'{package}.{kind}',
        '__doc__': f'Message {name}.',
        '__ros_type__': name,
        '__rules__': rules,
        '__fields__': {field: idl_name(desc) for field, desc in fields
                                    if field != PLACEHOLDER},
        **known.constants(name),
    }
    attributes = []
    for field, _ in fields:
        if field not in rules:
            namespace['_wire_placeholder'] = 0
            attributes.append('_wire_placeholder')
            continue
        rule = rules[field]
        namespace[field] = _field_property(field, rule)
        attribute = f'_{field}'
        if rule.to_wire:
            attribute = f'_wire_{field}'
            namespace[attribute] = _wire_property(f'_{field}', rule.to_wire)
        attributes.append(attribute)
    cls = type(short, (Message,), namespace)
    _wire.fielddefs[name] = ([], [(attribute, known.raw_field(name, index))
                                  for index, attribute in enumerate(attributes)])
    _wire.types[name] = _reader(cls)  # type: ignore[assignment]
    return cls


def _reader(cls: type[Message]) -> Any:
    """What rosbags calls with the values that it read: makes a message without checking again."""
    steps = [(f'_{name}', rule.from_wire) for name, rule in cls.__rules__.items()]

    def make(*values: Any) -> Message:
        message = cls.__new__(cls)
        for (slot, from_wire), value in zip(steps, values, strict=False):
            setattr(message, slot, value if from_wire is None else from_wire(value))
        return message

    return make


@cache
def service_class(name: str) -> type:
    """The class of a service, with its Request and Response: 'std_srvs/srv/Trigger'."""
    package, kind, short = name.split('/')
    return type(short, (), {
        '__module__': f'{package}.{kind}',
        '__doc__': f'Service {name}.',
        '__ros_type__': name,
        'Request': message_class(f'{name}_Request'),
        'Response': message_class(f'{name}_Response'),
    })


def serialize(message: Message) -> bytes:
    """Bytes of a message: a CDR header (little-endian) and the fields.

    Raises:
        ValueError: A field holds what its type cannot; names the message.
    """
    try:
        return bytes(_wire.serialize_cdr(message, message.__ros_type__, little_endian=True))
    except (SerdeError, struct.error, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f'{message.__ros_type__} cannot be serialised: {error}') from error


def deserialize(data: bytes, cls: type[Message]) -> Any:
    """The message of class `cls` that `data` holds.

    Raises:
        ValueError: The bytes are not such a message.
    """
    try:
        return _wire.deserialize_cdr(memoryview(data), cls.__ros_type__)
    except (SerdeError, struct.error, IndexError) as error:
        raise ValueError(f'not a message of type {cls.__ros_type__}: {error}') from error


def populate(module_name: str) -> None:
    """Give a module `<package>.msg` or `<package>.srv` its classes, each made when first used."""
    package, kind = module_name.split('.')
    module = sys.modules[module_name]
    names = definitions().names(package, kind)

    def lookup(attribute: str) -> Any:
        if attribute not in names:
            raise AttributeError(f'module {module_name!r} has no attribute {attribute!r}')
        make = message_class if kind == 'msg' else service_class
        found = make(f'{package}/{kind}/{attribute}')
        setattr(module, attribute, found)
        return found

    module.__dict__.update(__getattr__=lookup, __all__=names, __dir__=lambda: names)
