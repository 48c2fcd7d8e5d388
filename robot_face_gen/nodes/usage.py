# SPDX-License-Identifier: Apache-2.0
"""The `--help` text of a node, made from its table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .parameter_table import ParameterTable, wrapped, yaml_value

_ROS_ARGS, _END_OF_ROS_ARGS = '--ros-args', '--'


def read_command_line(table: ParameterTable, arguments: Sequence[str]) -> None:
    """Check the arguments outside of `--ros-args`: `--help`, or an error.

    Raises:
        SystemExit: 0 after the help has been printed, 2 after an error.
    """
    parser = argparse.ArgumentParser(
        prog=table.node,
        usage=f'{table.node} [-h] [--ros-args [-p NAME:=VALUE] [--params-file FILE] '
        '[-r FROM:=TO] ...]',
        description=table.text,
        epilog=_epilog(table),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _, others = parser.parse_known_args(without_ros_args(arguments))
    if others:
        parser.error(
            f'unknown argument: {others[0]} (parameters are given as --ros-args -p NAME:=VALUE)'
        )


def without_ros_args(arguments: Sequence[str]) -> list[str]:
    """The arguments outside of `--ros-args`; rclpy's own function refuses invalid ROS ones."""
    found, inside = [], False
    for argument in arguments:
        if inside or argument == _ROS_ARGS:
            inside = argument != _END_OF_ROS_ARGS
        else:
            found.append(argument)
    return found


def _epilog(table: ParameterTable) -> str:
    lines = ['parameters, with their defaults:']
    for row in table:
        lines.append(f'  {row.name}: {yaml_value(row.default)}')
        lines += wrapped(row.note, ' ' * 6)
    for title, topics in (
        ('subscribed topics:', table.listens),
        ('published topics:', (*table.publishes, _DIAGNOSTICS)),
    ):
        if topics:
            width = max(len(name) for name, _ in topics)
            lines += ['', title, *(f'  {name:{width}}  [{kind}]' for name, kind in topics)]
    return '\n'.join(lines)


_DIAGNOSTICS = ('/diagnostics', 'diagnostic_msgs/msg/DiagnosticArray')
