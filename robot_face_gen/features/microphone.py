# SPDX-License-Identifier: Apache-2.0
"""A microphone: bounded, counted, watched, and opened again when lost."""

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

_QUEUE_S = 10.0  # of sound that waits at most
_SILENT_S = 0.5  # without a block: the microphone has gone
_WATCH_S = 0.1
_FIRST_S = 5.0  # the first block may take as long: PulseAudio's comes after 1.8 s
_CLOSE_S = 2.0  # a sound server that hangs is waited for no longer
_SMOOTH = 0.02  # share of a new reading of the two clocks


class _Opening:
    """One time that the device was opened."""

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

    A thread of its own opens the device, watches it and opens it again until it is back when it
    has vanished; `trouble` says why it is not there. So `read` and `close` are in time even where
    a sound server hangs. The count of samples goes on over a pause by the time that has passed, so
    that a listener sees how much was lost.

    Args:
        device: number, name or part of the name; None is the default one.
        sample_rate: Hz; None, or one that the device does not have, is the device's own.
        block_s: sound in a block.
        retry_s: pause before a lost microphone is tried again.
        clock: gives the time in ns.

    Attributes:
        trouble: why no sound comes; '' while it does, and before the first try has ended.
        counters: `opens`, `failed_opens`, `losses`, `failed_closes`, `overflows` (PortAudio lost
            sound), `dropped_blocks` (nobody read them), `gap_samples` (that never came).
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
        # All keys at once: other threads may go through them while some are counted.
        self.counters: Counter[str] = Counter(
            opens=0, failed_opens=0, losses=0, failed_closes=0, overflows=0, dropped_blocks=0,
            gap_samples=0)  # fmt: skip

    @property
    def ended(self) -> bool:
        """Whether it was closed: a microphone has no end."""
        return self._closing.is_set()

    def read(self, timeout_s: float) -> AudioBlock | None:
        """The next block; None where none came in time. The first call opens the microphone."""
        if self.ended:
            return None
        if self._keeper.ident is None:
            self._keeper.start()
        try:
            return self._block(self._queue.get(timeout=max(0.0, timeout_s)))
        except queue.Empty:
            return None

    def close(self) -> None:
        """Let go of the microphone."""
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
            self._offset_ns = offset_ns  # at first, and when somebody sets the clock
        self._offset_ns += round(_SMOOTH * (offset_ns - self._offset_ns))
        return AudioBlock(at_ns + self._offset_ns, first, samples, rate)

    def _keep(self) -> None:
        """Open, watch, close, again and again: the thread of its own."""
        while not self._closing.is_set():
            opening = self._opening = _Opening()
            try:
                if self.counters['opens'] or self.counters['failed_opens']:
                    look_again()
                stream = open_input(
                    self._device, self._wanted_rate, self._block_s,
                    partial(self._captured, opening), opening.over.set)  # fmt: skip
            except Exception as error:  # whatever the host's sound system says: told, tried again
                self.trouble = ' '.join(str(error).split()) or type(error).__name__
                self.counters['failed_opens'] += 1
            else:
                self.counters['opens'] += 1
                self._watch(opening)
                self._shut(stream)
            self._closing.wait(self._retry_s)

    def _watch(self, opening: _Opening) -> None:
        """Return when no more sound comes, or nobody wants it."""
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
        # What a device that hangs may still deliver later belongs to no opening.
        self._opening = None
        self.counters['losses'] += 1
        self.trouble = (
            'the microphone has stopped' if opening.blocks else 'the microphone gives no sound'
        )

    def _shut(self, stream: Any) -> None:
        try:
            stream.abort()
            stream.close()
        except Exception:  # a device that has gone cannot be closed well
            self.counters['failed_closes'] += 1

    def _captured(
        self, opening: _Opening, samples: np.ndarray, sample_rate: int, overflow: bool
    ) -> None:
        """Runs on PortAudio's thread: count, hand over, and never wait."""
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
            except queue.Full:  # the oldest goes; the positions show that it is missing
                with suppress(queue.Empty):
                    self._queue.get_nowait()
                    self.counters['dropped_blocks'] += 1
