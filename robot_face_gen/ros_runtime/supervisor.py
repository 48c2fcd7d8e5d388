"""Keeps one process running as asked: started, reported, respawned, ended for certain."""

from __future__ import annotations

import asyncio
import logging
import shlex
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .child_process import ChildProcess, LineHandler

#: Exit codes that only say that a process did as a signal told it.
ENDED_BY_REQUEST = frozenset(
    {0, -signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM}
)
#: Signals that end a process, gentle ones first.
_STEPS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@dataclass(frozen=True)
class ProcessSettings:
    """What to run and how.

    Attributes:
        name: For people, as 'reaction_node-1'.
        cmd: Program and arguments.
        cwd: Working folder; None is ours.
        env: Its whole environment; None is ours.
        shell: Whether the words of `cmd` are one line for a shell.
        respawn: Whether it is started again when it ends by itself.
        respawn_delay: Seconds before that.
        respawn_max_retries: How often; negative is always.
        sigterm_timeout: Seconds from SIGINT to SIGTERM.
        sigkill_timeout: Seconds from SIGTERM to SIGKILL.
    """

    name: str
    cmd: Sequence[str]
    cwd: str | None = None
    env: Mapping[str, str] | None = None
    shell: bool = False
    respawn: bool = False
    respawn_delay: float = 0.0
    respawn_max_retries: int = -1
    sigterm_timeout: float = 5.0
    sigkill_timeout: float = 5.0


def describe_exit(code: int) -> str:
    """An exit code for people: 'exit code 1', 'exit code -11 (SIGSEGV)'."""
    if code < 0:
        try:
            return f'exit code {code} ({signal.Signals(-code).name})'
        except ValueError:
            pass
    return f'exit code {code}'


@dataclass
class Supervisor:
    """Runs one process as its settings say; `run` returns when it will not be started again.

    Attributes:
        settings: What to run.
        on_line: Called with each line that it says.
        on_started: Called with its process id each time it has been started.
        on_exited: Called with process id and exit code each time it has ended; 127 and no process
            id (0) where it could not be started.
        log: Where starts, ends and deaths are reported.
    """

    settings: ProcessSettings
    on_line: LineHandler
    on_started: Callable[[int], None]
    on_exited: Callable[[int, int], None]
    log: logging.Logger
    _child: ChildProcess | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)
    _escalation: asyncio.Task | None = None

    async def run(self) -> None:
        """Run the process until it has ended for good."""
        starts = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            await self._run_once()
            starts += 1
            limit = self.settings.respawn_max_retries
            if not self.settings.respawn or 0 <= limit < starts:
                break
            # A program that dies at once must not keep a core busy with its deaths.
            delay = max(self.settings.respawn_delay, 0.1 - (time.monotonic() - started))
            if delay > 0.0:
                await _within(self._stopping, delay)
        if self._escalation is not None:
            await self._escalation

    async def _run_once(self) -> None:
        settings = self.settings
        try:
            child = await ChildProcess.start(
                settings.cmd,
                on_line=self.on_line,
                cwd=settings.cwd,
                env=settings.env,
                shell=settings.shell,
            )
        except (OSError, ValueError) as error:
            self.log.error(f'process could not be started: {error}')
            self.on_exited(0, 127)
            return
        self._child = child
        self.log.info(f'process started with pid [{child.pid}]')
        self.on_started(child.pid)
        if self._stopping.is_set():
            self._begin_escalation()
        code = await child.wait()
        self._child = None
        self._hurry.set()  # nothing is left to be waited for
        if code == 0:
            self.log.info(f'process has finished cleanly [pid {child.pid}]')
        else:
            self.log.error(
                f'process has died [pid {child.pid}, {describe_exit(code)}, '
                f"cmd '{shlex.join(settings.cmd)}']."
            )
        self.on_exited(child.pid, code)

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, if it runs."""
        if self._child is not None:
            self.log.info(f"sending signal '{signal.Signals(number).name}' to the process")
            self._child.send_signal(number)

    def stop(self) -> None:
        """End the process: SIGINT, after a while SIGTERM, after a while SIGKILL. No respawn."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._begin_escalation()

    def hurry(self) -> None:
        """End it at once with the next stronger signal."""
        self.stop()
        self._hurry.set()

    def _begin_escalation(self) -> None:
        if self._child is not None and self._escalation is None:
            self._escalation = asyncio.ensure_future(self._escalate(self._child))

    async def _escalate(self, child: ChildProcess) -> None:
        waits = (self.settings.sigterm_timeout, self.settings.sigkill_timeout)
        for number, stronger, seconds in zip(_STEPS, _STEPS[1:], waits, strict=False):
            child.send_signal(number)
            in_time = await _within(self._hurry, seconds)
            self._hurry.clear()
            if self._child is not child:
                return
            if not in_time:
                self.log.error(
                    f"process failed to terminate '{seconds}' seconds after receiving "
                    f"'{number.name}', escalating to '{stronger.name}'"
                )
        child.send_signal(_STEPS[-1])


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but not longer; whether it came."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    return True
