"""A sound card through sounddevice (PortAudio): bounded, counted, opened again when lost."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from .audio_source import SECOND_NS, AudioBlock

_QUEUE = 500  # blocks that wait at most: 10 s of 20 ms
_SILENT_S = 0.5  # without a callback: the microphone has gone
_FIRST_S = 5.0  # the first callback may take as long
_SMOOTH = 0.02  # share of a new clock reading


def _sounddevice() -> Any:
    try:
        import sounddevice
    except OSError:
        raise OSError(
            'PortAudio is missing: on Debian and Ubuntu, apt install libportaudio2'
        ) from None
    return sounddevice


def find_device(name: str | None) -> int | None:
    """The number of an input device by its number or a part of its name; None is the default one.

    Raises:
        OSError: no such device (those that are there are named), or none at all.
    """
    sounddevice = _sounddevice()
    inputs = [(i, d) for i, d in enumerate(sounddevice.query_devices()) if d['max_input_channels']]
    if not inputs:
        raise OSError('no microphone: this machine has no sound input')
    if name is None or not name.strip():
        return None
    for number, device in inputs:
        if name == str(number) or name.lower() in device['name'].lower():
            return number
    there = ', '.join(f'{number}: {device["name"]}' for number, device in inputs)
    raise OSError(f'no microphone {name!r}; there are {there}')


class MicrophoneSource:
    """Blocks of a microphone, stamped with the time of their first sample.

    When the microphone vanishes, it is opened again until it is back; `trouble` says why it is not
    there. The count of samples goes on over a pause by the time that has passed, so that a
    listener sees how much was lost.

    Args:
        device: number, or part of the name; None is the default one.
        sample_rate: Hz; None is the device's own.
        block_s: sound in a block.
        retry_s: pause before a lost microphone is tried again.
        clock: gives the time in ns.
    """

    def __init__(self, device: str | None = None, *, sample_rate: int | None = 16000,
                 block_s: float = 0.02, retry_s: float = 1.0,
                 clock: Callable[[], int] = time.time_ns) -> None:  # fmt: skip
        self._device, self._wanted_rate = device, sample_rate
        self._block_s, self._retry_s, self._clock = block_s, retry_s, clock
        self._queue: queue.Queue[tuple[np.ndarray, float, float, int, bool]] = queue.Queue(_QUEUE)
        self._stream: Any = None
        self._gone = threading.Event()
        self._next_try = 0.0
        self._heard = 0.0  # time.monotonic() of the last block
        self._first_sample = 0
        self._end_ns: int | None = None
        self._offset_ns: float | None = None  # our clock minus PortAudio's
        self._closed = False
        self.sample_rate = sample_rate or 0
        self.trouble = ''
        self.counters: Counter[str] = Counter()

    @property
    def ended(self) -> bool:
        """Whether it was closed: a microphone has no end."""
        return self._closed

    def read(self, timeout_s: float) -> AudioBlock | None:
        """The next block; None where none came in time, or the microphone is not there."""
        if self._closed:
            return None
        if self._stream is None and not self._open():
            time.sleep(min(timeout_s, max(0.0, self._next_try - time.monotonic())))
            return None
        try:
            data, adc, now, now_ns, overflow = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            waited = time.monotonic() - self._heard
            if self._gone.is_set() or waited > (
                _SILENT_S if self._end_ns is not None else _FIRST_S
            ):
                self._lost('the microphone has stopped')
            return None
        self._heard = time.monotonic()
        if overflow:
            self.counters['overflows'] += 1
        return self._block(data, adc, now, now_ns)

    def _block(self, data: np.ndarray, adc: float, now: float, now_ns: int) -> AudioBlock:
        """Stamp a block: PortAudio says when it was captured, by a clock that is tied to ours."""
        # Some hosts give no capture time: then the callback's time less the block's length.
        captured = adc if 0 < adc <= now else now - len(data) / self.sample_rate
        offset = now_ns - now * SECOND_NS
        if self._offset_ns is None or abs(offset - self._offset_ns) > SECOND_NS / 4:
            self._offset_ns = offset
        self._offset_ns += _SMOOTH * (offset - self._offset_ns)
        stamp_ns = round(captured * SECOND_NS + self._offset_ns)
        length_ns = len(data) * SECOND_NS // self.sample_rate
        if self._end_ns is not None:
            ahead = stamp_ns - self._end_ns
            if ahead > _SILENT_S * SECOND_NS:  # it was away: the count shows for how long
                self._first_sample += ahead * self.sample_rate // SECOND_NS
            else:  # the count of samples is the better clock; drift is followed slowly
                stamp_ns = self._end_ns + round(_SMOOTH * ahead)
        block = AudioBlock(stamp_ns, self._first_sample, data, self.sample_rate)
        self._first_sample += len(data)
        self._end_ns = stamp_ns + length_ns
        return block

    def _open(self) -> bool:
        if time.monotonic() < self._next_try:
            return False
        self._next_try = time.monotonic() + self._retry_s
        try:
            sounddevice = _sounddevice()
            if self._end_ns is not None or self.trouble:
                # PortAudio lists devices once: begin anew, to see what has come or gone.
                sounddevice._terminate()
                sounddevice._initialize()
            number = find_device(self._device)
            rate = self._wanted_rate or int(
                sounddevice.query_devices(number, 'input')['default_samplerate']
            )
            self._gone.clear()
            self.sample_rate = rate
            stream = sounddevice.InputStream(
                samplerate=rate, device=number, channels=1, dtype='float32',
                blocksize=max(1, round(self._block_s * rate)), callback=self._callback,
                finished_callback=self._gone.set)  # fmt: skip
            stream.start()
        except (
            Exception
        ) as error:  # PortAudioError, OSError, ValueError: all are told and tried again
            self.trouble = ' '.join(str(error).split()) or type(error).__name__
            self.counters['failed_opens'] += 1
            return False
        self._stream, self.trouble, self._offset_ns = stream, '', None
        self._heard = time.monotonic()
        self.counters['opens'] += 1
        return True

    def _callback(self, data: np.ndarray, frames: int, when: Any, status: Any) -> None:
        """Runs on PortAudio's thread: copy, and never wait."""
        item = (data[:, 0].copy(), float(when.inputBufferAdcTime), float(when.currentTime),
                self._clock(), bool(status.input_overflow))  # fmt: skip
        while True:
            try:
                return self._queue.put_nowait(item)
            except queue.Full:
                try:
                    lost = self._queue.get_nowait()
                    self.counters['dropped_blocks'] += 1
                    self._first_sample += len(lost[0])
                except queue.Empty:
                    pass

    def _lost(self, why: str) -> None:
        self.trouble = why
        self.counters['losses'] += 1
        self._shut()

    def _shut(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                stream.abort()
                stream.close()
            except Exception as error:  # a device that has gone cannot be closed well
                self.counters['failed_closes'] += 1
                self.trouble = self.trouble or str(error)

    def close(self) -> None:
        """Let go of the microphone."""
        self._closed = True
        self._shut()
