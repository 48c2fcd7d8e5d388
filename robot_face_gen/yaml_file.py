# SPDX-License-Identifier: Apache-2.0
"""YAML without surprises: nothing is executed, a key that is given twice is an error.

1e-4 is a number, as in YAML 1.2 and in ROS; in YAML 1.1 it is a text.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_DEEPEST = 100  # PyYAML calls itself for each level


class Loader(yaml.SafeLoader):
    """For `yaml.load` and `yaml.compose`."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse what is nested too deeply."""
        self.depth = getattr(self, 'depth', 0) + 1
        if self.depth > _DEEPEST:
            raise ValueError(f'{_line(self.peek_event())}more than {_DEEPEST} levels')
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Refuse a key that is given twice."""
        lines: dict[Any, str] = {}
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == 'tag:yaml.org,2002:merge':
                continue
            key, line = self.construct_object(key_node, deep=True), _line(key_node)
            try:
                first = lines.setdefault(key, line)
            except TypeError:  # not hashable: reported by PyYAML
                continue
            if first is not line:
                raise ValueError(f'{line}{key!r} is given twice, first in {first[:-2]}')
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float',
    re.compile(r'[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$'),
    list('-+.0123456789'),
)


def _line(node: Any) -> str:
    return f'line {node.start_mark.line + 1}: '


def parse_yaml(text: str) -> Any:
    """The value of a YAML document.

    Raises:
        ValueError: not valid YAML, an impossible value, too deep, or a key that is given twice;
            one line, with the line number where it is known.
    """
    try:
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f'line {mark.line + 1}: ' if mark else ''
        raise ValueError(f'{where}not valid YAML: {error.problem or error.context}') from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f'not valid YAML: {" ".join(str(error).split())}') from None
