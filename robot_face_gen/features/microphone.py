# SPDX-License-Identifier: Apache-2.0
"""A microphone: bounded queue, counters, and reconnection when the device is lost."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .audio_source import SECOND_NS, AudioBlock
from .capture_clock import CaptureClock
from .sound_card import abandon, look_again, open_input

_QUEUE_S = 10.0  # longest queue of sound
_SILENT_S = 0.5  # without a block: the device is lost
_WATCH_S = 0.1
_FIRST_S = 5.0  # timeout of the first block; with PulseAudio it takes 1.8 s
_CLOSE_S = 2.0  # timeout of closing, for sound servers that hang
_SMOOTH = 0.02  # smoothing of the offset between the two clocks, per block


class _Opening:
    """One opening of the device."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.heard_s = time.monotonic()
        self.blocks = 0


class _Captured(NamedTuple):
    samples: np.ndarray
    sample_rate: int
    position: int
    arrived_ns: int
    opening: _Opening


class MicrophoneSource:
    """Blocks of a microphone, stamped with the time of their first sample.

    A thread opens the device, monitors it and opens it again after it was lost. `read` and `close`
    therefore return in time even if a sound server hangs. The sample count continues over a pause
    by the elapsed time, so that subscribers see how much was lost.

    Args:
        device: number, name or part of the name; None is the default one.
        sample_rate: Hz; None, or a rate that the device does not support: the device's own.
        block_s: sound in a block.
        retry_s: time between attempts to open a lost device.
        clock: gives the time in ns.

    Attributes:
        trouble: why there is no sound; '' while there is, and until the first attempt has ended.
        counters: `opens`, `failed_opens`, `losses`, `failed_closes`, `overflows` (PortAudio lost
            sound), `dropped_blocks` (not read in time), `gap_samples` (never arrived).
    """

    def __init__(self, device: str | None = None, *, sample_rate: int | None = 16000,
                 block_s: float = 0.02, retry_s: float = 1.0,
                 clock: Callable[[], int] = time.time_ns) -> None:  # fmt: skip
        if not 0.001 <= block_s <= _QUEUE_S / 2:
            raise ValueError(f'block_s = {block_s}: expected 0.001 to {_QUEUE_S / 2:g}')
        if not 0 <= retry_s < threading.TIMEOUT_MAX:
            raise ValueError(f'retry_s = {retry_s}: expected 0 or more')
        self._device, self._wanted_rate = device, sample_rate
        self._block_s, self._retry_s, self._clock = block_s, retry_s, clock
        self._queue: queue.Queue[_Captured] = queue.Queue(round(_QUEUE_S / block_s))
        self._position = 0  # of the next captured sample, at the rate of _times
        self._times: CaptureClock | None = None
        self._opening: _Opening | None = None  # whose blocks are taken
        self._heard: _Opening | None = None  # whose blocks are read
        self._offset_ns: int | None = None  # our clock minus the one that never jumps
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name='microphone', daemon=True)
        self.sample_rate = sample_rate or 0
        self.trouble = ''
        # All keys now: other threads may iterate over them while some are counted.
        self.counters: Counter[str] = Counter(
            opens=0, failed_opens=0, losses=0, failed_closes=0, overflows=0, dropped_blocks=0,
            gap_samples=0)  # fmt: skip

    @property
    def ended(self) -> bool:
        """Whether it was closed."""
        return self._closing.is_set()

    def read(self, timeout_s: float) -> AudioBlock | None:
        """The next block; None after the timeout. The first call opens the microphone."""
        if self.ended:
            return None
        if self._keeper.ident is None:
            self._keeper.start()
        try:
            return self._block(self._queue.get(timeout=max(0.0, timeout_s)))
        except queue.Empty:
            return None

    def close(self) -> None:
        """Release the microphone."""
        self._closing.set()
        if self._keeper.ident is not None:
            self._keeper.join(_CLOSE_S)
            if self._keeper.is_alive():
                abandon()

    def _block(self, captured: _Captured) -> AudioBlock:
        samples, rate, position, arrived_ns, opening = captured
        if self._times is None or rate != self.sample_rate:
            self.sample_rate, self._times = rate, CaptureClock(rate)
        elif opening is not self._heard:
            self._times.restart()
        self._heard = opening
        first, at_ns = self._times.place(position, len(samples), arrived_ns)
        self.counters['gap_samples'] = self._times.gap_samples
        offset_ns = self._clock() - time.monotonic_ns()
        if self._offset_ns is None or abs(offset_ns - self._offset_ns) > SECOND_NS // 4:
            self._offset_ns = offset_ns  # at first, and after the clock was set
        self._offset_ns += round(_SMOOTH * (offset_ns - self._offset_ns))
        return AudioBlock(at_ns + self._offset_ns, first, samples, rate)

    def _keep(self) -> None:
        """Open, monitor and close the device until `close` is called; runs in a thread."""
        while not self._closing.is_set():
            opening = self._opening = _Opening()
            try:
                if self.counters['opens'] or self.counters['failed_opens']:
                    look_again()
                stream = open_input(
                    self._device, self._wanted_rate, self._block_s,
                    partial(self._captured, opening), opening.over.set)  # fmt: skip
            except Exception as error:  # any error of the sound system: reported and retried
                self.trouble = ' '.join(str(error).split()) or type(error).__name__
                self.counters['failed_opens'] += 1
            else:
                self.counters['opens'] += 1
                self._watch(opening)
                self._shut(stream)
            self._closing.wait(self._retry_s)

    def _watch(self, opening: _Opening) -> None:
        """Return when no more sound arrives, or after `close`."""
        opening.heard_s = time.monotonic()
        while not self._closing.wait(_WATCH_S):
            if opening.blocks:
                self.trouble = ''
            silent_s = max(_SILENT_S, 4 * self._block_s) if opening.blocks else _FIRST_S
            waited_s = time.monotonic() - opening.heard_s
            if opening.over.is_set() or waited_s > silent_s:
                break
        else:
            return
        # Ignore blocks that a device that hangs delivers later.
        self._opening = None
        self.counters['losses'] += 1
        self.trouble = (
            'the microphone has stopped' if opening.blocks else 'the microphone gives no sound'
        )

    def _shut(self, stream: Any) -> None:
        try:
            stream.abort()
            stream.close()
        except Exception:  # closing a lost device fails
            self.counters['failed_closes'] += 1

    def _captured(
        self, opening: _Opening, samples: np.ndarray, sample_rate: int, overflow: bool
    ) -> None:
        """Called on PortAudio's thread: queue the block without waiting."""
        if opening is not self._opening:
            return
        opening.heard_s = time.monotonic()
        opening.blocks += 1
        self.counters['overflows'] += overflow
        block = _Captured(samples, sample_rate, self._position, time.monotonic_ns(), opening)
        self._position += len(samples)
        while True:
            try:
                return self._queue.put_nowait(block)
            except queue.Full:  # drop the oldest; the positions show that it is missing
                with suppress(queue.Empty):
                    self._queue.get_nowait()
                    self.counters['dropped_blocks'] += 1
