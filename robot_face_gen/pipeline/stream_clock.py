# SPDX-License-Identifier: Apache-2.0
"""Time stamps of a sender whose clock runs fast or slow, by the arrival times of its messages.

The usual cause: a tracker computes its stamps as frame number / nominal frame rate, and the camera
gives another rate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median

from robot_face_gen.timing import SECOND_NS

_SECONDS = 30  # remembered, one smallest delay for each
_NEWEST = 10  # seconds whose smallest delays give the offset
_SPACING_NS = 3 * SECOND_NS  # of two points that give a rate
_PAIRS = 6  # that give a rate
_LARGEST_RATE = 0.1
_MAX_LAG_NS = SECOND_NS // 4  # followed rows: a new one that would be older sets the offset again
_SETTLE_NS = 2 * SECOND_NS  # the first delays of a stream, which are its usual ones
_TOLERANCE_NS = SECOND_NS // 5  # change of the smallest delay that is no drift
_ADJUSTED_NS = SECOND_NS // 50  # a remaining correction that can be dropped
_JUMP_NS = SECOND_NS  # a single change of the delay that is no drift
_JUMP_STAMPS = 3  # consecutive ones with the same new delay
_SAME_NS = SECOND_NS // 2
_SLEW = 0.1  # seconds per second by which the correction changes


class DelayLine:
    """The smallest delays of a stream as a line: an offset, and its change with time (`rate`)."""

    def __init__(self) -> None:
        self._points: deque[tuple[int, int]] = deque(maxlen=_SECONDS)  # (arrival, delay)
        self._begin_ns = 0  # of the newest second
        self.rate = 0.0  # seconds per second; positive: the sender's clock is slow

    def __bool__(self) -> bool:
        return bool(self._points)

    def restart(self) -> None:
        """Forget the delays, but not the rate."""
        self._points.clear()

    def add(self, delay_ns: int, now_ns: int) -> None:
        """Data has arrived now, this long after its stamp."""
        if not self._points or now_ns - self._begin_ns >= SECOND_NS:
            self._begin_ns = now_ns
            self._points.append((now_ns, delay_ns))
            self._fit()
        elif delay_ns < self._at(self._points[-1], now_ns):
            self._points[-1] = (now_ns, delay_ns)

    def delay_ns(self, now_ns: int) -> int:
        """The smallest delay now."""
        return min(self._at(point, now_ns) for point in list(self._points)[-_NEWEST:])

    def _at(self, point: tuple[int, int], now_ns: int) -> int:
        # Delays that fall are smallest now: nothing has to be predicted.
        return point[1] + round(max(self.rate, 0.0) * (now_ns - point[0]))

    def _fit(self) -> None:
        """The median slope of all pairs: single late seconds do not matter."""
        points = list(self._points)[:-1]  # the newest second is not complete
        slopes = [
            (delay - earlier) / (time - before)
            for i, (time, delay) in enumerate(points)
            for before, earlier in points[:i]
            if time - before >= _SPACING_NS
        ]
        if len(slopes) >= _PAIRS:
            self.rate = min(max(median(slopes), -_LARGEST_RATE), _LARGEST_RATE)


class ArrivalClock:
    """Converts a tracker's timestamps, of any origin, to this clock.

    The rows with the smallest delay define the offset of the two clocks, and its change. The
    offset is set again if the tracker is far behind.
    """

    def __init__(self) -> None:
        self._line = DelayLine()
        self._seen_ns = 0
        self._last_ns = 0

    def stamps(self, tracker_ns: Sequence[int], now_ns: int) -> list[int]:
        """Capture times of rows that arrived together now; increasing, not in the future."""
        # Only the newest row has arrived without waiting for others.
        here = now_ns - tracker_ns[-1]
        if now_ns < self._seen_ns - SECOND_NS:  # this clock jumped back
            self._line, self._last_ns = DelayLine(), 0
        self._line.add(here, now_ns)
        offset_ns = self._line.delay_ns(now_ns)
        if here - offset_ns > _MAX_LAG_NS:
            self._line.restart()
            self._line.add(here, now_ns)
            offset_ns = here
        offset_ns = min(here, offset_ns)
        self._seen_ns = now_ns
        stamps = []
        for stamp_ns in tracker_ns:
            self._last_ns = max(self._last_ns + 1, stamp_ns + offset_ns)
            stamps.append(self._last_ns)
        return stamps


class DriftingClock:
    """Corrects the stamps of a stream while its clock drifts; leaves all others as they are.

    A drift is a change of the smallest delay by more than `_TOLERANCE_NS`. From then on, the
    stamps keep the delay that the stream had at its beginning.

    Attributes:
        correction_ns: added to the stamps.
        drifts: whether the clock drifts.
    """

    def __init__(self) -> None:
        self.correction_ns = 0
        self.drifts = False
        self._line = DelayLine()
        self._usual_ns = 0  # delay at the beginning
        self._settled_ns = 0
        self._seen_ns = 0
        self._jumped: list[int] = []

    @property
    def rate(self) -> float:
        """How much slower the sender's clock is than ours, in seconds per second."""
        return self._line.rate

    def correct(self, stamp_ns: int, now_ns: int, expected_ns: int = 0) -> int:
        """The corrected stamp of a message that has arrived now.

        `expected_ns`: the node's clock minus the clock of the stamps, where that is known.
        """
        delay_ns = now_ns - stamp_ns
        if self._jumps(delay_ns, now_ns):
            return stamp_ns + self.correction_ns
        if not self._line:
            self._settled_ns = now_ns + _SETTLE_NS
        self._line.add(delay_ns, now_ns)
        smallest_ns = self._line.delay_ns(now_ns)
        if now_ns < self._settled_ns and not self.drifts:
            self._usual_ns = smallest_ns
        change_ns = smallest_ns - self._usual_ns
        # Not a drift: a stream that began late (a slow start) and is on time now.
        low, high = sorted((self._usual_ns, expected_ns))
        if not low - _TOLERANCE_NS <= smallest_ns <= high + _TOLERANCE_NS:
            self.drifts = True
        elif self.drifts and max(abs(change_ns), abs(self.correction_ns)) < _ADJUSTED_NS:
            self.drifts, self.correction_ns = False, 0
        if self.drifts:
            limit_ns = round(_SLEW * min(max(now_ns - self._seen_ns, 0), SECOND_NS))
            step_ns = change_ns - self.correction_ns
            self.correction_ns += min(max(step_ns, -limit_ns), limit_ns)
        self._seen_ns = now_ns
        return stamp_ns + self.correction_ns

    def follow_arrivals(self, usual_ns: int) -> None:
        """Correct the stamps to this delay from now on: they do not fit the other stream."""
        if self._line:
            self._usual_ns, self._settled_ns = usual_ns, self._seen_ns
            self.correction_ns = self._line.delay_ns(self._seen_ns) - usual_ns
            self.drifts = True

    def _jumps(self, delay_ns: int, now_ns: int) -> bool:
        """Whether a message is far from the line; a few in a row start a new line."""
        if not self._line or abs(delay_ns - self._line.delay_ns(now_ns)) <= _JUMP_NS:
            self._jumped.clear()
            return False
        self._jumped.append(delay_ns)
        if max(self._jumped) - min(self._jumped) > _SAME_NS:
            self._jumped = [delay_ns]
        if len(self._jumped) < _JUMP_STAMPS:
            return True
        if self.drifts and abs(delay_ns - self._usual_ns) > _JUMP_NS:
            # A clock that counts frames has not counted those of a pause.
            self.correction_ns = min(self._jumped) - self._usual_ns
        else:  # the sender was started again, or there is another clock
            self.drifts, self.correction_ns = False, 0
        self._jumped.clear()
        self._line.restart()
        return False
