"""Ends process groups when we are killed and cannot do it ourselves.

A small process of its own session holds the reading end of a pipe and a list of groups. When the
pipe closes, however we ended, it kills the groups that are still on the list: also grandchildren,
which Linux' parent-death signal does not reach, and on systems that have no such signal.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
from functools import cache

# Plain Python without site: a few MB, and there within milliseconds.
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
    """The guarding process; it starts with the first group to watch."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None

    def watch(self, group: int) -> None:
        """Have a group killed if we end before `forget`."""
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
        """A group has ended; its number may be another's soon."""
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
        with contextlib.suppress(ValueError):  # not the main thread: then it cannot hear it
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # all has ended: nothing to interrupt
        self.close()

    def _say(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            # If somebody killed the guard, the parent-death signal is what is left.
            with contextlib.suppress(OSError):
                os.write(self._process.stdin.fileno(), line.encode())


@cache
def guard() -> ProcessGuard:
    """The guard of this process."""
    return ProcessGuard()
