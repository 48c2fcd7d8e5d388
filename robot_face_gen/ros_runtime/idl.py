"""Cyclone DDS' descriptions of the message types, built from their definitions."""

from functools import cache
from typing import Any

from cyclonedds.idl import IdlStruct, make_idl_struct
from cyclonedds.idl import types as _types

from .definitions import FieldType, definitions
from .names import dds_type

#: The module's type constructors are not what a type checker makes of them.
types: Any = _types

_PRIMITIVES: dict[str, Any] = {'bool': bool, 'string': str} | {
    name: getattr(types, name) for name in (
        'byte', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64',
        'float32', 'float64')}


def _field(field: FieldType) -> Any:
    if field.nested:
        base = message_idl(field.base)
    elif field.base == 'string' and field.string_bound:
        base = types.bounded_str[field.string_bound]
    else:
        base = _PRIMITIVES[field.base]
    if field.kind == 'array':
        return types.array[base, field.size]
    if field.kind == 'sequence':
        # Never bounded: ROS checks bounds itself, and other middlewares announce none.
        return types.sequence[base]
    return base


def _struct(name: str, fields: dict[str, Any]) -> type[IdlStruct]:
    made = make_idl_struct(f'{name.split("/")[-1]}_', dds_type(name), fields)
    made.__idl_annotations__['extensibility'] = 'final'
    return made


@cache
def message_idl(name: str) -> type[IdlStruct]:
    """Type of a topic that carries messages of this name."""
    return _struct(name, {field: _field(desc) for field, desc in definitions().fields(name)})


@cache
def service_idl(name: str) -> type[IdlStruct]:
    """Type of a topic that carries a service's requests or replies (`pkg/srv/Name_Request`).

    Cyclone DDS' ROS middleware puts the caller and the number of the call in front.
    """
    header: dict[str, Any] = {'rmw_client_guid': types.uint64, 'rmw_sequence_number': types.int64}
    return _struct(name, header | {
        field: _field(desc) for field, desc in definitions().fields(name)})
