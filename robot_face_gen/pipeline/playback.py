# SPDX-License-Identifier: Apache-2.0
"""Where the frames of `openface_node` come from, in real time; the clock is passed in, no ROS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from robot_face_gen.features.openface import FaceFrame

SECOND_NS = 1_000_000_000
TOO_LATE_NS = SECOND_NS  # a frame that is due longer ago is of no use to anybody


class FacePlayer:
    """Plays recorded frames at their own pace: each gets its due time as stamp.

    Deadlines are absolute, so that a late wake-up does not shift what follows.

    Args:
        frames: of a recording, in order.
        speed: multiple of the recording's own pace.
        loop: begin again after the last frame.
        start_ns: when the first frame is due.

    Raises:
        ValueError: no frames.
    """

    def __init__(
        self, frames: Sequence[FaceFrame], *, speed: float, loop: bool, start_ns: int
    ) -> None:
        if not frames:
            raise ValueError('the recording holds no frames')
        self._frames = frames
        self._speed = speed
        self._loop = loop
        self._start_ns = start_ns
        self._next = 0
        first, last = frames[0].stamp_ns, frames[-1].stamp_ns
        # From the last frame to the first of the next round: one mean period.
        period = (last - first) // (len(frames) - 1) if len(frames) > 1 else SECOND_NS // 25
        self._round_ns = last - first + period
        self.skipped = 0

    @property
    def next_due_ns(self) -> int | None:
        """When to come back; None after the last frame."""
        rounds, place = divmod(self._next, len(self._frames))
        if rounds and not self._loop:
            return None
        recorded = self._frames[place].stamp_ns - self._frames[0].stamp_ns
        return self._start_ns + round((rounds * self._round_ns + recorded) / self._speed)

    @property
    def end_ns(self) -> int | None:
        """When the recording has been played; None for a loop."""
        return None if self._loop else self._start_ns + round(self._round_ns / self._speed)

    def pop(self, now_ns: int) -> list[FaceFrame]:
        """The frames that are due; those that are due far too long are skipped and counted."""
        due = []
        while (due_ns := self.next_due_ns) is not None and due_ns <= now_ns:
            if now_ns - due_ns > TOO_LATE_NS:
                self.skipped += 1
            else:
                due.append(replace(self._frames[self._next % len(self._frames)], stamp_ns=due_ns))
            self._next += 1
        return due


class ArrivalClock:
    """Turns a tracker's own timestamps into times of our clock, from when its rows arrive.

    The row that came with the least delay ties the two clocks together; the tie is forgotten
    slowly, so that it follows a drift, and at once where the tracker fell far behind.

    Args:
        drift: seconds a second by which the tie is forgotten.
        max_lag_ns: a row that would be stamped longer ago than this ties anew.
    """

    def __init__(self, drift: float = 0.005, max_lag_ns: int = SECOND_NS // 4) -> None:
        self._drift = drift
        self._max_lag_ns = max_lag_ns
        self._offset_ns: int | None = None
        self._seen_ns = 0
        self._last_ns = 0

    def stamps(self, tracker_ns: Sequence[int], now_ns: int) -> list[int]:
        """Times of capture of rows that arrived together now; not later than that, and growing."""
        # Only the newest row's arrival says how late rows are: the others waited for it.
        here = now_ns - tracker_ns[-1]
        if now_ns < self._seen_ns - SECOND_NS:  # our own clock fell back, and the stamps with it
            self._offset_ns, self._last_ns = None, 0
        if self._offset_ns is None or here - self._offset_ns > self._max_lag_ns:
            self._offset_ns = here
        else:
            relaxed = self._offset_ns + round((now_ns - self._seen_ns) * self._drift)
            self._offset_ns = min(here, relaxed)
        self._seen_ns = now_ns
        stamps = []
        for stamp_ns in tracker_ns:
            self._last_ns = max(self._last_ns + 1, stamp_ns + self._offset_ns)
            stamps.append(self._last_ns)
        return stamps


class FaceFollower:
    """Frames of a file that is still being written, stamped as they arrive.

    Args:
        poll: gives the frames written since the last call.
    """

    def __init__(self, poll: Callable[[], list[FaceFrame]]) -> None:
        self._poll = poll
        self._clock = ArrivalClock()
        self._newest_ns: int | None = None
        self.skipped = 0

    def pop(self, now_ns: int) -> list[FaceFrame]:
        """What has been written since the last call; of the rows there at first only the last."""
        frames = self._poll()
        if not frames:
            return []
        newest_ns = frames[-1].stamp_ns
        if self._newest_ns is None or newest_ns < self._newest_ns:  # a new file
            self._clock = ArrivalClock()
            self.skipped += len(frames) - 1
            frames = frames[-1:]
        self._newest_ns = newest_ns
        stamps = self._clock.stamps([frame.stamp_ns for frame in frames], now_ns)
        return [replace(f, stamp_ns=stamp) for f, stamp in zip(frames, stamps, strict=True)]
