"""The part of a command line that belongs to ROS: what stands after `--ros-args`."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .exceptions import RCLInvalidROSArgsError, UnknownROSArgsError
from .names import expand_topic_name, fully_qualified
from .parameter_files import matches, parse_value, read_parameter_file

LEVELS = {'unset': 0, 'debug': 10, 'info': 20, 'warn': 30, 'warning': 30, 'error': 40, 'fatal': 50}
#: Switches without a value, and those with one, that are known and change nothing here.
_SWITCHES = {f'--{on}able-{what}' for on in ('en', 'dis')
             for what in ('rosout-logs', 'stdout-logs', 'external-lib-logs')}
_IGNORED = {'-e': True, '--enclave': True, '--log-config-file': True, '--log-file-name': True}


@dataclass(frozen=True)
class Remap:
    """One `[node:]from:=to`; `source` '__node' and '__ns' rename the node itself."""

    node: str | None
    source: str
    target: str


@dataclass
class Arguments:
    """What the ROS part of a command line says.

    Attributes:
        remaps: In the order given; the first that matches counts.
        parameters: (pattern of node names, parameter name, value), later ones win.
        level: Log level of everything, None where not given.
        levels: Log levels of single loggers.
        switches: Such as '--disable-rosout-logs'.
        rest: What does not belong to ROS, the program's name first.
    """

    remaps: list[Remap] = field(default_factory=list)
    parameters: list[tuple[str, str, Any]] = field(default_factory=list)
    level: int | None = None
    levels: dict[str, int] = field(default_factory=dict)
    switches: set[str] = field(default_factory=set)
    rest: list[str] = field(default_factory=list)


def parse(args: Sequence[str]) -> Arguments:
    """Parse a command line.

    Raises:
        RCLInvalidROSArgsError: A ROS argument is malformed; names it.
        UnknownROSArgsError: An argument in the ROS part is unknown.
    """
    found = Arguments()
    inside = False
    words = iter(args)
    for word in words:
        if not inside:
            if word == '--ros-args':
                inside = True
            else:
                found.rest.append(word)
        elif word == '--':
            inside = False
        elif word != '--ros-args':
            _parse_one(word, words, found)
    return found


def _parse_one(word: str, words: Iterable[str], found: Arguments) -> None:
    def value() -> str:
        for following in words:
            return following
        raise RCLInvalidROSArgsError(f'Failed to parse ROS arguments: {word} wants a value')

    if word in ('-r', '--remap'):
        found.remaps.append(_parse_remap(value()))
    elif ':=' in word and not word.startswith('-'):
        found.remaps.append(_parse_remap(word))
    elif word in ('-p', '--param'):
        found.parameters.append(_parse_parameter(value()))
    elif word == '--params-file':
        try:
            found.parameters.extend(read_parameter_file(value()))
        except (OSError, ValueError) as error:
            raise RCLInvalidROSArgsError(f'Failed to parse --params-file: {error}') from error
    elif word == '--log-level':
        name, assigned, level = value().rpartition(':=')
        if level.lower() not in LEVELS:
            raise RCLInvalidROSArgsError(
                f'Failed to parse --log-level: {level!r} is none of {", ".join(LEVELS)}')
        if assigned:
            found.levels[name] = LEVELS[level.lower()]
        else:
            found.level = LEVELS[level.lower()]
    elif word in _SWITCHES:
        found.switches.add(word)
    elif word in _IGNORED:
        value()
    else:
        raise UnknownROSArgsError(f'Found unknown ROS arguments: {word!r}')


def _parse_remap(text: str) -> Remap:
    source, assigned, target = text.partition(':=')
    match = re.fullmatch(r'(?:([A-Za-z_/~*][\w/~*]*):(?!//))?(.+)', source)
    if not assigned or not target or not match:
        raise RCLInvalidROSArgsError(
            f'Failed to parse remap rule {text!r}: expected [node:]from:=to')
    return Remap(match[1], match[2], target)


def _parse_parameter(text: str) -> tuple[str, str, Any]:
    name, assigned, value = text.partition(':=')
    node, colon, short = name.rpartition(':')
    if not assigned or not short:
        raise RCLInvalidROSArgsError(
            f'Failed to parse parameter override {text!r}: expected [node:]name:=value')
    try:
        parsed = parse_value(value)
    except ValueError as error:
        raise RCLInvalidROSArgsError(
            f'Failed to parse parameter override {text!r}: {error}') from error
    return (f'/{node.lstrip("/")}' if colon else '/**'), short, parsed


def remap_node(rules: Sequence[Remap], name: str, namespace: str) -> tuple[str, str]:
    """A node's name and namespace after the rules for them."""
    for wanted in ('__name', '__node'):
        rule = next((rule for rule in rules if rule.source == wanted
                     and _is_for(rule, name, fully_qualified(namespace, name))), None)
        if rule:
            new_name = rule.target
            break
    else:
        new_name = name
    for rule in rules:
        if rule.source == '__ns' and _is_for(rule, name, fully_qualified(namespace, name)):
            namespace = rule.target if rule.target.startswith('/') else f'/{rule.target}'
            break
    return new_name, namespace


def remap_name(rules: Sequence[Remap], full_name: str, node_name: str, namespace: str, *,
               is_service: bool = False) -> str:
    """An absolute topic or service name after the first rule that matches it."""
    scheme, other = ('rosservice://', 'rostopic://') if is_service else (
        'rostopic://', 'rosservice://')
    for rule in rules:
        if rule.source.startswith(('__', other)):
            continue
        if not _is_for(rule, node_name, fully_qualified(namespace, node_name)):
            continue
        source = expand_topic_name(rule.source.removeprefix(scheme), node_name, namespace)
        if source == full_name:
            return expand_topic_name(rule.target, node_name, namespace)
    return full_name


def _is_for(rule: Remap, name: str, full_name: str) -> bool:
    return rule.node is None or rule.node == name or matches(rule.node, full_name)


def parameters_for(rules: Iterable[tuple[str, str, Any]], full_name: str) -> dict[str, Any]:
    """Parameters that the rules give to the node of that full name.

    As in ROS 2, a pattern counts from where it first stands: what is said later of the same
    pattern replaces it there, and the patterns that follow win over it.
    """
    by_pattern: dict[str, dict[str, Any]] = {}
    for pattern, name, value in rules:
        by_pattern.setdefault(pattern, {})[name] = value
    found: dict[str, Any] = {}
    for pattern, values in by_pattern.items():
        if matches(pattern, full_name):
            found.update(values)
    return found
