# SPDX-License-Identifier: Apache-2.0
"""Events of a face: when blinks happen, and the course of a blink and of a nod."""

from __future__ import annotations

import numpy as np

from .config import CONTROL_HZ, Range
from .script import Script
from .signals import add_bump, children, draw

# Shape of the gamma distribution of intervals: 1 is a Poisson process, higher is more regular.
_BLINK_REGULARITY = 2.0
_DOUBLE_BLINK = 0.07  # probability that a second blink follows at once
# Rate of blinks while a person talks, and around the end of a phrase, relative to silence.
_WHILE_SPEECH, _AFTER_PHRASE = 0.7, 3.2
_AFTER_PHRASE_S = (0.15, 0.9)


def point_process(
    rng: np.random.Generator, intensity: np.ndarray, regularity: float
) -> list[float]:
    """Times (s) of random events with an intensity (T,), events a second at `CONTROL_HZ`.

    The intensity is accumulated; an event happens where the sum reaches the next threshold, and
    the thresholds are apart by gamma-distributed steps of mean 1 and shape `regularity`. What
    happens up to a time depends on the intensity up to that time only.
    """
    reached = np.cumsum(intensity) / CONTROL_HZ
    times = []
    threshold = rng.uniform() * rng.gamma(regularity) / regularity
    while threshold < reached[-1]:
        times.append(float(np.searchsorted(reached, threshold)) / CONTROL_HZ)
        threshold += rng.gamma(regularity) / regularity
    return times


def blink_intensity(per_min: float, speech: Script, steps: int) -> np.ndarray:
    """Blinks a second, (steps,): few during speech, many at the ends of phrases."""
    rate = np.ones(steps)
    t = np.arange(steps) / CONTROL_HZ
    for phrase in speech.phrases:
        rate[(t >= phrase.start_s) & (t < phrase.stop_s)] = _WHILE_SPEECH
    for phrase in speech.phrases:
        low, high = (phrase.stop_s + after for after in _AFTER_PHRASE_S)
        rate[(t >= low) & (t < high)] = _AFTER_PHRASE
    # With usual phrases and pauses the mean of `rate` is about 1.3.
    return rate * per_min / 60 / 1.3


def add_blinks(x: np.ndarray, rng: np.random.Generator, intensity: np.ndarray) -> None:
    """Add eye blinks (AU45) at random times, in place.

    The lid closes fast (70 to 110 ms), stays closed for a moment, and opens more slowly.
    """
    time_rng, shape_rng = children(rng, 2)
    last = -1.0
    for t in point_process(time_rng, intensity, _BLINK_REGULARITY):
        draws = shape_rng.uniform(size=10)
        if t < last + 0.35:
            continue
        _add_blink(x, t, draws[:4])
        last = t
        if draws[4] < _DOUBLE_BLINK:
            last = t + 0.3 + 0.15 * draws[5]
            _add_blink(x, last, draws[6:])


def _add_blink(x: np.ndarray, start_s: float, draws: np.ndarray) -> None:
    close_s, closed_s = 0.07 + 0.04 * draws[0], 0.01 + 0.05 * draws[1]
    open_s, height = 0.13 + 0.11 * draws[2], 1.7 + 1.7 * draws[3]
    t = np.arange(round((close_s + closed_s + open_s) * CONTROL_HZ)) / CONTROL_HZ
    phase = np.minimum(t / close_s, 1) - np.clip((t - close_s - closed_s) / open_s, 0, 1)
    begin = round(start_s * CONTROL_HZ)
    part = x[begin : begin + len(t)]
    np.maximum(part, height * 0.5 * (1 - np.cos(np.pi * phase[: len(part)])), out=part)


def add_nod(
    x: np.ndarray, rng: np.random.Generator, start_s: float, depth: float, single_s: Range
) -> None:
    """Add a nod of one to three cycles with decreasing depth, in place.

    `x` is the pitch of the head (T,) and `depth` that of the first cycle, in radians, down is
    positive. `single_s` is the range of the duration of a nod of one cycle; repeated ones are
    faster. The number of draws is always the same.
    """
    cycles = 1 + int(np.searchsorted((0.55, 0.87), rng.uniform()))
    length, decay = draw(rng, single_s), rng.uniform(0.5, 0.8)
    if cycles > 1:
        length *= 0.72
        depth *= 0.85
    for cycle in range(cycles):
        add_bump(x, start_s + 0.9 * cycle * length, length, depth * decay**cycle)
