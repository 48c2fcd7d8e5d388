# SPDX-License-Identifier: Apache-2.0
"""Separates a real listener into a face without events, the events, and exemplars of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from robot_face_gen.facial_reaction_model.events import (
    EVENTS,
    EXEMPLARS,
    MAX_AGE,
    UNKNOWN_AGE,
    EventType,
)
from robot_face_gen.timing import FRAME_RATE_HZ

from .events import (
    BASELINE_PERCENT,
    BASELINE_S,
    fill_short_gaps,
    find_blinks,
    find_nods,
    running_baseline,
    runs,
    smoothed,
)

_JOINED_S = 0.2  # nods closer than this are one event
_FOOT, _PEAK = 0.3, 0.7  # intensity above the usual level: ends, and peak, of smile and brow raise
# How often an exemplar is smoothed. What that takes from a quick nod would be left in the base.
_SMOOTHED = {'nod': 1, 'smile': 4, 'brow_raise': 4}
_CALM = 0.8  # share of the smiles and brow raises that is used: those that change most slowly
_EDGE = 3  # frames on each side whose mean is the face without the event


@dataclass(frozen=True)
class Separated:
    """A listener's face without its events.

    Attributes:
        base: (T, 160), the face with each event replaced by a straight line and its noise.
        age: (T, E) int, frames since the last event ended, UNKNOWN_AGE before the first one; -1
            within an event, and where the signal of the event was not seen.
        onset: (T, E) bool, frames in which an event begins; their age is that of the frame.
        exemplars: for each type, (n, columns) differences between face and base.
    """

    base: np.ndarray
    age: np.ndarray
    onset: np.ndarray
    exemplars: list[list[np.ndarray]]


def _slope_ends(x: np.ndarray, peak: int, reach: int) -> tuple[int, int]:
    """First and last frame of the hill around a peak: to where it nearly stops to fall."""
    ends = []
    height = x[peak] - np.nanmin(x[max(0, peak - reach) : peak + reach + 1])
    for step in (-1, 1):
        at = peak
        for _ in range(reach):
            after = at + step
            if not 0 <= after < len(x) or np.isnan(x[after]):
                break
            # The top is flat: eyes stay closed for a moment.
            if x[after] < x[peak] - 0.3 * height and x[at] - x[after] < 0.03 * height:
                break
            at = after
        ends.append(at)
    return ends[0], ends[1]


def _raised(x: np.ndarray) -> Iterator[tuple[int, int]]:
    """Begin and end (exclusive) of each time in which an intensity is above its usual level."""
    height = smoothed(x - running_baseline(x, BASELINE_S, BASELINE_PERCENT), 3)
    for begin, end in runs(np.isfinite(height) & (height > _FOOT)):
        if height[begin:end].max() >= _PEAK:
            yield begin, end


def _spans(event: EventType, face: np.ndarray) -> list[tuple[int, int]]:
    """Begin and end (exclusive) of each event of a face, in order, not overlapping."""
    x = fill_short_gaps(face[:, event.signal])
    spans: list[tuple[int, int]] = []
    if event.name == 'blink':
        peaks = np.round(find_blinks(x).time_s * FRAME_RATE_HZ).astype(int)
        spans = [_slope_ends(x, peak, event.frames // 2 - 1) for peak in peaks]
        spans = [(begin, end + 1) for begin, end in spans]
    elif event.name == 'nod':
        nods = find_nods(x)
        for time_s, duration_s in zip(nods.time_s, nods.duration_s, strict=True):
            middle, half = time_s * FRAME_RATE_HZ, 0.6 * duration_s * FRAME_RATE_HZ
            spans.append((round(middle - half), round(middle + half) + 1))
    else:
        spans = list(_raised(x))
    joined: list[tuple[int, int]] = []
    gap = 0 if event.name == 'blink' else round(_JOINED_S * FRAME_RATE_HZ)
    for begin, end in spans:
        if joined and begin - joined[-1][1] <= gap:
            if end - joined[-1][0] <= event.frames:
                joined[-1] = joined[-1][0], end
                continue
            begin = max(begin, joined[-1][1])
        joined.append((begin, end))
    last = len(face) - _EDGE
    return [
        (begin, end)
        for begin, end in joined
        if _EDGE <= begin < end <= last and end - begin <= event.frames
    ]


def separate(face: np.ndarray, explained: np.ndarray | None = None) -> Separated:
    """Take a listener's face apart.

    Args:
        face: (T, 160), NaN where a value was not seen.
        explained: (T, 160), what follows from the speaker (see `mirrored`), up to a constant: no
            part of smiles and brow raises.
    """
    base = np.array(face, dtype=np.float64)
    frames = len(face)
    age = np.full((frames, len(EVENTS)), UNKNOWN_AGE)
    onset = np.zeros((frames, len(EVENTS)), bool)
    exemplars: list[list[np.ndarray]] = [[] for _ in EVENTS]
    for kind, event in enumerate(EVENTS):
        known = 0.0 if explained is None or event.name in ('blink', 'nod') else explained
        base -= known
        for begin, end in _spans(event, base):
            part = base[:, event.columns]
            before = part[begin - _EDGE : begin].mean(axis=0)
            after = part[end : end + _EDGE].mean(axis=0)
            share = ((np.arange(end - begin) + 1) / (end - begin + 1))[:, None]
            straight = before + share * (after - before)
            change = _smooth_ends(part[begin:end] - straight, event)
            if np.isfinite(change).all():
                exemplars[kind].append(change)
            # What is left contains the tracker's noise; a blink is too short to tell it apart. A
            # value that is missing beside the event stays as it is.
            left = straight if event.name == 'blink' else part[begin:end] - change
            left = np.where(np.isfinite(left), left, part[begin:end])
            left[np.isnan(part[begin:end])] = np.nan
            base[begin:end, event.columns] = left
            onset[begin, kind] = True
            age[begin + 1 : end, kind] = -1
            age[end:, kind] = np.minimum(np.arange(frames - end), MAX_AGE)
        base += known
        seen = np.isfinite(fill_short_gaps(face[:, event.signal]))
        age[~seen, kind] = -1
    return Separated(base, age, onset, exemplars)


def _smooth_ends(change: np.ndarray, event: EventType) -> np.ndarray:
    """An exemplar without a step at its ends and, but for blinks, without the tracker's noise."""
    out = change
    times = _SMOOTHED.get(event.name, 0)
    if times:
        out = smoothed(np.pad(change, ((times, times), (0, 0))), times)[times:-times]
    ramp = np.minimum(1.0, (np.arange(len(out)) + 1) / 2)
    return out * np.minimum(ramp, ramp[::-1])[:, None]


def choose_exemplars(
    event: EventType, found: list[np.ndarray], rng: np.random.Generator
) -> dict[str, np.ndarray] | None:
    """Weights of `EXEMPLARS` exemplars, the most typical ones first; None if there are none."""
    if not found:
        return None
    signal = event.columns == event.signal
    if event.name in ('smile', 'brow_raise'):  # added to others, an abrupt one looks like a twitch
        jolts = [np.abs(np.diff(x[:, signal], axis=0)).max(initial=0.0) for x in found]
        calm = np.argsort(jolts, kind='stable')[: max(1, round(_CALM * len(found)))]
        found = [found[i] for i in np.sort(calm)]
    picked = [found[i] for i in rng.permutation(len(found))[: 4 * EXEMPLARS]]
    shapes = np.zeros((len(picked), event.frames, len(event.columns)), np.float32)
    for shape, change in zip(shapes, picked, strict=True):
        shape[: len(change)] = change
    flat = shapes[..., signal].reshape(len(shapes), -1)
    distance = np.square(flat[:, None] - flat[None]).sum(axis=-1)
    typical = int(np.argmin(distance.sum(axis=0)))
    # A random choice keeps rare shapes rare.
    chosen = rng.permutation(len(picked))[: EXEMPLARS - 1]
    order = sorted(chosen, key=lambda i: distance[i, typical])
    kept = np.resize([typical, *order], EXEMPLARS)
    kept = kept[np.argsort(distance[kept, typical], kind='stable')]
    frames = np.array([len(picked[i]) for i in kept], np.float32)
    return {f'{event.name}_shapes': shapes[kept], f'{event.name}_frames': frames}


def event_weights(listeners: Iterable[Separated], seed: int = 0) -> dict[str, np.ndarray]:
    """Exemplars, rates and ages of real listeners, as initial weights of `EventHead`.

    Args:
        listeners: of training, taken apart.
        seed: of the choice of exemplars.

    Returns:
        dict: names of `events.untrained_weights`; a type that never happens is left out, but its
            rate is near zero then.
    """
    found: list[list[np.ndarray]] = [[] for _ in EVENTS]
    onsets, at_risk = np.zeros(len(EVENTS)), np.zeros(len(EVENTS))
    for apart in listeners:
        for mine, theirs in zip(found, apart.exemplars, strict=True):
            mine += theirs
        onsets += apart.onset.sum(axis=0)
        at_risk += (apart.age >= 0).sum(axis=0)
    rng = np.random.default_rng(seed)
    out: dict[str, np.ndarray] = {}
    for event, changes in zip(EVENTS, found, strict=True):
        out |= choose_exemplars(event, changes, rng) or {}
    rate = (onsets + 0.01) / (at_risk + 100.0)
    out['bias'] = np.log(rate).astype(np.float32)
    return out
