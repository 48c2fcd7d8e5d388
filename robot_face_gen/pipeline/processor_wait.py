# SPDX-License-Identifier: Apache-2.0
"""How long the threads of this process wait for a processor: the sign of an overloaded machine."""

from __future__ import annotations

import threading
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
    """Share of the last seconds; measured every half second at most, so each fault may ask."""

    def __init__(
        self,
        read: Callable[[], dict[str, float]] = waited_s,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._clock = read, clock
        self._lock = threading.Lock()
        self._marks: deque[tuple[float, dict[str, float]]] = deque()
        self._share = 0.0

    def share(self) -> float:
        """Seconds of waiting per second, summed over the threads; 0.0 if unknown."""
        with self._lock:
            now_s = self._clock()
            if not self._marks or now_s - self._marks[-1][0] >= _STEP_S:
                self._measure(now_s, self._read())
            return self._share

    def _measure(self, now_s: float, waited: dict[str, float]) -> None:
        while len(self._marks) > 1 and now_s - self._marks[1][0] >= _WINDOW_S:
            self._marks.popleft()
        if self._marks:
            since_s, before = self._marks[0]
            # A thread that has ended must not make the others' waiting smaller.
            grown = sum(
                max(wait - before.get(thread, 0.0), 0.0) for thread, wait in waited.items()
            )
            self._share = grown / (now_s - since_s)
        self._marks.append((now_s, waited))


of_this_process = ProcessorWait()
