# SPDX-License-Identifier: Apache-2.0
"""Sources of `openface_node` in real time; the current time is an argument, without ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.timing import PERIOD_NS, SECOND_NS

from .stream_clock import ArrivalClock

if TYPE_CHECKING:
    from robot_face_gen.camera.sources import Picture

TOO_LATE_NS = SECOND_NS  # a frame that is later than this is skipped

Frame = TypeVar('Frame', bound='FaceFrame | Picture')


class FramePlayer(Generic[Frame]):
    """Plays recorded frames (of faces, pictures) in real time, stamped with the time they are due.

    Deadlines are absolute, so that a late call does not delay later frames. Frames are read one
    by one, so that a file of any length can be played.

    `frames` opens the recording, in order, with stamps from its start, which is due at `start_ns`.
    If it does not fit into the period of a loop, its own length is used.

    Raises:
        ValueError: no frames.
    """

    def __init__(
        self,
        frames: Callable[[], Iterator[Frame]],
        *,
        speed: float,
        loop: bool,
        start_ns: int,
        period_ns: int = 0,
    ) -> None:
        self._open, self._speed, self._loop = frames, speed, loop
        self._start_ns, self._period_ns = start_ns, period_ns
        self._loop_start_ns = 0  # in the time of the recording
        self._round_ns = 0  # length of a round, once one has ended
        self._first_ns = self._last_ns = self._count = 0
        self._frames = frames()
        self._next: Frame | None = next(self._frames, None)
        if self._next is None:
            raise ValueError('the recording has no frames')
        self.skipped = 0

    def _due_ns(self, recorded_ns: int) -> int:
        return self._start_ns + round((self._loop_start_ns + recorded_ns) / self._speed)

    @property
    def next_due_ns(self) -> int | None:
        """When the next frame is due; None after the last frame."""
        return None if self._next is None else self._due_ns(self._next.stamp_ns)

    @property
    def end_ns(self) -> int | None:
        """End of the recording; None in a loop and before the last frame."""
        return self._due_ns(self._length_ns) if self._next is None else None

    @property
    def _length_ns(self) -> int:
        """Length of the recording: one mean period is added after the last frame."""
        if self._count < 2:
            return self._last_ns + PERIOD_NS
        return self._last_ns + (self._last_ns - self._first_ns) // (self._count - 1)

    def _advance(self, frame: Frame) -> None:
        self._first_ns = self._first_ns if self._count else frame.stamp_ns
        self._last_ns = frame.stamp_ns
        self._count += 1
        self._next = next(self._frames, None)
        if self._next is None and self._loop:
            fits = self._period_ns > self._last_ns
            self._round_ns = self._period_ns if fits else self._length_ns
            self._loop_start_ns += self._round_ns
            self._count = 0
            self._frames = self._open()
            self._next = next(self._frames, None)

    def pop(self, now_ns: int) -> list[Frame]:
        """Frames that are due; frames that are too late are skipped and counted."""
        due = []
        while self._next is not None and (due_ns := self._due_ns(self._next.stamp_ns)) <= now_ns:
            late_ns = now_ns - due_ns
            if late_ns <= TOO_LATE_NS:
                due.append(replace(self._next, stamp_ns=due_ns))
            else:
                self.skipped += 1
                if self._round_ns:  # the clock may have jumped by hours: leave out whole rounds
                    rounds = int(late_ns * self._speed // self._round_ns)
                    self._loop_start_ns += rounds * self._round_ns
                    if rounds:
                        continue
            self._advance(self._next)
        return due


class FaceFollower:
    """Frames of a file that is still being written, stamped when they arrive.

    `poll` returns the frames written since the last call.
    """

    def __init__(self, poll: Callable[[], list[FaceFrame]]) -> None:
        self._poll = poll
        self._clock = ArrivalClock()
        self._newest_ns: int | None = None
        self.skipped = 0

    def pop(self, now_ns: int) -> list[FaceFrame]:
        """Frames written since the last call; of the rows in a new file, only the last."""
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
