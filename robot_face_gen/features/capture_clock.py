# SPDX-License-Identifier: Apache-2.0
"""Sample numbers and times of captured blocks, from their arrival times."""

from __future__ import annotations

from collections import deque

from robot_face_gen.timing import SECOND_NS

_WINDOW_S = 0.5  # of blocks that are compared: after a delay, several arrive in a burst
_GAP_NS = SECOND_NS // 10  # all blocks of the window later than this: sound was lost
_FOLLOW = 0.05  # share of a deviation that is corrected per block
_STEEPEST = 0.25  # largest correction per block, as a share of its length


class CaptureClock:
    """A clock that counts samples and follows the arrival times of blocks.

    A block can arrive late (a busy machine, a full buffer) but not before it was captured. The
    earliest arrivals of the last half second therefore give the time, and the drift of a sound
    card is followed without jitter. PortAudio's own capture times are not used: with PulseAudio
    they are wrong by up to half a second at the start of a stream. `gap_samples` is the number of
    samples that never arrived.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._errors_ns: deque[int] = deque()  # arrivals, less the counted time
        self._base_ns: int | None = None  # time of sample 0
        self._restarted = True
        self.gap_samples = 0

    def restart(self) -> None:
        """The device was opened again: the time until its first block is a gap."""
        self._restarted = True

    def place(self, position: int, count: int, arrived_ns: int) -> tuple[int, int]:
        """Number and time (ns) of the first sample of a block of `count` samples.

        The device counted its position; it arrived at a time of a monotonic clock, on which the
        result is, too.
        """
        error_ns = arrived_ns - self._length_ns(position + count + self.gap_samples)
        if self._base_ns is None:
            self._base_ns = error_ns
        if self._restarted:
            self._restarted = False
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
        """Count a gap; returns its length rounded down to whole samples."""
        samples = max(0, gap_ns) * self._rate // SECOND_NS
        self.gap_samples += samples
        return self._length_ns(samples)
