# SPDX-License-Identifier: Apache-2.0
"""Sound of any rate to 16 kHz, piece by piece, with exact counting."""

from __future__ import annotations

import math

import numpy as np

RATE = 16000
LEAST_RATE, MOST_RATE = 1000, 1_000_000
_ZEROS = 12  # zero crossings of the sinc on either side
_ATTENUATION = 9.0  # of the Kaiser window: about 90 dB
_PIECE = 4096  # output samples at a time: each needs a row of the filter


class Resampler:
    """A causal polyphase resampler (windowed sinc): any cut of the input gives the same output.

    Output sample n is at the time of input sample n * rate / 16000; it is given out once the input
    reaches half a filter beyond, 12 samples of the lower of the two rates (0.75 ms at 16 kHz or
    more). Flat to 5.5 kHz and 90 dB down from 9.7 kHz on, for inputs of 16 kHz or more.

    Args:
        rate: of the input, Hz.
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
        """Begin anew, after silence."""
        self._kept = np.zeros(self._half - 1, np.float32)
        self._first = -(self._half - 1)  # number of the first sample kept
        self._out = 0  # number of the next output sample

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take samples (n,) float32; give the output samples that have become complete."""
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
