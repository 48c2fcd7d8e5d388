# SPDX-License-Identifier: Apache-2.0
"""Parameters of a node: one dataclass declares, validates and documents them."""

from __future__ import annotations

import difflib
import math
import textwrap
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import yaml

if TYPE_CHECKING:
    from rcl_interfaces.msg import ParameterDescriptor
    from rclpy.node import Node

# Declared by rclpy itself, some of them late.
_OF_RCLPY = ('use_sim_time', 'qos_overrides.', 'start_type_description_service')
Value = bool | int | float | str
_KINDS = {
    bool: 'true or false',
    int: 'a whole number',
    float: 'a number such as 1.0',
    str: 'a text',
}


@dataclass(frozen=True)
class Row:
    """One parameter."""

    name: str  # as in the YAML file
    default: Value  # its type is the parameter's type
    text: str  # what it does, one sentence without a full stop
    unit: str = ''  # of the value; '' where it has none
    between: tuple[float, float] | None = None  # least and greatest value, for numbers
    choices: tuple[str, ...] = ()  # texts allowed; none means any
    settable: bool = False  # whether it can be changed while the node runs
    # returns why a value of the right type and range is refused, or ''
    check: Callable[[Any], str] = lambda value: ''

    @property
    def limits(self) -> str:
        """The allowed values as text: '0 to 2', 'auto, cpu or cuda' or ''."""
        if self.choices:
            *most, last = (choice or "''" for choice in self.choices)
            return f'{", ".join(most)} or {last}' if most else last
        return '{:.10g} to {:.10g}'.format(*self.between) if self.between else ''

    def reason_against(self, value: Any) -> str:
        """Why a value is refused ('' if it is not): parameter, value and what was expected.

        rclpy itself refuses other types, values out of range, and changes of what is not settable.
        """
        is_other = self.choices and value not in self.choices
        why = f'expected {self.limits}' if is_other else self.check(value)
        return f'{self.name} = {value!r}: {why}' if why else ''

    @property
    def note(self) -> str:
        """Text, unit and limits on one line, as in the YAML file's comments."""
        inside = ', '.join(
            part for part in (self.unit, self.limits, 'settable' if self.settable else '') if part
        )
        return f'{self.text} [{inside}]' if inside else self.text

    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows."""
        from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

        constraints = [f'unit: {self.unit}'] if self.unit else []
        if self.choices:
            constraints.append(f'one of: {self.limits}')
        descriptor = ParameterDescriptor(
            name=self.name,
            description=self.text,
            additional_constraints='; '.join(constraints),
            read_only=not self.settable,
        )
        if self.between is not None:
            low, high = map(type(self.default), self.between)
            if isinstance(self.default, float):
                span = FloatingPointRange(from_value=low, to_value=high)
                descriptor.floating_point_range = [span]
            else:
                descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        return descriptor


def parameter(default: Value, text: str, **options: Any) -> Any:
    """A field of a dataclass of parameters; the options are the other fields of `Row`."""
    return field(default=default, metadata={'text': text, **options})


def filled(what: str) -> Callable[[str], str]:
    """A check for a text that is not blank."""
    return lambda value: '' if value.strip() else f'expected {what}'


def not_negative(value: float) -> str:
    """A check for a time, or 0.0."""
    return '' if 0.0 <= value < math.inf else 'expected 0.0 or a time'


Values = TypeVar('Values')


@dataclass(frozen=True)
class ParameterTable(Generic[Values]):
    """All parameters of one node."""

    node: str  # name of the node and of its executable
    # frozen dataclass whose fields are made by `parameter`; its docstring says what the node does
    values: type[Values]
    listens: tuple[tuple[str, str], ...] = ()  # topics that it subscribes to, name and type
    publishes: tuple[tuple[str, str], ...] = ()  # topics that it publishes

    @property
    def text(self) -> str:
        """What the node does, one sentence."""
        return ' '.join(str(self.values.__doc__).split())

    def __iter__(self) -> Iterator[Row]:
        """One row for each parameter, in order of declaration."""
        found: Any = fields(self.values)  # type: ignore[arg-type]
        return (Row(each.name, each.default, **each.metadata) for each in found)

    def __getitem__(self, name: str) -> Row:
        return next(row for row in self if row.name == name)

    def markdown(self) -> str:
        """The table for docs/parameters.md."""
        lines = [
            f'### {self.node}',
            '',
            self.text,
            '',
            '| parameter | default | unit | allowed | settable | what it does |',
            '|---|---|---|---|---|---|',
        ]
        for row in self:
            default = f'`{yaml_value(row.default)}`'
            settable = 'yes' if row.settable else ''
            lines.append(
                f'| `{row.name}` | {default} | {row.unit} | {row.limits} | {settable} '
                f'| {row.text} |'
            )
        return '\n'.join(lines) + '\n'

    def yaml(self) -> str:
        """This node's part of config/bringup.yaml; `/**/` finds the node in any namespace."""
        lines = [f'# {self.text}', f'/**/{self.node}:', '  ros__parameters:']
        for row in self:
            lines += wrapped(row.note, '    # ')
            lines.append(f'    {row.name}: {yaml_value(row.default)}')
        return '\n'.join(lines) + '\n'


def wrapped(text: str, indent: str) -> list[str]:
    """A text as lines that begin with `indent`."""
    return textwrap.wrap(
        text, 99, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def yaml_value(value: Value) -> str:
    """A value as text of a YAML file."""
    return yaml.safe_dump(value, default_flow_style=True).split('\n')[0]


def _unknown(node: Node, own: Collection[str]) -> list[str]:
    """Parameters given at start-up that the node does not have, each with a similar name."""
    given = getattr(node, '_parameter_overrides', {})  # rclpy has no public way to them
    found = []
    for name in sorted(given):
        if not node.has_parameter(name) and not name.startswith(_OF_RCLPY):
            like = difflib.get_close_matches(name.split('.')[0], own, 1)
            found.append(name + (f' (did you mean {like[0]}?)' if like else ''))
    return found


class Parameters(Generic[Values]):
    """A table declared on a node.

    `on_change` is called with names and new values after a change has been accepted; a ValueError
    refuses the change with its text.

    Attributes:
        values: the values in force, a dataclass of the table.
        unknown: parameters given at start-up that are in no table.

    Raises:
        ValueError: a value given at start-up is refused; one line says why.
    """

    def __init__(
        self,
        node: Node,
        table: ParameterTable[Values],
        on_change: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        from rclpy.exceptions import ParameterException

        self._rows = {row.name: row for row in table}
        self._on_change = on_change
        values: dict[str, Any] = {}
        for name, row in self._rows.items():
            try:
                value = node.declare_parameter(name, row.default, row.descriptor()).value
            except ParameterException as error:
                # The exception has the value only inside its text.
                given = getattr(error, 'args', ('',))[0]
                limits = f', {row.limits}' if row.limits else ''
                raise ValueError(
                    f'parameter {name}: expected {_KINDS[type(row.default)]}'
                    f'{limits}{f" {row.unit}" if row.unit else ""} ({given})'
                ) from None
            if reason := row.reason_against(value):
                raise ValueError(f'parameter {reason}')
            values[name] = value
        self.values = table.values(**values)
        self.unknown = _unknown(node, self._rows)
        node.add_on_set_parameters_callback(self._set)

    def _set(self, parameters: list[Any]) -> Any:
        from rcl_interfaces.msg import SetParametersResult

        changes = {}
        for given in parameters:
            row = self._rows.get(given.name)
            if row is None:  # use_sim_time and the QoS overrides belong to rclpy
                continue
            if reason := row.reason_against(given.value):
                return SetParametersResult(successful=False, reason=reason)
            changes[row.name] = given.value
        try:
            if changes and self._on_change:
                self._on_change(changes)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.values = replace(self.values, **changes)  # type: ignore[type-var]
        return SetParametersResult(successful=True)
