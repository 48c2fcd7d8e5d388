# SPDX-License-Identifier: Apache-2.0
"""How far the stamps that come are from the node's own clock."""

from __future__ import annotations

SECOND_NS = 1_000_000_000
FAR_NS = SECOND_NS  # stamps that are nearer are taken as they are
ALIKE_NS = SECOND_NS // 2
ENOUGH = 3  # arrivals in a row that are alike


class StampClock:
    """The time of those who stamp: a bag played without its clock, a machine that is set wrong.

    Stamps within a second of the node's clock are in its time. If several in a row are farther
    away, and all as far, theirs is another one, `offset_ns` behind; single ones are not heeded.
    """

    def __init__(self) -> None:
        self.offset_ns = 0
        self._odd: list[int] = []

    def time_ns(self, now_ns: int) -> int:
        """The time of those who stamp, when the node's clock shows `now_ns`."""
        return now_ns - self.offset_ns

    def arrived(self, stamp_ns: int, now_ns: int) -> bool:
        """Something with this stamp came now; returns whether the offset has changed."""
        behind_ns = now_ns - stamp_ns
        if abs(behind_ns - self.offset_ns) <= FAR_NS:
            self._odd.clear()
            return False
        self._odd.append(behind_ns)
        if max(self._odd) - min(self._odd) > ALIKE_NS:
            self._odd = [behind_ns]
        if len(self._odd) < ENOUGH:
            return False
        least = min(self._odd)
        self.offset_ns = least if abs(least) > FAR_NS else 0
        self._odd.clear()
        return True
