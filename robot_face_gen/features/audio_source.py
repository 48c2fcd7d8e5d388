# SPDX-License-Identifier: Apache-2.0
"""Sources of sound: what they have in common, and recordings played in real time."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_face_gen.timing import SECOND_NS

from .resample import LEAST_RATE, MOST_RATE, to_mono

_MOST_CUT_S = 0.1  # of a repeated recording that is longer than its period


@dataclass(frozen=True)
class AudioBlock:
    """Mono samples (n,) float32, with the time and the number of the first one."""

    stamp_ns: int
    first_sample: int
    samples: np.ndarray
    sample_rate: int


class AudioFileSource:
    """A recording in real time, block by block, as a microphone would deliver it.

    A block is due when its last sample would have been captured; deadlines are absolute, so that
    nothing drifts. At another speed the sample rate is multiplied by it, so that stamps, counts
    and rate agree. The file is decoded while it is played, in constant memory.

    Args:
        path: of a sound file or film.
        chunk_s: sound in a block.
        speed: playback speed (1.0 = real time).
        start_time_ns: when the first sample is played.
        loop: begin again at the end.
        period_s: of a loop, in the time of the recording: silence is added where the recording is
            shorter. A period that is shorter than the recording is not used.

    Attributes:
        counters: `bad_samples` that were not finite or far too loud.

    Raises:
        OSError: the file cannot be read.
        ValueError: an impossible argument, or no sound file.
    """

    def __init__(
        self, path: str | Path, *, chunk_s: float = 0.02, speed: float = 1.0,
        start_time_ns: int = 0, loop: bool = False, period_s: float = 0.0,
    ) -> None:  # fmt: skip
        if not 0 < speed < math.inf:
            raise ValueError(f'speed = {speed}: expected above 0')
        if not 0 < chunk_s < math.inf:
            raise ValueError(f'chunk_s = {chunk_s}: expected above 0')
        from .sound_file import SoundFile  # FFmpeg: a microphone does not need it

        self.file = SoundFile(path)
        rate = self.file.sample_rate
        self.sample_rate = round(rate * speed)
        if not LEAST_RATE <= self.sample_rate <= MOST_RATE:
            raise ValueError(
                f'speed = {speed}: with the {rate} Hz of {path} expected '
                f'{LEAST_RATE / rate:.3g} to {MOST_RATE / rate:.3g}'
            )
        self._chunk = max(1, round(chunk_s * self.sample_rate))
        # A recording that is hardly longer is cut: lengths in headers are not exact, and face and
        # voice must have one period.
        used = loop and period_s > 0 and self.file.duration_s < period_s + _MOST_CUT_S
        self._period = period_s * rate if used else 0.0  # in samples, not rounded
        self._rounds = 0
        self._whole = 0  # samples of a round without a period, once one has ended
        self._start_ns, self._loop = start_time_ns, loop
        self._blocks = self.file.blocks()
        self._decoded = np.empty(0, np.float32)
        self._round = 0  # samples of this round that were decoded
        self._next = 0
        self._closed = False
        self.counters: Counter[str] = Counter()
        self._block = self._read_block()
        if loop and not self._period and 0 < len(self._block) < self._chunk:
            # Shorter than a block: repeated in memory, or a block would hold a single sample.
            whole = np.tile(self._block, -(-self._chunk // len(self._block)))
            self._blocks = itertools.repeat(whole[:, None])
            self._block = self._read_block()

    def _read_block(self) -> np.ndarray:
        """The next samples, at most a chunk; empty at the end."""
        # Rounds end at multiples of the exact period: what is rounded must not add up.
        end = round((self._rounds + 1) * self._period) - round(self._rounds * self._period)
        while len(self._decoded) < self._chunk and not 0 < end <= self._round:
            samples = next(self._blocks, None)
            if samples is None:
                break
            samples, bad = to_mono(samples[: end - self._round] if end else samples)
            self.counters['bad_samples'] += bad
            self._round += len(samples)
            self._decoded = np.concatenate((self._decoded, samples))
        if not len(self._decoded) and self._loop:
            if self._round < end:
                count = min(end - self._round, self._chunk)
                self._round += count
                return np.zeros(count, np.float32)
            self._whole = self._whole or self._round
            self._round, self._blocks = 0, self.file.blocks()
            self._rounds += 1
            return self._read_block()
        block, self._decoded = self._decoded[: self._chunk], self._decoded[self._chunk :]
        return block

    def _time_ns(self, sample: int) -> int:
        return self._start_ns + sample * SECOND_NS // self.sample_rate

    @property
    def ended(self) -> bool:
        """Whether the recording is over, or was closed."""
        return self._closed or not len(self._block)

    @property
    def next_due_ns(self) -> int | None:
        """When the next block will be complete; None at the end."""
        return None if self.ended else self._time_ns(self._next + len(self._block))

    def take(self) -> AudioBlock | None:
        """The next block, due or not; None at the end."""
        if self.ended:
            return None
        block = AudioBlock(self._time_ns(self._next), self._next, self._block, self.sample_rate)
        self._next += len(self._block)
        self._block = self._read_block()
        return block

    def skip_rounds(self, now_ns: int) -> int:
        """Leave out the rounds of a loop that are over: the clock has jumped, perhaps by hours.

        Returns the number of samples that are left out.
        """
        due_ns, length = self.next_due_ns, self._period or self._whole
        if due_ns is None or not length:
            return 0
        rounds = int((now_ns - due_ns) * self.sample_rate / SECOND_NS // length)
        if rounds < 1:
            return 0
        samples = round((self._rounds + rounds) * length) - round(self._rounds * length)
        if self._period:
            self._rounds += rounds
        self._next += samples
        return samples

    def close(self) -> None:
        """Close the recording."""
        self._closed = True
        self._blocks = iter(())
