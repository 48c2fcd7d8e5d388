# SPDX-License-Identifier: Apache-2.0
"""What is drawn for a window: a function of its session's seed and its number alone.

Nothing is drawn in sequence, so that a session can be cut, saved and resumed anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_MASK64 = (1 << 64) - 1


def fresh_noise(seeds: Sequence[int], windows: Sequence[int], latent_dim: int) -> np.ndarray:
    """The innovation e of each session's window, (B, latent_dim) float32, standard normal.

    Philox, a counter-based generator (Salmon et al. 2011), with seed and window as its key.
    """
    rows = [
        np.random.Generator(
            np.random.Philox(key=np.array([seed & _MASK64, window & _MASK64], np.uint64))
        ).standard_normal(latent_dim, np.float32)
        for seed, window in zip(seeds, windows, strict=True)
    ]
    return np.stack(rows)


def beginning_window(seen: int, frames: int, window_size: int) -> int | None:
    """Number of the window that begins within the next frames of a session; None: none does."""
    return -(-seen // window_size) if -seen % window_size < frames else None
