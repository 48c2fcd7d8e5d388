# SPDX-License-Identifier: Apache-2.0
"""Kills process groups when this program is killed and cannot do it itself.

A small process in a session of its own holds the reading end of a pipe and a list of process
groups. When the pipe closes, for whatever reason, it kills the groups still on the list. This
includes grandchildren, which Linux' parent-death signal would not reach.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
from functools import cache

# Python without site: a few MB, starts within milliseconds.
_PROGRAM = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
groups = set()
for line in sys.stdin.buffer:
    (groups.add if line[:1] == b'+' else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class ProcessGuard:
    """The guarding process; started with the first group to watch."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None

    def watch(self, group: int) -> None:
        """Kill the group if this program ends before `forget`."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, '-I', '-S', '-c', _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd='/',
            )
            atexit.register(self._at_exit)
        self._say(f'+{group}\n')

    def forget(self, group: int) -> None:
        """Remove a group that has ended: its id may be reused."""
        self._say(f'-{group}\n')

    def close(self) -> None:
        """End the guarding process."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process.wait()
            self._process = None
            atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        with contextlib.suppress(ValueError):  # only the main thread can set handlers
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # all children have ended
        self.close()

    def _say(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):  # somebody has killed the guard
                os.write(self._process.stdin.fileno(), line.encode())


@cache
def guard() -> ProcessGuard:
    """The guard of this process."""
    return ProcessGuard()
