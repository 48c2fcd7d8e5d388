# SPDX-License-Identifier: Apache-2.0
"""Bounded buffers of the timeline for both streams, in order of time."""

from __future__ import annotations

import bisect
from collections import deque
from typing import Generic, TypeVar

import numpy as np

from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.timing import EMBEDDING_RATE_HZ, FRAME_RATE_HZ, SECOND_NS

Item = TypeVar('Item')
MAX_FACES = 60 * FRAME_RATE_HZ
MAX_EMBEDDINGS = 60 * EMBEDDING_RATE_HZ
_JUMP_FRAMES = 3  # consecutive frames with old stamps that mean a jump of the clock
_DELAYS = 50  # newest arrivals that define the usual delay of a stream
_PAUSE_NS = SECOND_NS * 3 // 10  # an interruption; as long, late data arrives after it
_ALIVE_NS = SECOND_NS  # a stream that is silent for longer is not waited for
_MAX_DELAY_NS = SECOND_NS  # limit of the usual delay


class Arrivals:
    """Measures the usual delay of a stream, and whether it is alive.

    After an interruption, data that waited for its end arrives late and quickly. This is one
    delay, the smallest: otherwise the next interruption would be waited for as long.
    """

    def __init__(self) -> None:
        self._delays: deque[int] = deque(maxlen=_DELAYS)
        self._last_ns: int | None = None
        self._last_delay_ns = 0
        self._resumed_ns: int | None = None

    def arrived(self, stamp_ns: int, now_ns: int) -> None:
        """Data with this stamp has arrived."""
        delay_ns = self._last_delay_ns = now_ns - stamp_ns  # negative if its clock is ahead
        if self._last_ns is not None and now_ns - self._last_ns > _PAUSE_NS:
            self._resumed_ns = now_ns
        elif self._resumed_ns is not None and 0 <= now_ns - self._resumed_ns < _PAUSE_NS:
            delay_ns = min(delay_ns, self._delays.pop())
        self._delays.append(delay_ns)
        self._last_ns = now_ns

    @property
    def never(self) -> bool:
        """Whether nothing has arrived yet."""
        return self._last_ns is None

    def alive(self, now_ns: int) -> bool:
        """Whether data has arrived recently, with a delay that can be waited for."""
        return (
            self._last_ns is not None
            and 0 <= now_ns - self._last_ns <= _ALIVE_NS
            # Stamps of another clock: however long one waits, the data is of other slots.
            and self._last_delay_ns <= 2 * _MAX_DELAY_NS
        )

    def usual_delay_ns(self) -> int:
        """90th percentile of the delays, at most 1 s; 0 if nothing has arrived."""
        if not self._delays:
            return 0
        usual = sorted(self._delays)[int(0.9 * (len(self._delays) - 1))]
        return min(usual, _MAX_DELAY_NS)


class Rewinds:
    """Distinguishes a clock that jumped back from single frames with old stamps.

    A second source with its own clock, or one wrong stamp, must not end a session.
    """

    def __init__(self) -> None:
        self._frames: list[FaceFrame] = []

    def add(self, frame: FaceFrame) -> tuple[list[FaceFrame], int]:
        """Add a frame with an old stamp.

        Returns the frames of the new time, once there are enough in a row and in order, else none;
        and the number of single frames, to be dropped.
        """
        single = 0
        if self._frames and frame.stamp_ns <= self._frames[-1].stamp_ns:
            single = self.give_up()
        self._frames.append(frame)
        if len(self._frames) < _JUMP_FRAMES:
            return [], single
        found, self._frames = self._frames, []
        return found, single

    def give_up(self) -> int:
        """A frame of the current time has arrived; returns the number of single frames."""
        single = len(self._frames)
        self._frames = []
        return single


class _Buffer(Generic[Item]):
    """Items in order of their times."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._items: list[Item] = []

    def __len__(self) -> int:
        return len(self._times)

    @property
    def first_ns(self) -> int | None:
        """Time of the oldest item; None if empty."""
        return self._times[0] if self._times else None

    @property
    def last_ns(self) -> int | None:
        """Time of the newest item; None if empty."""
        return self._times[-1] if self._times else None

    def clear(self) -> None:
        """Drop all."""
        self._take(len(self))

    def _insert(self, place: int, time_ns: int, item: Item, most: int) -> bool:
        """Insert an item; whether the oldest one was dropped, because there were too many."""
        self._times.insert(place, time_ns)
        self._items.insert(place, item)
        return bool(self._take(len(self) - most))

    def _take(self, count: int) -> list[Item]:
        """Remove and return the oldest items."""
        taken = self._items[: max(count, 0)]
        del self._times[: len(taken)], self._items[: len(taken)]
        return taken


class FaceBuffer(_Buffer[FaceFrame]):
    """Frames of the tracker that wait for their slot, by their stamps."""

    def add(self, frame: FaceFrame) -> str:
        """Insert a frame; returns the counter to increase: '', 'duplicates' or 'overflows'."""
        place = bisect.bisect_left(self._times, frame.stamp_ns)
        if place < len(self) and self._times[place] == frame.stamp_ns:
            return 'duplicates'
        return 'overflows' if self._insert(place, frame.stamp_ns, frame, MAX_FACES) else ''

    def until(self, end_ns: int) -> list[FaceFrame]:
        """Remove and return the frames up to a time."""
        return self._take(bisect.bisect_right(self._times, end_ns))


class EmbeddingBuffer(_Buffer[np.ndarray]):
    """Embeddings, by the end of their sound."""

    def add(self, end_ns: int, embedding: np.ndarray, tolerance_ns: int) -> str:
        """Insert an embedding; returns the counter to increase: '' or 'audio_duplicates'."""
        place = bisect.bisect_left(self._times, end_ns)
        for near in self._times[max(place - 1, 0) : place + 1]:
            if abs(near - end_ns) < tolerance_ns:
                return 'audio_duplicates'
        self._insert(place, end_ns, embedding, MAX_EMBEDDINGS)
        return ''

    def pair(self, until_ns: int, period_ns: int) -> np.ndarray | None:
        """The two newest embeddings (2, dim) that end by a time; None if one is missing."""
        place = bisect.bisect_right(self._times, until_ns)
        if place < 2 or self._times[place - 1] <= until_ns - period_ns:
            return None
        if self._times[place - 1] - self._times[place - 2] > 1.5 * period_ns:
            return None
        return np.stack(self._items[place - 2 : place])

    def reaches(self, until_ns: int, period_ns: int) -> bool:
        """Whether the last embedding that can end by a time, or a later one, has arrived."""
        return bool(self._times) and self._times[-1] > until_ns - period_ns

    def forget(self, before_ns: int) -> None:
        """Drop embeddings that end before a time."""
        self._take(bisect.bisect_left(self._times, before_ns))

    def first_from(self, begin_ns: int) -> int | None:
        """End of the first embedding that ends at or after a time; None if there is none."""
        place = bisect.bisect_left(self._times, begin_ns)
        return self._times[place] if place < len(self) else None
