# SPDX-License-Identifier: Apache-2.0
"""The graph as a child process of a Python program: for the demo, the benchmark, tests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from robot_face_gen.graph import GRAPHS

from .ros import require_ros
from .supervisor import describe_exit

POLL_S = 0.02


class BringupError(RuntimeError):
    """The graph could not be started, or ended unexpectedly; one line says why."""


class BringupProcess:
    """A running `robot-face-gen bringup`; `start_bringup` creates one.

    As a context manager it ends with the block. If this program ends for any reason, the bringup
    and all nodes end too.
    """

    def __init__(
        self, process: subprocess.Popen, control: socket.socket, log_file: Path | None
    ) -> None:
        self._process = process
        self._control = control
        self.pid = process.pid  # of the bringup itself
        self.log_file = log_file  # of all output; None: this program's own output
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}
        self._exits: dict[str, int] = {}
        self._reader = threading.Thread(target=self._read, name='bringup', daemon=True)
        self._reader.start()

    @property
    def processes(self) -> dict[str, int]:
        """Process ids of the nodes that are running, by name ('reaction_node')."""
        with self._lock:
            return dict(self._running)

    @property
    def exits(self) -> dict[str, int]:
        """Exit codes of nodes that have exited, by name; negative: killed by that signal."""
        with self._lock:
            return dict(self._exits)

    @property
    def returncode(self) -> int | None:
        """Exit code of the bringup; None while it runs."""
        return self._process.poll()

    def check(self) -> None:
        """Raise BringupError if a node or the bringup has exited; one line says why."""
        for name, code in self.exits.items():
            raise BringupError(self._why(name, code))
        if ended := self.returncode:
            raise BringupError(self._why('bringup', ended))

    def wait_until(self, ready: Callable[[], object], what: str, timeout_s: float) -> None:
        """Wait for a condition while all nodes run.

        Raises:
            BringupError: a node has exited, or it takes too long.
        """
        end_s = time.monotonic() + timeout_s
        while not ready():
            self.check()
            if time.monotonic() > end_s:
                where = f' (see {self.log_file})' if self.log_file else ''
                raise BringupError(f'waited {timeout_s:g} s for {what} in vain{where}')
            time.sleep(POLL_S)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the bringup exits; returns 0 if all nodes ended as asked, 1 if one died.

        Raises:
            TimeoutError: It does not exit in time.
        """
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f'bringup still runs after {timeout:g} s') from None
        self._reader.join()
        self._control.close()
        return code

    def stop(self, timeout: float = 15.0) -> int:
        """End all nodes with SIGINT, after `timeout` s with SIGKILL; returns as `wait`, or -9."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        try:
            return self.wait(timeout)
        except TimeoutError:
            self._process.send_signal(signal.SIGKILL)  # the nodes are killed with it
            return self.wait()

    def __enter__(self) -> BringupProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _why(self, name: str, code: int) -> str:
        """Why a node has exited, in one line."""
        text = f'{name} has exited with {describe_exit(code)}'
        if self.log_file is None:
            return text
        errors = [
            line
            for line in self.log_file.read_text(encoding='utf-8', errors='replace').splitlines()
            if 'error' in line.lower() and 'process has died' not in line
        ]
        # The node's own message says more than the supervisor's.
        own = [line for line in errors if line.startswith(f'[{name}-')]
        for lines in (own, errors):
            if lines:
                return f'{text}: {lines[-1]}'
        return f'{text} (see {self.log_file})'

    def _read(self) -> None:
        with contextlib.suppress(OSError), self._control.makefile('rb') as lines:
            for line in lines:
                event = json.loads(line)
                name = event['name']
                with self._lock:
                    if event['event'] == 'started':
                        self._exits.pop(name, None)
                        self._running[name] = event['pid']
                    else:
                        self._running.pop(name, None)
                        self._exits[name] = event['code']
        with self._lock:
            self._running.clear()


def start_bringup(
    arguments: Mapping[str, str],
    *,
    graph: str = 'bringup',
    log_file: str | os.PathLike | None = None,
) -> BringupProcess:
    """Start a graph of `graph.GRAPHS` in a process of its own, as `robot-face-gen bringup` does.

    Returns at once, before the nodes run. All output goes to the log file; None: to this
    program's.

    Raises:
        BringupError: An argument is unknown or invalid; one line says why.
        RosMissingError: ROS 2 or the messages are not installed.
        OSError: The log file cannot be written.
    """
    try:
        GRAPHS[graph]().nodes(arguments)
    except ValueError as error:
        raise BringupError(str(error)) from None
    require_ros()
    ours, theirs = socket.socketpair()
    command = [sys.executable, '-m', 'robot_face_gen.cli', 'bringup', '--graph', graph]
    command += ['--control-fd', str(theirs.fileno())]
    command += [f'{name}:={value}' for name, value in arguments.items()]
    path = None if log_file is None else Path(log_file)
    with theirs, contextlib.ExitStack() as stack:
        output = None if path is None else stack.enter_context(path.open('wb'))
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            pass_fds=(theirs.fileno(),),
            # Ctrl-C in a terminal must reach this program only, which then ends the graph.
            start_new_session=True,
        )
    return BringupProcess(process, ours, path)
