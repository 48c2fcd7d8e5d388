# SPDX-License-Identifier: Apache-2.0
"""What a running launch tells the program that started it, and hears from it.

It uses launch's public names alone, so that ROS 2's own launch tells the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING, Any

from .ros_runtime.supervisor import ENDED_BY_REQUEST

if TYPE_CHECKING:
    from launch import LaunchContext  # type: ignore[attr-defined]


class Control:
    """Reports processes over a socket and ends the launch when the other side says so or is gone.

    Args:
        fd: Of the socket; None is nobody to tell. One JSON object a line goes out: `described`
            when the launch file has been carried out, `started` (name, pid), `exited` (name, pid,
            code). Anything that comes in, and its end, ends the launch.
    """

    def __init__(self, fd: int | None) -> None:
        self._socket: socket.socket | None = None
        if fd is not None:
            os.set_inheritable(fd, False)
            self._socket = socket.socket(fileno=fd)
        self._last_exits: dict[str, bool] = {}

    @property
    def exit_code(self) -> int:
        """0 if every process last ended as asked, else 1."""
        return 0 if all(self._last_exits.values()) else 1

    def begin(self, context: LaunchContext) -> None:
        """Begin to listen."""
        loop = context.asyncio_loop
        if self._socket is None or loop is None:
            return
        from launch.events import Shutdown

        control = self._socket

        def heard() -> None:
            loop.remove_reader(control.fileno())
            with contextlib.suppress(OSError):
                control.recv(64)
            context.emit_event_sync(Shutdown(reason='asked by the program that started it'))

        loop.add_reader(control.fileno(), heard)

    def described(self, context: LaunchContext) -> None:
        """All that the launch file starts at once is being started."""
        self._tell(event='described')

    def on_start(self, event: Any, context: LaunchContext) -> None:
        """A process has been started."""
        self._tell(event='started', name=event.process_name, pid=event.pid)

    def on_exit(self, event: Any, context: LaunchContext) -> None:
        """A process has ended."""
        code = event.returncode
        self._last_exits[event.process_name] = (
            code in ENDED_BY_REQUEST if context.is_shutdown else code == 0
        )
        self._tell(event='exited', name=event.process_name, pid=event.pid, code=code)

    def _tell(self, **said: Any) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # nobody listens any more: then it ends anyway
                self._socket.sendall(json.dumps(said).encode() + b'\n')
