# SPDX-License-Identifier: Apache-2.0
"""A child process in a group of its own: output by lines, killed if this program dies."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from .process_guard import guard

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == 'linux' else None
#: After the process has exited, wait at most this long for the end of its output: a process that
#: it started in another group may keep the pipe open.
_DRAIN_S = 0.5

LineHandler = Callable[[str, str], None]
"""Called with 'stdout' or 'stderr' and a line without its line end."""


class ChildProcess:
    """A running process; `start` creates one."""

    def __init__(self, process: subprocess.Popen, readers: list[asyncio.Task]) -> None:
        self._process = process
        self._readers = readers

    @classmethod
    async def start(
        cls,
        cmd: Sequence[str],
        *,
        on_line: LineHandler,
        env: Mapping[str, str] | None = None,
        blocks_sigint: bool = False,
    ) -> ChildProcess:
        """Start a process in a session, and so a process group, of its own.

        Args:
            cmd: Program and arguments.
            on_line: Called with each line of output.
            env: The whole environment; None: the same as ours.
            blocks_sigint: Start it with SIGINT blocked; the program unblocks it when it is ready
                to handle it. Ctrl-C while Python starts would be a traceback.

        Raises:
            OSError: The program does not exist or cannot be executed.
        """
        parent = os.getpid()

        def prepare() -> None:
            # In the child, before its program runs.
            if blocks_sigint:
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            if _LIBC is not None:
                _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
                if os.getppid() != parent:  # it died before the line above
                    os._exit(1)

        process = subprocess.Popen(
            list(cmd),
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            preexec_fn=prepare,
        )
        guard().watch(process.pid)
        assert process.stdout is not None and process.stderr is not None
        readers = [
            asyncio.ensure_future(_read_lines(stream, name, on_line))
            for name, stream in (('stdout', process.stdout), ('stderr', process.stderr))
        ]
        return cls(process, readers)

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its group."""
        return self._process.pid

    def send_signal(self, number: int) -> None:
        """Send a signal to the process and all that it started in its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def wait(self) -> int:
        """Wait until it has exited and its output is read; kill what is left of its group.

        Returns:
            int: The exit code; negative: the signal that ended it.
        """
        code = await _wait(self._process)
        self.send_signal(signal.SIGKILL)
        guard().forget(self.pid)
        _, late = await asyncio.wait(self._readers, timeout=_DRAIN_S)
        for reader in late:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        return code


async def _wait(process: subprocess.Popen) -> int:
    """Wait until a process exits; asyncio's own wait would also wait for the end of its output."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # not Linux, or an old one

        def watch() -> None:
            process.wait()
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=watch, daemon=True).start()
        await ended.wait()
        return process.wait()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


async def _read_lines(pipe: IO[bytes], name: str, on_line: LineHandler) -> None:
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), pipe
    )
    rest = b''
    try:
        while chunk := await stream.read(65536):
            *lines, rest = (rest + chunk).split(b'\n')
            for line in lines:
                on_line(name, line.rstrip(b'\r').decode(errors='replace'))
    finally:
        transport.close()
        if rest:
            on_line(name, rest.decode(errors='replace'))
