# SPDX-License-Identifier: Apache-2.0
"""Whisper's log-mel spectrogram, computed incrementally.

The frames are Whisper's (25 ms Hann window, every 10 ms, power spectrum, mel bands, log10), but
causal: frame k ends at (k + 1) x 10 ms. Whisper centres its frames, which would look 12.5 ms
ahead. Silence is assumed before the first sample.
"""

from __future__ import annotations

import numpy as np

FRAME = 160  # samples between frames: 10 ms
WINDOW = 400  # 25 ms
FLOOR = -10.0  # log10 of the smallest power


class LogMel:
    """Incremental log-mel with filters (n_mels, 201): each frame is computed once."""

    def __init__(self, filters: np.ndarray) -> None:
        # Double precision: the last bit of a float32 product depends on its number of rows, and
        # thus on how the sound is cut into chunks.
        self._filters = filters.T.astype(np.float64)
        self._window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
        self.reset()

    def reset(self) -> None:
        """Reset to the initial state."""
        self._kept = np.zeros(WINDOW - FRAME, np.float32)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Add samples (n,) at 16 kHz; returns the frames (m, n_mels) that are complete now."""
        self._kept = np.concatenate((self._kept, samples))
        count = (len(self._kept) - WINDOW) // FRAME + 1
        if count <= 0:
            return np.empty((0, self._filters.shape[1]), np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(self._kept, WINDOW)[::FRAME][:count]
        power = np.square(np.abs(np.fft.rfft(frames * self._window, axis=1)))
        self._kept = self._kept[count * FRAME :]
        bands = (power @ self._filters).astype(np.float32)
        return np.log10(np.maximum(bands, np.float32(10.0**FLOOR)))


def check_span(mel: np.ndarray, n_mels: int, begin: int, end: int | None) -> int:
    """Check the shape of contexts and the range of wanted embeddings; return `end` as a number.

    Raises:
        ValueError: it names the value and what was expected.
    """
    if mel.ndim != 3 or mel.shape[1] != n_mels or mel.shape[2] % 2:
        raise ValueError(f'mel of shape {mel.shape}: expected (B, {n_mels}, even frames)')
    there = mel.shape[2] // 2
    end = there if end is None else end
    if not 0 <= begin <= end <= there:
        raise ValueError(f'embeddings {begin} to {end}: expected 0 <= begin <= end <= {there}')
    return end
