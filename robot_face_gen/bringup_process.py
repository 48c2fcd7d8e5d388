# SPDX-License-Identifier: Apache-2.0
"""The graph as a child of a Python program: for the demo, for measurements, for tests."""

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
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from .ros_runtime.supervisor import describe_exit


class BringupError(RuntimeError):
    """The graph could not be started, or ended when it should not have; one line says why."""


class BringupProcess:
    """A running launch; `start_bringup` makes one. As a context manager it ends with the block.

    If this program ends, however that comes about, the launch and all its processes end too.
    """

    def __init__(
        self, process: subprocess.Popen, control: socket.socket, log_file: Path | None
    ) -> None:
        self._process = process
        self._control = control
        self._log_file = log_file
        self._changed = threading.Condition()
        self._running: dict[str, tuple[str, int]] = {}
        self._exits: dict[str, int] = {}
        self._is_described = False
        self._is_over = False
        self._reader = threading.Thread(target=self._read, name='bringup', daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id of the launch itself."""
        return self._process.pid

    @property
    def log_file(self) -> Path | None:
        """Where all output goes; None is this program's own output."""
        return self._log_file

    @property
    def processes(self) -> dict[str, int]:
        """Process ids of the nodes that run now, by name ('reaction_node').

        Of several processes with one name, later ones have the launch's number too ('sh-3').
        """
        with self._changed:
            return {name: pid for name, (_, pid) in self._running.items()}

    @property
    def exits(self) -> dict[str, int]:
        """Exit codes of processes that have ended, by name; a negative one is a signal's."""
        with self._changed:
            return dict(self._exits)

    @property
    def returncode(self) -> int | None:
        """Exit code of the launch; None while it runs."""
        return self._process.poll()

    def wait_for(self, *names: str, timeout: float = 30.0) -> dict[str, int]:
        """Wait until processes of these names run.

        Returns:
            dict[str, int]: `processes`.

        Raises:
            BringupError: One has ended, or the launch has.
            TimeoutError: They do not run in time.
        """

        def there() -> bool:
            return self._is_over or all(
                name in self._running or name in self._exits for name in names
            )

        with self._changed:
            if not self._changed.wait_for(there, timeout):
                missing = ', '.join(name for name in names if name not in self._running)
                raise TimeoutError(f'not started within {timeout:g} s: {missing}')
            for name in names:
                if name not in self._running:
                    raise BringupError(self._why(name))
        return self.processes

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the launch's end.

        Returns:
            int: 0 if all ended as asked, 1 if a process died, 2 if the launch failed.

        Raises:
            TimeoutError: It does not end in time.
        """
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f'bringup still runs after {timeout:g} s') from None
        self._reader.join()
        self._control.close()
        return code

    def stop(self, timeout: float = 15.0) -> int:
        """End everything: gently, and after `timeout` seconds with SIGKILL.

        Returns:
            int: As `wait`; -9 if it had to be killed.
        """
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        try:
            return self.wait(timeout)
        except TimeoutError:
            self._process.send_signal(signal.SIGKILL)  # its nodes die with it
            return self.wait()

    def __enter__(self) -> BringupProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait_described(self, timeout: float) -> None:
        with self._changed:
            in_time = self._changed.wait_for(lambda: self._is_described or self._is_over, timeout)
            described = self._is_described
        if not in_time:
            self.stop()
            raise TimeoutError(f'bringup did not begin within {timeout:g} s')
        if not described:
            self.wait()
            raise BringupError(self._why(None))

    def _why(self, name: str | None) -> str:
        """Why something does not run, in one line."""
        if name in self._exits:
            text = f'{name} has ended with {describe_exit(self._exits[name])}'
        elif name is None:
            text = 'the launch file could not be carried out'
        else:
            text = f'{name} was not started, and the launch has ended'
        if self._log_file is None:
            return text
        told = [
            line
            for line in self._log_file.read_text(encoding='utf-8', errors='replace').splitlines()
            if 'error' in line.lower() and 'process has died' not in line
        ]
        # What the process itself said says more than what the launch said of it.
        its_own = [line for line in told if name and line.startswith(f'[{name}-')]
        for lines in (its_own, told):
            if lines:
                return f'{text}: {lines[-1]}'
        return f'{text} (see {self._log_file})'

    def _read(self) -> None:
        with contextlib.suppress(OSError), self._control.makefile('rb') as lines:
            for line in lines:
                said = json.loads(line)
                with self._changed:
                    self._take(said)
                    self._changed.notify_all()
        with self._changed:
            self._is_over = True
            self._running.clear()
            self._changed.notify_all()

    def _take(self, said: dict[str, Any]) -> None:
        if said['event'] == 'described':
            self._is_described = True
            return
        full = said['name']
        short = full.rpartition('-')[0] or full
        name = full if self._running.get(short, (full,))[0] != full else short
        if said['event'] == 'started':
            self._exits.pop(name, None)
            self._running[name] = (full, said['pid'])
        else:
            self._running.pop(name, None)
            self._exits[name] = said['code']


def start_bringup(
    arguments: Mapping[str, str],
    *,
    env: Mapping[str, str] | None = None,
    launch_file: str | os.PathLike | None = None,
    log_file: str | os.PathLike | None = None,
    timeout: float = 30.0,
) -> BringupProcess:
    """Start the graph as `robot-face-gen bringup` does, in a process of its own.

    Returns when the launch file has been carried out; `wait_for` then waits for single nodes.

    Args:
        arguments: Of the launch file, by name.
        env: Added to this program's environment.
        launch_file: Another launch file than bringup.launch.py.
        log_file: Where all output goes; not given, it goes where this program's goes.
        timeout: Seconds that the launch file may take.

    Raises:
        BringupError: It could not be started, such as an unknown argument; says why.
        TimeoutError: It takes too long.
        OSError: The log file cannot be written.
    """
    ours, theirs = socket.socketpair()
    command = [sys.executable, '-m', 'robot_face_gen.cli', 'bringup']
    command += ['--control-fd', str(theirs.fileno())]
    if launch_file is not None:
        command += ['--launch-file', os.fspath(launch_file)]
    command += [f'{name}:={value}' for name, value in arguments.items()]
    path = None if log_file is None else Path(log_file)
    with contextlib.ExitStack() as stack:
        stack.callback(theirs.close)
        output = None if path is None else stack.enter_context(path.open('wb'))
        process = subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            pass_fds=(theirs.fileno(),),
            # Ctrl-C is for this program: it ends the launch in its own time.
            start_new_session=True,
        )
    bringup = BringupProcess(process, ours, path)
    begun = time.monotonic()
    try:
        bringup._wait_described(timeout)
    except BaseException:
        bringup.stop(max(0.1, timeout - (time.monotonic() - begun)))
        raise
    return bringup
