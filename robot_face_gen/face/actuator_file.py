# SPDX-License-Identifier: Apache-2.0
"""Reads the YAML file that declares a robot's actuators; all mistakes at once, each with its line.

`docs/actuators.md` describes the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from robot_face_gen.yaml_file import Loader

from .actuators import FACE_OUTPUTS, INPUTS, JOINT_OUTPUTS, UNITS, Actuator, ActuatorSet, Output
from .limits import LARGEST, SMALLEST, MotionLimits
from .yaml_nodes import NodeReader, Problem, choices

_KINDS = (*JOINT_OUTPUTS, *FACE_OUTPUTS)
_DEFAULT_TOPIC = 'robot_face/joint_states'
_REQUIRED = ('name', 'min', 'max', 'max_speed', 'max_acceleration', 'inputs')
_OPTIONAL = ('unit', 'neutral', 'max_jerk')
# Joint names appear in URDF files and messages.
_NAME = re.compile(r'[A-Za-z_][\w.\-/]*', re.ASCII)
_TOPIC = re.compile(r'(/|~/)?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)
_AU = re.compile(r'AU_?0*(\d+)(_[rc])?', re.ASCII | re.IGNORECASE)


class ActuatorFileError(ValueError):
    """The file cannot be used; `problems` has at least one, in order of lines."""

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
        root = yaml.compose(path.read_text(encoding='utf-8'), Loader)
    except UnicodeDecodeError as error:
        raise ActuatorFileError(path, [Problem(1, f'not UTF-8: {error.reason}')]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        text = f'not valid YAML: {error.problem or error.context}'
        raise ActuatorFileError(path, [Problem(mark.line + 1 if mark else 1, text)]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ActuatorFileError(path, [Problem(1, f'not valid YAML: {error}')]) from None
    reader = _Reader()
    found = reader.root(root)
    if reader.problems:
        raise ActuatorFileError(path, reader.problems)
    return found


class _Reader(NodeReader):
    """Turns YAML nodes into actuators."""

    def root(self, node: yaml.Node | None) -> ActuatorSet:
        if node is None:
            self.problems.append(Problem(1, 'the file is empty: expected actuators'))
            return ActuatorSet((), ())
        fields = self.mapping(node, 'the file', ('actuators',), ('outputs',))
        actuators = [
            actuator
            for item in self.sequence(fields.get('actuators'), 'actuators')
            if (actuator := self._actuator(item)) is not None
        ]
        names = tuple(actuator.name for actuator in actuators)
        if 'outputs' in fields:
            items = self.sequence(fields['outputs'], 'outputs')
            outputs = [out for item in items if (out := self._output(item, names)) is not None]
        else:
            outputs = [Output('joint_state', _DEFAULT_TOPIC, names)]
        return ActuatorSet(tuple(actuators), tuple(outputs))

    def _actuator(self, node: yaml.Node) -> Actuator | None:
        before = len(self.problems)
        fields = self.mapping(node, 'an actuator', _REQUIRED, _OPTIONAL)
        name = self.word(fields.get('name'), 'name')
        if name is not None and not _NAME.fullmatch(name):
            self.wrong(fields['name'], f'name: {name!r}: expected the name of a joint')
        self.once(node, 'actuator', name)
        unit = self.word(fields.get('unit'), 'unit') or 'rad'
        if unit not in UNITS:
            self.wrong(fields['unit'], f'unit: {unit!r}: expected one of {", ".join(UNITS)}')
        low, high = (self._position(fields.get(key), key) for key in ('min', 'max'))
        neutral = self._position(fields.get('neutral'), 'neutral', 0.0)
        if low is not None and high is not None and low >= high:
            self.wrong(fields['max'], f'max: {high:g}: expected more than min ({low:g})')
        elif None not in (low, high, neutral) and not low <= neutral <= high:  # type: ignore[operator]
            self.wrong(
                fields.get('neutral', node),
                f'neutral: {neutral:g}: expected a position from min ({low:g}) to max ({high:g})',
            )
        limits = {
            key: self.number(fields.get(key), key, math.inf, lowest=SMALLEST, highest=LARGEST)
            for key in ('max_speed', 'max_acceleration', 'max_jerk')
        }
        jerk, acceleration = limits['max_jerk'], limits['max_acceleration']
        if jerk is not None and acceleration is not None and math.isfinite(acceleration):
            least = MotionLimits.least_jerk(acceleration)
            if jerk < least:
                text = f'expected at least {least:g}, or the motion would be too late'
                self.wrong(fields['max_jerk'], f'max_jerk: {jerk:g}: {text}')
        inputs = self._inputs(fields['inputs']) if 'inputs' in fields else {}
        if len(self.problems) > before or name is None:
            return None
        positions = {'low': low, 'high': high, 'neutral': neutral}
        return Actuator(name=name, inputs=inputs, unit=unit, **positions, **limits)  # type: ignore[arg-type]

    def _position(
        self, node: yaml.Node | None, what: str, default: float | None = None
    ) -> float | None:
        return self.number(node, what, default, lowest=-LARGEST, highest=LARGEST)

    def _inputs(self, node: yaml.Node) -> dict[str, tuple[float, float]]:
        """Gain and offset by input: `AU12: 0.1` or `AU12: {gain: 0.1, offset: -0.2}`."""
        inputs = {}
        for name, value in self.mapping(node, 'inputs', (), INPUTS, _like_input).items():
            if isinstance(value, yaml.MappingNode):
                fields = self.mapping(value, name, ('gain',), ('offset',))
                gain = self._position(fields.get('gain'), f'gain of {name}')
                offset = self._position(fields.get('offset'), f'offset of {name}', 0.0)
            else:
                gain, offset = self._position(value, f'gain of {name}'), 0.0
            inputs[name] = (gain or 0.0, offset or 0.0)
        if isinstance(node, yaml.MappingNode) and not node.value:
            self.wrong(node, 'inputs: is empty: expected gains, such as AU12: 0.1')
        return inputs

    def _output(self, node: yaml.Node, names: tuple[str, ...]) -> Output | None:
        before = len(self.problems)
        fields = self.mapping(node, 'an output', ('type', 'topic'), ('enabled', 'actuators'))
        kind = self.word(fields.get('type'), 'type')
        if kind is not None and kind not in _KINDS:
            self.wrong(fields['type'], f'type: {kind!r}: expected {choices(kind, _KINDS)}')
        topic = self.word(fields.get('topic'), 'topic')
        if topic is not None and not _TOPIC.fullmatch(topic):
            self.wrong(fields['topic'], f'topic: {topic!r}: expected the name of a topic')
        self.once(node, 'topic', topic)
        enabled = True
        if 'enabled' in fields:
            enabled = self.scalar(fields['enabled'])
            if not isinstance(enabled, bool):
                self.wrong(fields['enabled'], f'enabled: {enabled!r}: expected true or false')
        selected = names if kind in JOINT_OUTPUTS else ()
        if 'actuators' in fields:
            if kind in FACE_OUTPUTS:
                text = f'actuators: a {kind} has none, it carries the face'
                self.wrong(fields['actuators'], text)
            selected = self._selection(fields['actuators'], names)
        if len(self.problems) > before or kind is None or topic is None:
            return None
        return Output(kind, topic, selected, enabled)

    def _selection(self, node: yaml.Node, names: tuple[str, ...]) -> tuple[str, ...]:
        selected: list[str] = []
        for item in self.sequence(node, 'actuators of the output'):
            name = self.word(item, 'actuator')
            if name is None:
                continue
            # Where actuators have mistakes, unknown names would be a consequence of them.
            if name not in names and not self.problems:
                self.wrong(item, f'{name!r} is no actuator: expected {choices(name, names)}')
            elif name in selected:
                self.wrong(item, f'{name!r} appears twice in this output')
            selected.append(name)
        return tuple(selected)


def _like_input(given: str, known: Sequence[str]) -> str:
    """The valid inputs, with the one that was meant: 'AU1' and 'AU12_r' have another spelling."""
    unit = _AU.fullmatch(given)
    name = f'AU{int(unit[1]):02d}' if unit else ''
    if name in known:
        return f'{name!r}'
    if unit:
        numbers = ', '.join(each for each in known if each.startswith('AU'))
        return f"one of OpenFace's action units {numbers}"
    return choices(given, known)
