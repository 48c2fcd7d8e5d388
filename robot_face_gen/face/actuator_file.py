# SPDX-License-Identifier: Apache-2.0
"""Reads the YAML file that declares a robot's actuators; all mistakes at once, each with its line.

`docs/actuators.md` describes the file.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .actuators import FACE_OUTPUTS, INPUTS, JOINT_OUTPUTS, UNITS, Actuator, ActuatorSet, Output

_KINDS = (*JOINT_OUTPUTS, *FACE_OUTPUTS)
_DEFAULT_TOPIC = 'robot_face/joint_states'
_REQUIRED = ('name', 'min', 'max', 'max_speed', 'max_acceleration', 'inputs')
_OPTIONAL = ('unit', 'neutral', 'max_jerk')
# Joint names appear in URDF files and messages.
_NAME = re.compile(r'[A-Za-z_][\w.\-/]*', re.ASCII)
_TOPIC = re.compile(r'(/|~/)?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)
_MERGE = 'tag:yaml.org,2002:merge'
_AU = re.compile(r'AU_?0*(\d+)(_[rc])?', re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Problem:
    """A mistake in the file.

    Attributes:
        line: number, from 1.
        text: what is wrong and what was expected.
    """

    line: int
    text: str


class ActuatorFileError(ValueError):
    """The file cannot be used.

    Attributes:
        problems: in order of lines, at least one.
    """

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__('\n'.join(f'{path}:{each.line}: {each.text}' for each in self.problems))


def read_actuators(path: str | Path) -> ActuatorSet:
    """Read a file of actuators.

    Raises:
        ActuatorFileError: mistakes in the file.
        OSError: it cannot be read.
    """
    path = Path(path)
    try:
        root = yaml.compose(path.read_text(encoding='utf-8'), yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise ActuatorFileError(path, [Problem(1, f'not UTF-8: {error.reason}')]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        text = f'not valid YAML: {error.problem or error.context}'
        raise ActuatorFileError(path, [Problem(mark.line + 1 if mark else 1, text)]) from None
    except yaml.YAMLError as error:
        raise ActuatorFileError(path, [Problem(1, f'not valid YAML: {error}')]) from None
    reader = _Reader()
    found = reader.root(root)
    if reader.problems:
        raise ActuatorFileError(path, reader.problems)
    return found


class _Reader:
    """Turns YAML nodes into actuators; collects problems and goes on after each."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._seen: dict[tuple[str, str], int] = {}  # line of each name

    def root(self, node: yaml.Node | None) -> ActuatorSet:
        if node is None:
            self.problems.append(Problem(1, 'the file is empty: expected actuators'))
            return ActuatorSet((), ())
        fields = self._mapping(node, 'the file', ('actuators',), ('outputs',))
        actuators = [
            actuator
            for item in self._sequence(fields.get('actuators'), 'actuators')
            if (actuator := self._actuator(item)) is not None
        ]
        names = tuple(actuator.name for actuator in actuators)
        if 'outputs' in fields:
            items = self._sequence(fields['outputs'], 'outputs')
            outputs = [out for item in items if (out := self._output(item, names)) is not None]
        else:
            outputs = [Output('joint_state', _DEFAULT_TOPIC, names)]
        return ActuatorSet(tuple(actuators), tuple(outputs))

    def _actuator(self, node: yaml.Node) -> Actuator | None:
        before = len(self.problems)
        fields = self._mapping(node, 'an actuator', _REQUIRED, _OPTIONAL)
        name = self._word(fields.get('name'), 'name')
        if name is not None and not _NAME.fullmatch(name):
            self._wrong(fields['name'], f'name: {name!r}: expected the name of a joint')
        self._once(fields.get('name'), 'actuator', name)
        unit = self._word(fields.get('unit'), 'unit') or 'rad'
        if unit not in UNITS:
            self._wrong(fields['unit'], f'unit: {unit!r}: expected one of {", ".join(UNITS)}')
        low, high = (self._number(fields.get(key), key) for key in ('min', 'max'))
        neutral = self._number(fields.get('neutral'), 'neutral', 0.0)
        if low is not None and high is not None and low >= high:
            self._wrong(fields['max'], f'max: {high:g}: expected more than min ({low:g})')
        elif None not in (low, high, neutral) and not low <= neutral <= high:  # type: ignore[operator]
            self._wrong(
                fields.get('neutral', node),
                f'neutral: {neutral:g}: expected a position from min ({low:g}) to max ({high:g})',
            )
        limits = {
            key: self._number(fields.get(key), key, math.inf, positive=True)
            for key in ('max_speed', 'max_acceleration', 'max_jerk')
        }
        inputs = self._inputs(fields['inputs']) if 'inputs' in fields else {}
        if len(self.problems) > before or name is None:
            return None
        positions = {'low': low, 'high': high, 'neutral': neutral}
        return Actuator(name=name, inputs=inputs, unit=unit, **positions, **limits)  # type: ignore[arg-type]

    def _inputs(self, node: yaml.Node) -> dict[str, tuple[float, float]]:
        """Gain and offset by input: `AU12: 0.1` or `AU12: {gain: 0.1, offset: -0.2}`."""
        inputs = {}
        for name, value in self._mapping(node, 'inputs', (), INPUTS, _like_input).items():
            if isinstance(value, yaml.MappingNode):
                fields = self._mapping(value, name, ('gain',), ('offset',))
                gain = self._number(fields.get('gain'), f'gain of {name}')
                offset = self._number(fields.get('offset'), f'offset of {name}', 0.0)
            else:
                gain, offset = self._number(value, f'gain of {name}'), 0.0
            inputs[name] = (gain or 0.0, offset or 0.0)
        if isinstance(node, yaml.MappingNode) and not node.value:
            self._wrong(node, 'inputs: is empty: expected gains, such as AU12: 0.1')
        return inputs

    def _output(self, node: yaml.Node, names: tuple[str, ...]) -> Output | None:
        before = len(self.problems)
        fields = self._mapping(node, 'an output', ('type', 'topic'), ('enabled', 'actuators'))
        kind = self._word(fields.get('type'), 'type')
        if kind is not None and kind not in _KINDS:
            self._wrong(fields['type'], f'type: {kind!r}: expected {_choices(kind, _KINDS)}')
        topic = self._word(fields.get('topic'), 'topic')
        if topic is not None and not _TOPIC.fullmatch(topic):
            self._wrong(fields['topic'], f'topic: {topic!r}: expected the name of a topic')
        self._once(fields.get('topic'), 'topic', topic)
        enabled = True
        if 'enabled' in fields:
            enabled = self._scalar(fields['enabled'])
            if not isinstance(enabled, bool):
                self._wrong(fields['enabled'], f'enabled: {enabled!r}: expected true or false')
        selected = names if kind in JOINT_OUTPUTS else ()
        if 'actuators' in fields:
            if kind in FACE_OUTPUTS:
                text = f'actuators: a {kind} has none, it carries the face'
                self._wrong(fields['actuators'], text)
            selected = self._selection(fields['actuators'], names)
        if len(self.problems) > before or kind is None or topic is None:
            return None
        return Output(kind, topic, selected, enabled)

    def _selection(self, node: yaml.Node, names: tuple[str, ...]) -> tuple[str, ...]:
        selected: list[str] = []
        for item in self._sequence(node, 'actuators of the output'):
            name = self._word(item, 'actuator')
            if name is None:
                continue
            # Where actuators have mistakes, unknown names would be a consequence of them.
            if name not in names and not self.problems:
                self._wrong(item, f'{name!r} is no actuator: expected {_choices(name, names)}')
            elif name in selected:
                self._wrong(item, f'{name!r} appears twice in this output')
            selected.append(name)
        return tuple(selected)

    def _wrong(self, node: yaml.Node, text: str) -> None:
        self.problems.append(Problem(node.start_mark.line + 1, text))

    def _once(self, node: yaml.Node | None, what: str, name: str | None) -> None:
        """Report a name that an earlier item has."""
        if node is None or name is None:
            return
        line = self._seen.setdefault((what, name), node.start_mark.line + 1)
        if line != node.start_mark.line + 1:
            self._wrong(node, f'{what} {name!r} appears twice (first in line {line})')

    def _mapping(
        self,
        node: yaml.Node,
        what: str,
        required: Sequence[str],
        optional: Sequence[str],
        suggest: Any = None,
    ) -> dict[str, yaml.Node]:
        """The values by key; keys that are unknown, missing or there twice are problems."""
        if not isinstance(node, yaml.MappingNode):
            keys = f' with {", ".join(required)}' if required else ''
            self._wrong(node, f'{what}: expected a mapping{keys}, found {_found(node)}')
            return {}
        known = (*required, *optional)
        lines: dict[str, int] = {}
        fields: dict[str, yaml.Node] = {}
        merged: list[tuple[yaml.Node, yaml.Node]] = []  # `<<: *anchor`
        for key_node, value in node.value:
            if key_node.tag == _MERGE and isinstance(value, yaml.MappingNode):
                merged += value.value
                continue
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in lines:
                text = f'{key!r} appears twice in {what} (first in line {lines[key]})'
                self._wrong(key_node, text)
            elif key not in known:
                choice = (suggest or _choices)(key, known)
                self._wrong(key_node, f'{key!r} is unknown in {what}: expected {choice}')
            else:
                fields[key] = value
            lines[key] = line
        for key_node, value in merged:
            if key_node.value in known and key_node.value not in lines:
                fields[key_node.value] = value
        for key in required:
            if key not in lines and key not in fields:
                self._wrong(node, f'{key!r} is missing in {what}')
        return fields

    def _sequence(self, node: yaml.Node | None, what: str) -> Iterator[yaml.Node]:
        if node is None:
            return
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self._wrong(node, f'{what}: expected a list with at least one item')
            return
        yield from node.value

    def _scalar(self, node: yaml.Node) -> Any:
        """The value of a scalar; None for anything else."""
        if not isinstance(node, yaml.ScalarNode):
            return None
        try:
            return yaml.SafeLoader('').construct_object(node)
        except (ValueError, yaml.YAMLError):  # `2026-13-45` looks like a date
            return None

    def _word(self, node: yaml.Node | None, what: str) -> str | None:
        if node is None:
            return None
        value = self._scalar(node)
        if isinstance(value, str) and value.strip():
            return value
        self._wrong(node, f'{what}: expected a name, found {_found(node)}')
        return None

    def _number(
        self,
        node: yaml.Node | None,
        what: str,
        default: float | None = None,
        *,
        positive: bool = False,
    ) -> float | None:
        """A finite number; `default` where there is no node, None where it is wrong."""
        if node is None:
            return default
        expected = 'a positive number' if positive else 'a finite number'
        value = self._scalar(node)
        if isinstance(value, str) and getattr(node, 'style', None) is None:
            try:
                value = float(value)  # YAML 1.1 takes 1e3 for a text
            except ValueError:
                value = None
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or (positive and value <= 0.0):
            self._wrong(node, f'{what}: expected {expected}, found {_found(node)}')
            return None
        return float(value)


def _found(node: yaml.Node) -> str:
    """A node in an error message."""
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value) if node.value else 'nothing'
    return 'a list' if isinstance(node, yaml.SequenceNode) else 'a mapping'


def _choices(given: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(given, known, 1, cutoff=0.5)
    hint = f' (did you mean {near[0]!r}?)' if near else ''
    return f'one of {", ".join(known)}{hint}' if known else f'none{hint}'


def _like_input(given: str, known: Sequence[str]) -> str:
    """The valid inputs, with the one that was meant: 'AU1' and 'AU12_r' have another spelling."""
    unit = _AU.fullmatch(given)
    name = f'AU{int(unit[1]):02d}' if unit else ''
    if name in known:
        return f'{name!r}'
    if unit:
        numbers = ', '.join(each for each in known if each.startswith('AU'))
        return f"one of OpenFace's action units {numbers}"
    return _choices(given, known)
