# SPDX-License-Identifier: Apache-2.0
"""How long the threads of this process wait for a processor: the sign of an overloaded machine."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

OVERLOAD = 1.0  # seconds of waiting, of all threads, per second: one always waits
_WINDOW_S = 3.0
_STEP_S = 0.5


def waited_s() -> dict[str, float]:
    """Seconds that each thread has been ready to run without a processor; empty if unknown.

    Linux counts this (schedstat); a process that is stopped does not wait.
    """
    waited = {}
    for file in Path('/proc/self/task').glob('*/schedstat'):
        try:
            waited[file.parent.name] = int(file.read_text().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            continue  # the thread has ended
    return waited


class ProcessorWait:
    """Share of the last seconds; cheap enough for a call per second and per fault."""

    def __init__(
        self,
        read: Callable[[], dict[str, float]] = waited_s,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._clock = read, clock
        self._marks: deque[tuple[float, dict[str, float]]] = deque()

    def share(self) -> float:
        """Seconds of waiting per second, summed over the threads; 0.0 if unknown."""
        now_s, waited = self._clock(), self._read()
        while len(self._marks) > 1 and now_s - self._marks[1][0] >= _WINDOW_S:
            self._marks.popleft()
        if not self._marks or now_s - self._marks[-1][0] >= _STEP_S:
            self._marks.append((now_s, waited))
        since_s, before = self._marks[0]
        if now_s - since_s < _STEP_S:
            return 0.0
        # A thread that has ended must not make the others' waiting smaller.
        grown = sum(max(wait - before.get(thread, 0.0), 0.0) for thread, wait in waited.items())
        return grown / (now_s - since_s)


of_this_process = ProcessorWait()
