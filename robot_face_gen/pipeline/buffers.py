# SPDX-License-Identifier: Apache-2.0
"""What the timeline keeps of either stream: bounded, in order of time."""

from __future__ import annotations

import bisect
from collections import deque

import numpy as np

from robot_face_gen.features.face_frame import FaceFrame

MOST_FACES = 1500  # a minute at 25 fps
MOST_EMBEDDINGS = 3000
_REWOUND = 3  # frames of a time before, in a row, from which the clock is taken to have jumped
_LATENESS = 50  # arrivals from which a stream's usual delay is known
_LONGEST_DELAY_NS = 1_000_000_000  # nobody waits longer for a stream, however late it usually is


class Arrivals:
    """How late a stream usually is, and whether it is alive."""

    def __init__(self, alive_ns: int) -> None:
        self._alive_ns = alive_ns
        self._delays: deque[int] = deque(maxlen=_LATENESS)
        self._last_ns: int | None = None

    def arrived(self, stamp_ns: int, now_ns: int) -> None:
        """Something with this stamp came now."""
        self._delays.append(now_ns - stamp_ns)  # below 0 where its clock is ahead of ours
        self._last_ns = now_ns

    @property
    def never(self) -> bool:
        """Whether nothing has come yet."""
        return self._last_ns is None

    def alive(self, now_ns: int) -> bool:
        """Whether it has delivered lately."""
        return self._last_ns is not None and 0 <= now_ns - self._last_ns <= self._alive_ns

    def usual_delay_ns(self) -> int:
        """What nine of ten arrivals keep below, at most a second; 0 for one that never came."""
        if not self._delays:
            return 0
        usual = sorted(self._delays)[int(0.9 * (len(self._delays) - 1))]
        return min(usual, _LONGEST_DELAY_NS)


class Rewinds:
    """Tells a clock that fell back from single frames that are far too old.

    Another source with a clock of its own, or one wrong stamp, must not end a session.
    """

    def __init__(self) -> None:
        self._frames: list[FaceFrame] = []

    def add(self, frame: FaceFrame) -> tuple[list[FaceFrame], int]:
        """A frame that is far too old.

        Returns:
            tuple: the frames of the new time, once enough came in a row and in order, else none;
            and how many turned out to be single ones.
        """
        single = 0
        if self._frames and frame.stamp_ns <= self._frames[-1].stamp_ns:
            single = self.give_up()
        self._frames.append(frame)
        if len(self._frames) < _REWOUND:
            return [], single
        found, self._frames = self._frames, []
        return found, single

    def give_up(self) -> int:
        """A frame of the right time came; returns how many single ones there were."""
        single = len(self._frames)
        self._frames = []
        return single


class FaceBuffer:
    """Frames of the tracker that wait for their slot, in order of their stamps."""

    def __init__(self) -> None:
        self._frames: list[FaceFrame] = []
        self._stamps: list[int] = []

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, frame: FaceFrame) -> str:
        """Put a frame in its place; returns what happened: '', 'duplicates' or 'overflows'."""
        place = bisect.bisect_left(self._stamps, frame.stamp_ns)
        if place < len(self._stamps) and self._stamps[place] == frame.stamp_ns:
            return 'duplicates'
        self._frames.insert(place, frame)
        self._stamps.insert(place, frame.stamp_ns)
        if len(self._frames) > MOST_FACES:
            del self._frames[0], self._stamps[0]
            return 'overflows'
        return ''

    def until(self, end_ns: int) -> list[FaceFrame]:
        """Take the frames whose stamp is not after a time."""
        place = bisect.bisect_right(self._stamps, end_ns)
        taken = self._frames[:place]
        del self._frames[:place], self._stamps[:place]
        return taken

    @property
    def first_ns(self) -> int | None:
        """Stamp of the oldest frame that waits."""
        return self._stamps[0] if self._stamps else None

    @property
    def last_ns(self) -> int | None:
        """Stamp of the newest frame that waits."""
        return self._stamps[-1] if self._stamps else None

    def clear(self) -> None:
        """Drop all."""
        self._frames.clear()
        self._stamps.clear()


class EmbeddingBuffer:
    """Embeddings by the time at which their sound ends."""

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._data: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, end_ns: int, embedding: np.ndarray, tolerance_ns: int) -> str:
        """Put one in; returns what happened: '' or 'audio_duplicates'."""
        place = bisect.bisect_left(self._ends, end_ns)
        for near in (place - 1, place):
            if 0 <= near < len(self._ends) and abs(self._ends[near] - end_ns) < tolerance_ns:
                return 'audio_duplicates'
        self._ends.insert(place, end_ns)
        self._data.insert(place, embedding)
        if len(self._ends) > MOST_EMBEDDINGS:
            del self._ends[0], self._data[0]
        return ''

    def pair(self, until_ns: int, period_ns: int) -> np.ndarray | None:
        """The two newest (2, dim) that end by a time; None where they are not both there."""
        place = bisect.bisect_right(self._ends, until_ns)
        if place < 2 or self._ends[place - 1] <= until_ns - period_ns:
            return None
        if self._ends[place - 1] - self._ends[place - 2] > 1.5 * period_ns:
            return None
        return np.stack(self._data[place - 2 : place])

    def reaches(self, until_ns: int, period_ns: int) -> bool:
        """Whether the newest one that can end by a time is there, or a later one."""
        return bool(self._ends) and self._ends[-1] > until_ns - period_ns

    def forget(self, before_ns: int) -> None:
        """Drop those that end before a time."""
        place = bisect.bisect_left(self._ends, before_ns)
        del self._ends[:place], self._data[:place]

    def first_from(self, begin_ns: int) -> int | None:
        """End of the oldest that ends at or after a time."""
        place = bisect.bisect_left(self._ends, begin_ns)
        return self._ends[place] if place < len(self._ends) else None

    @property
    def first_ns(self) -> int | None:
        """End of the oldest."""
        return self._ends[0] if self._ends else None

    @property
    def last_ns(self) -> int | None:
        """End of the newest."""
        return self._ends[-1] if self._ends else None

    def clear(self) -> None:
        """Drop all."""
        self._ends.clear()
        self._data.clear()
