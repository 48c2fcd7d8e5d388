# SPDX-License-Identifier: Apache-2.0
"""Reads and sets the settable parameters of the robot's nodes, and switches its actuators."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from std_srvs.srv import SetBool

from robot_face_gen.screen.wire import Command

from .parameter_table import Row
from .tables import SERVER, TABLES

ENABLE_SERVICE = 'face_actuator_node/enable'
REFRESH_S = 2.0
PATIENCE_S = 3.0  # for the answer of a node
Answer = Callable[[bool, str], None]
# Settable parameters by node and name.
_SETTABLE = {
    table.node: rows
    for table in TABLES
    if (rows := {row.name: row for row in table if row.settable})
}


@dataclass
class _Target:
    """A node that runs, and clients of its services."""

    rows: dict[str, Row]  # of its settable parameters
    get: Any
    set: Any
    values: dict[str, Any]


class ParameterPanel:
    """The settable parameters of the nodes of one robot.

    Nodes in the namespace of `node` count, and a `reaction_server` anywhere. `refresh` runs in the
    executor's thread, `run` in any. `send` is `ScreenServer.send_text`.
    """

    def __init__(self, node: Node, send: Callable[..., None]) -> None:
        self._node, self._send = node, send
        self._targets: dict[str, _Target] = {}
        self._enable: Any = None
        self._refreshed_s = -REFRESH_S
        self._pending: dict[Any, tuple[float, Any, Answer]] = {}

    def refresh(self) -> None:
        """Look which nodes run and ask for their values, every REFRESH_S."""
        now_s = time.monotonic()
        for future, (since_s, client, answer) in tuple(self._pending.items()):
            if now_s - since_s <= PATIENCE_S:
                continue
            if self._pending.pop(future, None) is not None:
                client.remove_pending_request(future)
                answer(False, f'no answer within {PATIENCE_S:g} s')
        if now_s - self._refreshed_s < REFRESH_S:
            return
        self._refreshed_s = now_s
        if self._enable is None:
            self._enable = self._node.create_client(SetBool, ENABLE_SERVICE)
        self._find_nodes()
        for target in self._targets.values():
            if target.get.service_is_ready():
                self._ask(target)
        self._tell()

    def run(self, command: Command, answer: Answer) -> None:
        """Carry out a page's command; `answer` is called once with (ok, text).

        Raises:
            ValueError: the command names a node or parameter that cannot be set.
        """
        if command.kind == 'enable':
            if self._enable is None or not self._enable.service_is_ready():
                raise ValueError(f'service {ENABLE_SERVICE} was not found')
            request = SetBool.Request(data=bool(command.value))
            self._call(self._enable, request, answer, lambda it: (it.success, it.message))
            return
        target = self._targets.get(command.node)
        if target is None or not target.set.service_is_ready():
            raise ValueError(f'node {command.node} was not found')
        row = target.rows.get(command.name)
        if row is None:
            raise ValueError(f'{command.node} has no settable parameter {command.name}')
        value = command.value
        if isinstance(row.default, float) and type(value) is int:
            value = float(value)
        parameter = Parameter(row.name, value=value).to_parameter_msg()
        self._call(
            target.set,
            SetParameters.Request(parameters=[parameter]),
            answer,
            lambda it: (it.results[0].successful, it.results[0].reason),
        )
        self._refreshed_s = -REFRESH_S  # show the new value at once

    def _find_nodes(self) -> None:
        own = self._node.get_namespace()
        found = {}
        for name, namespace in self._node.get_node_names_and_namespaces():
            if name in _SETTABLE and (namespace == own or name == SERVER.node):
                found[f'{namespace.rstrip("/")}/{name}'] = _SETTABLE[name]
        for name in self._targets.keys() - found.keys():
            target = self._targets.pop(name)
            self._node.destroy_client(target.get)
            self._node.destroy_client(target.set)
        for name in sorted(found.keys() - self._targets.keys()):
            self._targets[name] = _Target(
                found[name],
                self._node.create_client(GetParameters, f'{name}/get_parameters'),
                self._node.create_client(SetParameters, f'{name}/set_parameters'),
                {},
            )

    def _ask(self, target: _Target) -> None:
        def read(response: Any) -> tuple[bool, str]:
            values = map(parameter_value_to_python, response.values)
            found = dict(zip(target.rows, values, strict=False))
            if found != target.values:
                target.values = found
                self._tell()
            return True, ''

        self._call(
            target.get, GetParameters.Request(names=list(target.rows)), lambda *_: None, read
        )

    def _call(
        self, client: Any, request: Any, answer: Answer, read: Callable[[Any], tuple[bool, str]]
    ) -> None:
        future = client.call_async(request)
        self._pending[future] = (time.monotonic(), client, answer)

        def done(future: Any) -> None:
            if self._pending.pop(future, None) is not None:
                answer(*read(future.result()))

        future.add_done_callback(done)

    def _tell(self) -> None:
        nodes = [
            {
                'node': name,
                'rows': [
                    {
                        'name': row.name,
                        'value': target.values[row.name],
                        'low': row.between[0],
                        'high': row.between[1],
                        'whole': isinstance(row.default, int),
                        'unit': row.unit,
                        'text': row.text,
                    }
                    for row in target.rows.values()
                    if row.name in target.values and row.between
                ],
            }
            for name, target in self._targets.items()
            if target.values
        ]
        can_enable = self._enable is not None and self._enable.service_is_ready()
        self._send('parameters', nodes=nodes, enable=can_enable, remember=True)
