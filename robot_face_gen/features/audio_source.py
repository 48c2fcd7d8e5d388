# SPDX-License-Identifier: Apache-2.0
"""Where sound comes from: what sources have in common, and recordings played in real time."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile

from .mono import LOUDEST
from .resample import LEAST_RATE, MOST_RATE

SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class AudioBlock:
    """A piece of sound: samples (n,) float32 mono, the first one's time and number."""

    stamp_ns: int
    first_sample: int
    samples: np.ndarray
    sample_rate: int


class AudioSource(Protocol):
    """A stream of blocks in real time."""

    counters: Counter[str]

    @property
    def ended(self) -> bool:
        """Whether no block will come any more."""

    def read(self, timeout_s: float) -> AudioBlock | None:
        """The next block; None where none came in time."""

    def close(self) -> None:
        """Let go of the device or file."""


def read_audio(path: str | Path) -> tuple[np.ndarray, int]:
    """A sound file (WAV, FLAC, OGG, MP3, ...) as mono samples (n,) float32 and its rate in Hz.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no sound file, or holds no sound.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such sound file')
    with open(path, 'rb'):  # what the system has against it is an OSError of its own
        pass
    try:
        samples, rate = soundfile.read(path, dtype='float32', always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
        text = ' '.join(str(error).split())
        raise ValueError(f'{path}: no sound file that can be read ({text})') from None
    if not len(samples):
        raise ValueError(f'{path}: holds no sound')
    mono = samples.mean(axis=1, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(mono))
    if len(bad):
        raise ValueError(
            f'{path}: holds {len(bad)} samples that are no finite numbers, the first at '
            f'{bad[0] / rate:.3f} s'
        )
    if (loudest := float(np.abs(mono).max())) > LOUDEST:
        raise ValueError(
            f'{path}: holds samples of up to {loudest:.4g}: expected -1 to 1 (integers that were '
            'written as floats, not scaled?)'
        )
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise ValueError(f'{path}: {rate} Hz: expected {LEAST_RATE} to {MOST_RATE}')
    return mono, int(rate)


class AudioFileSource:
    """A recording at its own pace, as a microphone would give it.

    A block comes when its last sample would have been captured; deadlines are absolute, so that
    nothing drifts. At another speed the rate of the samples is said to be so much higher: stamps,
    counts and rate agree with each other, as with a tape that runs faster.

    Args:
        path: of the file.
        chunk_s: sound in a block.
        speed: multiple of the recording's own pace.
        start_time_ns: when the first sample is played, by `clock`; None is at once.
        loop: begin again at the end.
        clock: gives the time in ns.
        sleep: waits for seconds.
    """

    def __init__(
        self, path: str | Path, *, chunk_s: float = 0.02, speed: float = 1.0,
        start_time_ns: int | None = None, loop: bool = False,
        clock: Callable[[], int] = time.time_ns, sleep: Callable[[float], object] = time.sleep,
    ) -> None:  # fmt: skip
        if not 0 < speed < math.inf:
            raise ValueError(f'speed = {speed}: expected above 0')
        if not 0 < chunk_s < math.inf:
            raise ValueError(f'chunk_s = {chunk_s}: expected above 0')
        self.samples, rate = read_audio(path)
        self.sample_rate = round(rate * speed)
        if not LEAST_RATE <= self.sample_rate <= MOST_RATE:
            raise ValueError(
                f'speed = {speed}: with the {rate} Hz of {path} expected '
                f'{LEAST_RATE / rate:.3g} to {MOST_RATE / rate:.3g}'
            )
        self._chunk = max(1, round(chunk_s * self.sample_rate))
        self._start_ns = clock() if start_time_ns is None else start_time_ns
        self._loop, self._clock, self._sleep = loop, clock, sleep
        self._next = 0
        self._closed = False
        self.counters: Counter[str] = Counter()

    def _time_ns(self, sample: int) -> int:
        return self._start_ns + sample * SECOND_NS // self.sample_rate

    @property
    def ended(self) -> bool:
        """Whether the recording is over, or was closed."""
        return self._closed or (not self._loop and self._next >= len(self.samples))

    @property
    def next_due_ns(self) -> int | None:
        """When the next block will be complete; None at the end."""
        if self.ended:
            return None
        left = len(self.samples) - self._next % len(self.samples)
        return self._time_ns(self._next + min(self._chunk, left))

    def read(self, timeout_s: float) -> AudioBlock | None:
        """The next block once it is due; None at the end, or where the time ran out."""
        due_ns = self.next_due_ns
        if due_ns is None:
            return None
        wait_s = (due_ns - self._clock()) / SECOND_NS
        if wait_s > 0:
            self._sleep(min(wait_s, timeout_s))
            if wait_s > timeout_s:
                return None
        return self.take()

    def take(self) -> AudioBlock | None:
        """The next block at once, due or not."""
        if self.ended:
            return None
        place = self._next % len(self.samples)
        samples = self.samples[place : place + self._chunk]
        block = AudioBlock(self._time_ns(self._next), self._next, samples, self.sample_rate)
        self._next += len(samples)
        return block

    def close(self) -> None:
        """Let go of the recording."""
        self._closed = True
