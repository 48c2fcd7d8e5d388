# SPDX-License-Identifier: Apache-2.0
"""Releases reactions at an even 25 Hz, although the model makes them in bursts.

A reaction is due a certain delay after the speaker's frame that it answers. The delay is the time
that nearly all reactions of the last seconds needed to be ready. It rises immediately and falls
slowly, so that the period is rarely longer than 40 ms and never visibly shorter.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from robot_face_gen.timing import PERIOD_NS, SECOND_NS

T = TypeVar('T')
_MAX_AGE_NS = SECOND_NS  # an older reaction is dropped if a newer one is waiting
_MAX_LENGTH = 1000  # reached only if `pop` is not called


class Playout(Generic[T]):
    """A queue of reactions and the times at which they are due. The current time is an argument.

    A reaction that is ready is released `max_delay_s` after the speaker's frame at the latest. The
    newest `memory` reactions define the delay, which falls by `fall_s` per second at most.
    """

    def __init__(
        self, *, max_delay_s: float = 0.2, memory: int = 75, fall_s: float = 0.01
    ) -> None:
        self.max_delay_ns = round(max_delay_s * 1e9)
        self._fall_ns = round(fall_s * PERIOD_NS)
        self._needed: deque[int] = deque(maxlen=memory)
        self._queue: deque[tuple[T, int]] = deque()
        self._last_ns: int | None = None
        self.delay_ns: int | None = None  # negative if stamps are ahead of the clock
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._queue)

    def push(self, item: T, source_stamp_ns: int, ready_ns: int) -> None:
        """Add a reaction, with the stamp of the speaker's frame and the time when it was ready."""
        self._needed.append(ready_ns - source_stamp_ns)
        self._queue.append((item, source_stamp_ns))
        if len(self._queue) > _MAX_LENGTH:
            self._queue.popleft()
            self.dropped += 1
        # The third largest of 75: two outliers in three seconds do not delay the others.
        wanted = sorted(self._needed)[-3 if len(self._needed) > 25 else -1]
        wanted = min(wanted, self.max_delay_ns)
        falling = wanted if self.delay_ns is None else self.delay_ns - self._fall_ns
        self.delay_ns = max(wanted, falling)

    @property
    def next_due_ns(self) -> int | None:
        """When the next reaction is due; None if there is none."""
        if not self._queue or self.delay_ns is None:
            return None
        due_ns = self._queue[0][1] + self.delay_ns
        if self._last_ns is not None:
            # Late reactions are released at twice the rate, never in a burst.
            due_ns = max(due_ns, self._last_ns + PERIOD_NS // 2)
        return due_ns

    def pop(self, now_ns: int) -> T | None:
        """Remove and return the next reaction if it is due, else None."""
        if self._last_ns is not None and now_ns < self._last_ns:
            self._last_ns = None  # the clock jumped back
        while self._queue:
            due_ns = self.next_due_ns
            assert due_ns is not None
            item, source_ns = self._queue[0]
            ahead_ns = due_ns - now_ns
            # If it is due later than this, the clock has jumped since it was stamped.
            if 0 < ahead_ns <= self.max_delay_ns + _MAX_AGE_NS:
                return None
            self._queue.popleft()
            if now_ns - source_ns > _MAX_AGE_NS and len(self._queue):
                self.dropped += 1  # a newer one is waiting
                continue
            self._last_ns = now_ns
            return item
        return None
