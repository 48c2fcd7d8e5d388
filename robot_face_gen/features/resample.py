# SPDX-License-Identifier: Apache-2.0
"""Sound of any type, number of channels and rate as mono float32 samples at 16 kHz."""

from __future__ import annotations

import math

import numpy as np

from robot_face_gen.timing import AUDIO_RATE_HZ

RATE = AUDIO_RATE_HZ
LEAST_RATE, MOST_RATE = 1000, 1_000_000
LOUDEST = np.float32(4.0)  # full scale is 1
_ZEROS = 12  # zero crossings of the sinc on either side
_ATTENUATION = 9.0  # of the Kaiser window: about 90 dB
_PIECE = 4096  # output samples computed at once; bounds the memory


class Resampler:
    """Polyphase resampler (windowed sinc). The output does not depend on the size of the chunks.

    Output sample n is at the time of input sample n * rate / 16000. Its latency is half a filter,
    12 samples of the lower of the two rates (0.75 ms at 16 kHz or more). Flat to 5.5 kHz, 90 dB
    down from 9.7 kHz on, for inputs of 16 kHz or more.
    """

    def __init__(self, rate: int) -> None:
        if not isinstance(rate, (int, np.integer)) or not LEAST_RATE <= rate <= MOST_RATE:
            raise ValueError(
                f'sample_rate = {rate}: expected a whole number, {LEAST_RATE} to {MOST_RATE} Hz'
            )
        self.rate = rate = int(rate)
        common = math.gcd(rate, RATE)
        self._up, self._down = RATE // common, rate // common
        cutoff = min(1.0, RATE / rate) * (0.945 if rate != RATE else 1.0)
        self._half = math.ceil(_ZEROS / min(1.0, RATE / rate))
        offset = np.arange(-self._half + 1, self._half + 1)[None, :]
        time = offset - np.arange(self._up)[:, None] / self._up
        window = np.i0(_ATTENUATION * np.sqrt(np.clip(1 - (time / self._half) ** 2, 0, 1)))
        table = cutoff * np.sinc(cutoff * time) * window / np.i0(_ATTENUATION)
        self._table = table / table.sum(axis=1, keepdims=True)
        self.reset()

    def reset(self) -> None:
        """Reset to the initial state."""
        self._kept = np.zeros(self._half - 1, np.float32)
        self._first = -(self._half - 1)  # number of the first sample kept
        self._out = 0  # number of the next output sample

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Add samples (n,) float32; returns the output samples that are complete now."""
        if self.rate == RATE:
            self._out += len(samples)
            return np.asarray(samples, np.float32)
        self._kept = np.concatenate((self._kept, np.asarray(samples, np.float32)))
        last = self._first + len(self._kept) - 1
        # Output n needs inputs up to floor(n * down / up) + half.
        count = ((last - self._half + 1) * self._up - 1) // self._down + 1 - self._out
        if count <= 0:
            return np.empty(0, np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(self._kept, 2 * self._half)
        out = np.empty(count, np.float32)
        for first in range(0, count, _PIECE):
            number = np.arange(first, min(count, first + _PIECE)) + self._out
            whole, phase = np.divmod(number * self._down, self._up)
            begin = whole - self._half + 1 - self._first
            out[number - self._out] = np.einsum('nt,nt->n', windows[begin], self._table[phase])
        self._out += count
        next_whole = self._out * self._down // self._up
        drop = max(0, next_whole - self._half + 1 - self._first)
        self._kept = self._kept[drop:]
        self._first += drop
        return out


def to_mono(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """The mean of all channels, finite and within 4 times full scale.

    Louder samples are not sound of -1..1; one of them would dominate a running maximum for long.
    Samples are (n,) or (n, channels), floats of -1..1 or integers of their full range (zero of
    unsigned ones is the middle).

    Returns:
        tuple: samples (n,) float32, and how many had to be silenced (not finite) or clipped.

    Raises:
        ValueError: another shape or type.
    """
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not samples.shape[1]):
        raise ValueError(f'samples of shape {samples.shape}: expected (n,) or (n, channels)')
    if samples.dtype.kind not in 'iuf':
        raise ValueError(f'samples of type {samples.dtype}: expected floats or integers')
    if samples.dtype.kind != 'f':
        full = 2.0 ** (8 * samples.dtype.itemsize - 1)
        samples = samples / np.float32(full) - np.float32(samples.dtype.kind == 'u')
    with np.errstate(over='ignore', invalid='ignore'):
        samples = samples.astype(np.float32)
        if samples.ndim == 2:
            samples = samples.mean(axis=1, dtype=np.float32)
    bad = ~(np.abs(samples) <= LOUDEST)
    if bad.any():
        finite = np.where(np.isfinite(samples), samples, np.float32(0))
        samples = np.clip(finite, -LOUDEST, LOUDEST)
    return samples, int(bad.sum())
