# SPDX-License-Identifier: Apache-2.0
"""Numbers and times of captured blocks, from when they came."""

from __future__ import annotations

from collections import deque

SECOND_NS = 1_000_000_000
_WINDOW_S = 0.5  # of the newest blocks: late ones come early in a burst afterwards
_GAP_NS = SECOND_NS // 10  # all of them so much too late: sound was lost
_FOLLOW = 0.05  # share of a deviation that a block takes up
_STEEPEST = 0.25  # of a block's length: the most that a block's time is moved


class CaptureClock:
    """A clock that counts samples and is held to the times at which blocks arrive.

    A block can arrive late (a busy machine, a full buffer) but not before it was captured, so the
    earliest arrivals of the last half second say what time it is; a sound card that runs a little
    fast or slow is followed so without jitter. The capture times that PortAudio tells are not
    used: with PulseAudio they are off by up to half a second while a stream begins.

    Args:
        sample_rate: Hz.

    Attributes:
        gap_samples: samples that never came, all together.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._errors_ns: deque[int] = deque()  # arrivals, less the counted time
        self._base_ns: int | None = None  # time of sample 0
        self._anew = True
        self.gap_samples = 0

    def restart(self) -> None:
        """The device was opened again: what has passed until its first block is a gap."""
        self._anew = True

    def place(self, position: int, count: int, arrived_ns: int) -> tuple[int, int]:
        """Number and time of a block's first sample.

        Args:
            position: of the first sample, counted by the device.
            count: of samples in the block.
            arrived_ns: when the block came, by a clock that never jumps.

        Returns:
            tuple: the number of its first sample, and its time in ns by the same clock.
        """
        error_ns = arrived_ns - self._length_ns(position + count + self.gap_samples)
        if self._base_ns is None:
            self._base_ns = error_ns
        if self._anew:
            self._anew = False
            self._errors_ns.clear()
            error_ns -= self._skip(error_ns - self._base_ns)
        most = max(2, round(_WINDOW_S * self._rate / max(1, count)))
        self._errors_ns.append(error_ns)
        while len(self._errors_ns) > most:
            self._errors_ns.popleft()
        deviation_ns = min(self._errors_ns) - self._base_ns
        if deviation_ns > _GAP_NS and len(self._errors_ns) == most:
            skipped_ns = self._skip(deviation_ns)
            self._errors_ns = deque(error - skipped_ns for error in self._errors_ns)
        else:
            limit_ns = _STEEPEST * self._length_ns(count)
            self._base_ns += round(min(max(_FOLLOW * deviation_ns, -limit_ns), limit_ns))
        first = position + self.gap_samples
        return first, self._base_ns + self._length_ns(first)

    def _length_ns(self, samples: int) -> int:
        return samples * SECOND_NS // self._rate

    def _skip(self, gap_ns: int) -> int:
        """Count a gap, and say how long it is in whole samples."""
        samples = max(0, gap_ns) * self._rate // SECOND_NS
        self.gap_samples += samples
        return self._length_ns(samples)
