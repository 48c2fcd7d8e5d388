# SPDX-License-Identifier: Apache-2.0
"""Building blocks of motion signals; all are sampled at `CONTROL_HZ`."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from .config import CONTROL_HZ


def _one_pole(x: np.ndarray, share: float) -> np.ndarray:
    """Low-pass filter that begins at rest at the first value."""
    return np.asarray(lfilter([share], [1.0, share - 1.0], x, zi=[(1.0 - share) * x[0]])[0])


def smooth(x: np.ndarray, time_s: float) -> np.ndarray:
    """Causal, critically damped low-pass filter of (T,) float64.

    It has two equal poles with the time constant `time_s`; the delay is about twice that.
    """
    share = 1.0 - np.exp(-1.0 / (time_s * CONTROL_HZ))
    return _one_pole(_one_pole(np.ascontiguousarray(x, dtype=np.float64), share), share)


def delayed(x: np.ndarray, time_s: float) -> np.ndarray:
    """Delay a signal (rounded to whole samples); the first value fills the beginning."""
    steps = round(time_s * CONTROL_HZ)
    if steps <= 0:
        return x.copy()
    return np.concatenate((np.full(min(steps, len(x)), x[0]), x[: max(0, len(x) - steps)]))


def wander(rng: np.random.Generator, steps: int, time_s: float) -> np.ndarray:
    """Smooth random signal (steps,) with mean 0 and, over a long time, standard deviation 1."""
    warm_up = int(8 * time_s * CONTROL_HZ)
    x = smooth(rng.standard_normal(steps + warm_up), time_s)[warm_up:]
    # Variance of white noise after two equal poles a: s^4 (1 + a^2) / (1 - a^2)^3.
    a = np.exp(-1.0 / (time_s * CONTROL_HZ))
    return x / np.sqrt((1 - a) ** 4 * (1 + a * a) / (1 - a * a) ** 3)


def add_bump(x: np.ndarray, start_s: float, length_s: float, height: float) -> None:
    """Add one raised cosine in place; the part outside of the signal is cut off."""
    begin, length = round(start_s * CONTROL_HZ), max(2, round(length_s * CONTROL_HZ))
    low, high = max(begin, 0), min(begin + length, len(x))
    if low < high:
        phase = (np.arange(low, high) - begin + 0.5) / length
        x[low:high] += height * 0.5 * (1 - np.cos(2 * np.pi * phase))


def add_hold(
    x: np.ndarray, start_s: float, stop_s: float, height: float, ramp_s: float = 0.25
) -> None:
    """Raise the signal between two times, with smooth ramps, in place."""
    t = np.arange(len(x)) / CONTROL_HZ
    rise = np.clip((t - start_s) / ramp_s + 0.5, 0, 1)
    fall = np.clip((t - stop_s) / ramp_s + 0.5, 0, 1)
    x += height * (_ease(rise) - _ease(fall))


def _ease(x: np.ndarray) -> np.ndarray:
    return x * x * (3 - 2 * x)


def children(rng: np.random.Generator, count: int) -> list[np.random.Generator]:
    """Independent random generators: using one does not change the numbers of another."""
    seeds = rng.integers(0, 2**63, size=(count, 2))
    return [np.random.default_rng(seed) for seed in seeds]


def draw(rng: np.random.Generator, interval: tuple[float, float]) -> float:
    """A uniformly distributed value from a range."""
    return float(rng.uniform(*interval))
