# SPDX-License-Identifier: Apache-2.0
"""Reads YAML nodes with checks; each mistake is kept with its line, and the reading goes on."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from robot_face_gen.yaml_file import Loader

_MERGE = 'tag:yaml.org,2002:merge'


@dataclass(frozen=True, order=True)
class Problem:
    """A mistake in the file."""

    line: int  # number, from 1
    text: str  # what is wrong and what was expected


class NodeReader:
    """Gets values from YAML nodes; `problems` are the mistakes that were found."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._seen: dict[tuple[str, str], int] = {}  # line of each name

    def wrong(self, node: yaml.Node, text: str) -> None:
        """Add a problem in the line where `node` begins."""
        self.problems.append(Problem(node.start_mark.line + 1, text))

    def once(self, item: yaml.Node, what: str, name: str | None) -> None:
        """A problem if an earlier item has the same name; `what` says of what."""
        if name is None:
            return
        if (what, name) in self._seen:
            first = self._seen[what, name]
            self.wrong(item, f'{what} {name!r} appears twice (first in line {first})')
        else:
            self._seen[what, name] = item.start_mark.line + 1

    def mapping(
        self,
        node: yaml.Node,
        what: str,
        required: Sequence[str],
        optional: Sequence[str],
        suggest: Callable[[str, Sequence[str]], str] | None = None,
    ) -> dict[str, yaml.Node]:
        """The values by key; keys that are unknown, missing or there twice are problems.

        `what` is the name of the mapping in messages. `suggest` says what was expected instead of
        an unknown key; None: `choices`.
        """
        if not isinstance(node, yaml.MappingNode):
            keys = f' with {", ".join(required)}' if required else ''
            self.wrong(node, f'{what}: expected a mapping{keys}, found {found(node)}')
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
                self.wrong(key_node, text)
            elif key not in known:
                choice = (suggest or choices)(key, known)
                self.wrong(key_node, f'{key!r} is unknown in {what}: expected {choice}')
            else:
                fields[key] = value
            lines[key] = line
        for key_node, value in merged:
            if key_node.value in known and key_node.value not in lines:
                fields[key_node.value] = value
        for key in required:
            if key not in lines and key not in fields:
                self.wrong(node, f'{key!r} is missing in {what}')
        return fields

    def sequence(self, node: yaml.Node | None, what: str) -> Iterator[yaml.Node]:
        """The items of a list that must not be empty."""
        if node is None:
            return
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.wrong(node, f'{what}: expected a list with at least one item')
            return
        yield from node.value

    def scalar(self, node: yaml.Node) -> Any:
        """The value of a scalar; None for anything else."""
        if not isinstance(node, yaml.ScalarNode):
            return None
        try:
            return Loader('').construct_object(node)
        except (ValueError, yaml.YAMLError):  # `2026-13-45` looks like a date
            return None

    def word(self, node: yaml.Node | None, what: str) -> str | None:
        """A text that is not empty; None where there is no node or it is wrong."""
        if node is None:
            return None
        value = self.scalar(node)
        if isinstance(value, str) and value.strip():
            return value
        self.wrong(node, f'{what}: expected a name, found {found(node)}')
        return None

    def number(
        self,
        node: yaml.Node | None,
        what: str,
        default: float | None = None,
        *,
        lowest: float,
        highest: float,
    ) -> float | None:
        """A number in a range; `default` where there is no node, None where it is wrong."""
        if node is None:
            return default
        expected = f'a number from {lowest:g} to {highest:g}'
        value = self.scalar(node)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not lowest <= value <= highest:  # NaN is not
            self.wrong(node, f'{what}: expected {expected}, found {found(node)}')
            return None
        return float(value)


def found(node: yaml.Node) -> str:
    """A node in an error message."""
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value) if node.value else 'nothing'
    return 'a list' if isinstance(node, yaml.SequenceNode) else 'a mapping'


def choices(given: str, known: Sequence[str]) -> str:
    """What was expected instead of `given`, with the most similar one."""
    near = difflib.get_close_matches(given, known, 1, cutoff=0.5)
    hint = f' (did you mean {near[0]!r}?)' if near else ''
    return f'one of {", ".join(known)}{hint}' if known else f'none{hint}'
