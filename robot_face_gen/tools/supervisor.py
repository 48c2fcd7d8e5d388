# SPDX-License-Identifier: Apache-2.0
"""Supervises processes: starts them, reports, respawns, and ends them on request.

Each process has a group of its own, which is killed if this program dies. On Linux the process
itself dies even if the guard of the groups was killed as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO

from .process_guard import guard

#: After a process has exited, wait at most this long for the end of its output: a process that it
#: started in another group may keep the pipe open.
_DRAIN_S = 0.5
#: Exit codes of a process that was asked to end.
ENDED_BY_REQUEST = frozenset(
    {0, -signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM}
)
#: Signals that end a process, gentle ones first.
_STEPS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_libc = ctypes.CDLL(None) if sys.platform == 'linux' else None


@dataclass(frozen=True)
class ProcessSettings:
    """A process to run."""

    name: str  # Name in the log, as 'reaction_node-1'
    cmd: Sequence[str]  # Program and arguments
    stdin: bytes = b''  # What it reads from its standard input
    env: Mapping[str, str] | None = None  # The whole environment; None: the same as ours
    # Whether it starts with SIGINT blocked, and unblocks it when it is ready to handle it: Ctrl-C
    # while Python starts would be a traceback
    blocks_sigint: bool = False
    respawn: bool = False  # Whether it is started again when it exits by itself
    respawn_delay_s: float = 0.0  # Delay before that
    sigterm_timeout_s: float = 5.0  # Time from SIGINT to SIGTERM when it is to end
    sigkill_timeout_s: float = 5.0  # Time from SIGTERM to SIGKILL


_FAILED_AT_START_S = 10.0  # an error in this time will probably come again
_SHORTEST_DELAY_S, _LONG_DELAY_S, _LONGEST_DELAY_S = 0.1, 1.0, 10.0


def describe_exit(code: int) -> str:
    """An exit code as text: 'exit code 1', 'exit code -11 (SIGSEGV)'."""
    if code < 0:
        try:
            return f'exit code {code} ({signal.Signals(-code).name})'
        except ValueError:
            pass
    return f'exit code {code}'


def respawn_delay_s(usual_s: float, before_s: float, code: int, lived_s: float) -> float:
    """Seconds until a process is started again, after `before_s` the last time.

    One that refuses its input fails again and again: it waits twice as long each time, at most
    10 s. One that was killed by a signal, or lived longer, is started after the usual delay.
    """
    if code <= 0 or lived_s > _FAILED_AT_START_S:
        return max(usual_s, _SHORTEST_DELAY_S)
    return min(max(2.0 * before_s, usual_s, _SHORTEST_DELAY_S), _LONGEST_DELAY_S)


@dataclass
class Supervisor:
    """Runs one process; `run` returns when it will not be started again."""

    settings: ProcessSettings  # What to run
    on_line: Callable[[str], None]  # Called with each line of output, without its line end
    on_started: Callable[[int], None]  # Called with the process id after each start
    # Called with the exit code each time it has exited; 127 if it could not be started
    on_exited: Callable[[int], None]
    log: logging.Logger  # Starts and exits are reported here
    _process: subprocess.Popen | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)
    _escalation: asyncio.Task | None = None

    async def run(self) -> None:
        """Run the process until it has exited and will not be respawned."""
        delay_s = 0.0
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._run_once()
            if not self.settings.respawn:
                break
            lived_s = time.monotonic() - started
            delay_s = respawn_delay_s(self.settings.respawn_delay_s, delay_s, code, lived_s)
            if delay_s > _LONG_DELAY_S:
                self.log.info(f'process failed at its start: starting again in {delay_s:g} s')
            await _within(self._stopping, delay_s)
        if self._escalation is not None:
            await self._escalation

    async def _run_once(self) -> int:
        settings = self.settings
        try:
            with _signals_blocked():
                process = subprocess.Popen(
                    list(settings.cmd),
                    env=None if settings.env is None else dict(settings.env),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    start_new_session=True,
                    preexec_fn=partial(_prepare, settings.blocks_sigint, os.getpid()),
                )
        except (OSError, ValueError) as error:
            self.log.error(f'process could not be started: {error}')
            self.on_exited(127)
            return 127
        guard().watch(process.pid)
        assert process.stdin and process.stdout and process.stderr
        with contextlib.suppress(OSError), process.stdin:  # it may have ended already
            process.stdin.write(settings.stdin)
        readers = [
            asyncio.ensure_future(_read_lines(pipe, self.on_line))
            for pipe in (process.stdout, process.stderr)
        ]
        self._process = process
        self.log.info(f'process started with pid [{process.pid}]')
        self.on_started(process.pid)
        if self._stopping.is_set():
            self._begin_escalation()
        code = await _wait(process)
        _signal_group(process, signal.SIGKILL)  # what is left of it
        guard().forget(process.pid)
        _, late = await asyncio.wait(readers, timeout=_DRAIN_S)
        for reader in late:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        self._process = None
        if self._escalation is not None:
            self._hurry.set()  # end the escalation
        if code == 0:
            self.log.info(f'process has finished cleanly [pid {process.pid}]')
        else:
            self.log.error(
                f'process has died [pid {process.pid}, {describe_exit(code)}, '
                f"cmd '{shlex.join(settings.cmd)}']."
            )
        self.on_exited(code)
        return code

    def stop(self) -> None:
        """End the process: SIGINT, then SIGTERM, then SIGKILL, with delays. No respawn."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._begin_escalation()

    def hurry(self) -> None:
        """Send the next stronger signal without a delay."""
        self.stop()
        self._hurry.set()

    def _begin_escalation(self) -> None:
        if self._process is not None and self._escalation is None:
            self._escalation = asyncio.ensure_future(self._escalate(self._process))

    async def _escalate(self, process: subprocess.Popen) -> None:
        waits = (self.settings.sigterm_timeout_s, self.settings.sigkill_timeout_s)
        for number, stronger, seconds in zip(_STEPS, _STEPS[1:], waits, strict=False):
            _signal_group(process, number)
            in_time = await _within(self._hurry, seconds)
            self._hurry.clear()
            if self._process is not process:
                return
            if not in_time:
                self.log.error(
                    f"process failed to terminate '{seconds}' seconds after receiving "
                    f"'{number.name}', escalating to '{stronger.name}'"
                )
        _signal_group(process, _STEPS[-1])


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event; False after a timeout."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    return True


def _signal_group(process: subprocess.Popen, number: int) -> None:
    """Send a signal to a process and all that it started in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """While a process is forked: a Ctrl-C in the terminal reaches it too, before its own session.

    It would then write into asyncio's pipe for signals, and we would take it as a second Ctrl-C.
    """
    before = signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    )
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare(blocks_sigint: bool, parent: int) -> None:
    """In the child, before its program runs."""
    signal.set_wakeup_fd(-1)
    if _libc is not None:  # the guard may have been killed with us
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    blocked = {signal.SIGINT} if blocks_sigint else set()
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


async def _wait(process: subprocess.Popen) -> int:
    """Wait until a process exits; asyncio's own wait would also wait for the end of its output."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def watch() -> None:
        process.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=watch, daemon=True).start()
    await ended.wait()
    return process.wait()


async def _read_lines(pipe: IO[bytes], on_line: Callable[[str], None]) -> None:
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), pipe
    )
    rest = b''
    try:
        while chunk := await stream.read(65536):
            *lines, rest = (rest + chunk).split(b'\n')
            for line in lines:
                on_line(line.rstrip(b'\r').decode(errors='replace'))
    finally:
        transport.close()
        if rest:
            on_line(rest.decode(errors='replace'))
