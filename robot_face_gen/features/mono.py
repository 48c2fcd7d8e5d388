# SPDX-License-Identifier: Apache-2.0
"""Samples of any type and number of channels as mono float32 that can be trusted."""

from __future__ import annotations

import numpy as np

LOUDEST = np.float32(4.0)  # full scale is 1


def to_mono(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """The mean of all channels, finite and within 4 times full scale.

    Louder samples are no sound of -1..1: a single one would deafen a running maximum for long.

    Args:
        samples: (n,) or (n, channels), floats of -1..1 or integers of their full range (unsigned
            ones have their zero in the middle).

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
