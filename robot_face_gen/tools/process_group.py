# SPDX-License-Identifier: Apache-2.0
"""Processes that are started and ended together: signals, log lines and exit code as of launch."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from .supervisor import ENDED_BY_REQUEST, ProcessSettings, Supervisor

_END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Screen(logging.Handler):
    """Writes to standard output; a reader that has gone away must not end the nodes."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(self.format(record) + '\n')
            sys.stdout.flush()


def get_logger(name: str) -> logging.Logger:
    """A logger that writes `[LEVEL] [name]: text`, as launch does."""
    logger = logging.getLogger(f'{__name__}.{name}')
    if not logger.handlers:
        handler = _Screen()
        handler.setFormatter(logging.Formatter(f'[%(levelname)s] [{name}]: %(message)s'))
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.INFO)
    return logger


class ProcessGroup:
    """Processes that are started and ended together.

    `control_fd` is a socket to the program that started us. One JSON object per line is written to
    it: `event` (started, exited), `name`, `pid` or `code`. Any input, and its end, ends all
    processes.
    """

    def __init__(
        self, processes: Sequence[ProcessSettings], control_fd: int | None = None
    ) -> None:
        self._processes = processes
        self._control: socket.socket | None = None
        if control_fd is not None:
            os.set_inheritable(control_fd, False)
            self._control = socket.socket(fileno=control_fd)
        self._log = get_logger('launch')
        self._supervisors: list[Supervisor] = []
        self._ended_well: dict[str, bool] = {}
        self._stopping = False

    async def run(self) -> int:
        """Run until all have exited; returns 0 if the last exit of each was as asked, else 1."""
        loop = asyncio.get_running_loop()
        self._supervisors = [self._supervisor(settings) for settings in self._processes]
        for number in _END_SIGNALS:
            # `nohup` has SIGHUP ignored, and that is meant.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                loop.add_signal_handler(number, self._on_signal, number)
        if self._control is not None:
            loop.add_reader(self._control.fileno(), self._on_control)
        await asyncio.gather(*(supervisor.run() for supervisor in self._supervisors))
        return 0 if all(self._ended_well.values()) else 1

    def _supervisor(self, settings: ProcessSettings) -> Supervisor:
        screen = _Screen()
        name = settings.name.rpartition('-')[0]

        def on_line(line: str) -> None:
            screen.emit(logging.makeLogRecord({'msg': f'[{settings.name}] {line}'}))

        return Supervisor(
            settings,
            on_line,
            on_started=lambda pid: self._tell(event='started', name=name, pid=pid),
            on_exited=partial(self._on_exited, name),
            log=get_logger(settings.name),
        )

    def _on_exited(self, name: str, code: int) -> None:
        self._ended_well[name] = code in ENDED_BY_REQUEST if self._stopping else code == 0
        self._tell(event='exited', name=name, code=code)

    def _on_signal(self, number: signal.Signals) -> None:
        what = 'ctrl-c (SIGINT)' if number == signal.SIGINT else number.name
        if not self._stopping:
            self._log.warning(f'user interrupted with {what}')
            self._stop()
            return
        self._log.warning(f'user interrupted with {what} again: ending processes at once')
        for supervisor in self._supervisors:
            supervisor.hurry()

    def _on_control(self) -> None:
        assert self._control is not None
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._stop()

    def _stop(self) -> None:
        self._stopping = True
        for supervisor in self._supervisors:
            supervisor.stop()

    def _tell(self, **event: Any) -> None:
        if self._control is not None:
            with contextlib.suppress(OSError):  # the other side is gone, and that ends us too
                self._control.sendall(json.dumps(event).encode() + b'\n')
