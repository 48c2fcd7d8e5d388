# SPDX-License-Identifier: Apache-2.0
"""Lets reactions out evenly, 25 a second, though the model makes them in bursts.

Each is due a fixed delay after the frame of the speaker that it answers. The delay is what nearly
all reactions of the last seconds needed to be ready: it rises at once and falls slowly, so that
steps of the period are rare upwards and invisible downwards.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar('T')
_MOST = 1000  # reactions that wait: more only if nobody takes them out


class Playout(Generic[T]):
    """A queue of reactions and the times at which they are due; the clock is passed in.

    Args:
        period_s: between reactions.
        max_delay_s: by which one that is ready is held back at most, after its speaker's frame.
        max_age_s: one that is ready so long after its speaker's frame is dropped.
        memory: reactions from which the delay is taken.
        fall_s: by which the delay falls at most in a second.
    """

    def __init__(self, *, period_s: float = 0.04, max_delay_s: float = 0.2, max_age_s: float = 1.0,
                 memory: int = 75, fall_s: float = 0.01) -> None:  # fmt: skip
        self._period_ns = round(period_s * 1e9)
        self.max_delay_ns = round(max_delay_s * 1e9)
        self._max_age_ns = round(max_age_s * 1e9)
        self._fall_ns = round(fall_s * period_s * 1e9)
        self._needed: deque[int] = deque(maxlen=memory)
        self._queue: deque[tuple[T, int]] = deque()
        self._last_ns: int | None = None
        self.delay_ns: int | None = None  # below 0 where frames are stamped ahead of the clock
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._queue)

    def push(self, item: T, source_stamp_ns: int, ready_ns: int) -> None:
        """A reaction, the time of what it answers, and when it was ready."""
        self._needed.append(ready_ns - source_stamp_ns)
        self._queue.append((item, source_stamp_ns))
        if len(self._queue) > _MOST:
            self._queue.popleft()
            self.dropped += 1
        # The third largest of 75: two strange ones in three seconds do not delay the rest.
        wanted = sorted(self._needed)[-3 if len(self._needed) > 25 else -1]
        wanted = min(wanted, self.max_delay_ns)
        falling = wanted if self.delay_ns is None else self.delay_ns - self._fall_ns
        self.delay_ns = max(wanted, falling)

    @property
    def next_due_ns(self) -> int | None:
        """When the next one is due; None where none waits."""
        if not self._queue or self.delay_ns is None:
            return None
        due_ns = self._queue[0][1] + self.delay_ns
        if self._last_ns is not None:
            # Late ones catch up at twice the pace, never in a burst.
            due_ns = max(due_ns, self._last_ns + self._period_ns // 2)
        return due_ns

    def pop(self, now_ns: int) -> T | None:
        """The next one, if it is due."""
        if self._last_ns is not None and now_ns < self._last_ns:
            self._last_ns = None  # the clock fell back
        while self._queue:
            due_ns = self.next_due_ns
            assert due_ns is not None
            item, source_ns = self._queue[0]
            ahead_ns = due_ns - now_ns
            # What is due so far ahead was stamped by a clock that has jumped since.
            if 0 < ahead_ns <= self.max_delay_ns + self._max_age_ns:
                return None
            self._queue.popleft()
            if now_ns - source_ns > self._max_age_ns and len(self._queue):
                self.dropped += 1  # a newer one waits behind it
                continue
            self._last_ns = now_ns
            return item
        return None
