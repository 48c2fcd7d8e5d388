"""Parameter files: YAML as ROS 2 reads it, and which node an entry is for."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_INT = re.compile(r'[-+]?(0x[0-9a-fA-F]+|0o?[0-7]+|[0-9]+)$')
_FLOAT = re.compile(r'[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$'
                    r'|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$')
_BOOL = {word: value for value, words in ((True, 'y yes true on'), (False, 'n no false off'))
         for stem in words.split() for word in (stem, stem.capitalize(), stem.upper())}


class _Loader(yaml.SafeLoader):
    """Reads scalars as ROS 2 does: 1e-3 is a number, 12:30 and dates are words."""


def _construct_scalar(loader: Any, node: Any) -> Any:
    text = node.value
    if node.style is not None:
        return text
    if text in _BOOL:
        return _BOOL[text]
    if _INT.match(text):
        return int(text, 0) if not re.match(r'[-+]?0[0-9]', text) else int(text, 10)
    if _FLOAT.match(text):
        return float(text.replace('.inf', 'inf').replace('.Inf', 'inf').replace('.INF', 'inf')
                     .replace('.nan', 'nan').replace('.NaN', 'nan').replace('.NAN', 'nan'))
    return None if text in ('', '~', 'null', 'Null', 'NULL') else text


_Loader.yaml_implicit_resolvers = {}
_Loader.add_constructor('tag:yaml.org,2002:str', _construct_scalar)
_Loader.add_constructor('tag:yaml.org,2002:str!', lambda loader, node: node.value)


def _load(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError(f'{where}: {error}') from error


def _check(value: Any, where: str) -> Any:
    """A parameter's value: a scalar or a list of scalars of one type; else ValueError."""
    if isinstance(value, list):
        types = {type(item) for item in value}
        if types == {int, float}:
            return [float(item) for item in value]
        if len(types) > 1 or types & {list, dict, type(None)}:
            raise ValueError(f'{where}: a list must hold numbers, truth values or strings of one '
                             f'type, not {value!r}')
    return value


def parse_value(text: str) -> Any:
    """Value of a parameter as a command line gives it, in YAML: '1', '0.5', 'true', '[a, b]'.

    Raises:
        ValueError: It is no scalar and no list of scalars of one type.
    """
    value = _load(text, repr(text))
    if isinstance(value, dict) or (value is None and text.strip() not in ('', '~', 'null')):
        raise ValueError(f'{text!r} is neither a scalar nor a list')
    return '' if value is None and not text.strip() else _check(value, repr(text))


def read_parameter_file(path: str | Path) -> list[tuple[str, str, Any]]:
    """Entries of a parameter file: (pattern of node names, parameter name, value) in its order.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no parameter file; names file and entry.
    """
    tree = _load(Path(path).read_text(encoding='utf-8'), str(path))
    if tree is None:
        return []
    if not isinstance(tree, dict):
        raise ValueError(f'{path}: expected node names at the top, not {tree!r}')
    found: list[tuple[str, str, Any]] = []
    for key, branch in tree.items():
        _collect_nodes(f'/{str(key).strip("/")}', branch, str(path), found)
    return found


def _collect_nodes(pattern: str, branch: Any, path: str,
                   found: list[tuple[str, str, Any]]) -> None:
    if not isinstance(branch, dict):
        raise ValueError(f"{path}: '{pattern}' holds {branch!r}, expected 'ros__parameters:' or a "
                         'node name below it')
    for key, value in branch.items():
        if key == 'ros__parameters':
            _collect_parameters(pattern, '', value, path, found)
        else:
            _collect_nodes(f'{pattern}/{str(key).strip("/")}', value, path, found)


def _collect_parameters(pattern: str, prefix: str, branch: Any, path: str,
                        found: list[tuple[str, str, Any]]) -> None:
    if branch is None:
        return
    if not isinstance(branch, dict):
        raise ValueError(f"{path}: '{pattern}: ros__parameters' holds {branch!r}, expected "
                         'names with values')
    for key, value in branch.items():
        name = f'{prefix}{key}'
        if isinstance(value, dict):
            _collect_parameters(pattern, f'{name}.', value, path, found)
        elif value is None:
            raise ValueError(f"{path}: '{pattern}' gives no value to '{name}'")
        else:
            found.append((pattern, name, _check(value, f'{path}: {pattern}: {name}')))


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    regex = ''
    for part in pattern.strip('/').split('/'):
        if part == '**':
            regex += '(/[^/]+)*'
        else:
            regex += '/' + re.escape(part).replace(r'\*', '[^/]*')
    return re.compile(regex)


def matches(pattern: str, full_name: str) -> bool:
    """Whether a pattern fits a node's full name: `*` is one part, `**` any number of them."""
    return _pattern(pattern).fullmatch(full_name) is not None
