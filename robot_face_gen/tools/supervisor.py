# SPDX-License-Identifier: Apache-2.0
"""Supervises processes: starts them, reports, respawns, and ends them on request."""

from __future__ import annotations

import asyncio
import logging
import shlex
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .child_process import ChildProcess, LineHandler

#: Exit codes of a process that was asked to end.
ENDED_BY_REQUEST = frozenset(
    {0, -signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM}
)
#: Signals that end a process, gentle ones first.
_STEPS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@dataclass(frozen=True)
class ProcessSettings:
    """A process to run."""

    name: str  # Name in the log, as 'reaction_node-1'
    cmd: Sequence[str]  # Program and arguments
    env: Mapping[str, str] | None = None  # The whole environment; None: the same as ours
    blocks_sigint: bool = False  # Whether it starts with SIGINT blocked, and unblocks it itself
    respawn: bool = False  # Whether it is started again when it exits by itself
    respawn_delay_s: float = 0.0  # Delay before that
    sigterm_timeout_s: float = 5.0  # Time from SIGINT to SIGTERM when it is to end
    sigkill_timeout_s: float = 5.0  # Time from SIGTERM to SIGKILL


def describe_exit(code: int) -> str:
    """An exit code as text: 'exit code 1', 'exit code -11 (SIGSEGV)'."""
    if code < 0:
        try:
            return f'exit code {code} ({signal.Signals(-code).name})'
        except ValueError:
            pass
    return f'exit code {code}'


@dataclass
class Supervisor:
    """Runs one process; `run` returns when it will not be started again."""

    settings: ProcessSettings  # What to run
    on_line: LineHandler  # Called with each line of output
    on_started: Callable[[int], None]  # Called with the process id after each start
    # Called with the exit code each time it has exited; 127 if it could not be started
    on_exited: Callable[[int], None]
    log: logging.Logger  # Starts and exits are reported here
    _child: ChildProcess | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)
    _escalation: asyncio.Task | None = None

    async def run(self) -> None:
        """Run the process until it has exited and will not be respawned."""
        while not self._stopping.is_set():
            started = time.monotonic()
            await self._run_once()
            if not self.settings.respawn:
                break
            # A program that exits at once must not be restarted in a busy loop.
            delay_s = max(self.settings.respawn_delay_s, 0.1 - (time.monotonic() - started))
            if delay_s > 0.0:
                await _within(self._stopping, delay_s)
        if self._escalation is not None:
            await self._escalation

    async def _run_once(self) -> None:
        settings = self.settings
        try:
            child = await ChildProcess.start(
                settings.cmd,
                on_line=self.on_line,
                env=settings.env,
                blocks_sigint=settings.blocks_sigint,
            )
        except (OSError, ValueError) as error:
            self.log.error(f'process could not be started: {error}')
            self.on_exited(127)
            return
        self._child = child
        self.log.info(f'process started with pid [{child.pid}]')
        self.on_started(child.pid)
        if self._stopping.is_set():
            self._begin_escalation()
        code = await child.wait()
        self._child = None
        if self._escalation is not None:
            self._hurry.set()  # end the escalation
        if code == 0:
            self.log.info(f'process has finished cleanly [pid {child.pid}]')
        else:
            self.log.error(
                f'process has died [pid {child.pid}, {describe_exit(code)}, '
                f"cmd '{shlex.join(settings.cmd)}']."
            )
        self.on_exited(code)

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
        if self._child is not None and self._escalation is None:
            self._escalation = asyncio.ensure_future(self._escalate(self._child))

    async def _escalate(self, child: ChildProcess) -> None:
        waits = (self.settings.sigterm_timeout_s, self.settings.sigkill_timeout_s)
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
    """Wait for an event; False after a timeout."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    return True
