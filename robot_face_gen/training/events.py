# SPDX-License-Identifier: Apache-2.0
"""Events in a face at 25 Hz: blinks, nods, smiles, brow raises, and the pauses of a speaker.

All functions take one value over time, (T,) float64 at `FRAME_RATE_HZ`, NaN where it is missing.
Gaps of up to `MAX_FILLED_S` are interpolated; an event never crosses a longer one. A constant
offset (the scale of a person) changes nothing. `docs/metrics.md` explains every threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from robot_face_gen.timing import FRAME_RATE_HZ

MAX_FILLED_S = 0.2

# Intensities of action units (0..5) above the person's own baseline.
BLINK_RISE, BLINK_FALL = 1.0, 0.5
BLINK_DURATION_S = (0.06, 0.5)  # at half height
BLINK_BASELINE_S, BLINK_BASELINE_PERCENT = 5.0, 50.0
SMILE_RISE, SMILE_FALL, SMILE_LEAST_S = 1.0, 0.5, 0.4
BROW_RISE, BROW_FALL, BROW_LEAST_S = 1.0, 0.5, 0.2
BASELINE_S, BASELINE_PERCENT = 30.0, 20.0  # of smiles and brow raises

NOD_DEPTH_RAD = float(np.radians(2.0))
NOD_DURATION_S = (0.2, 1.0)

MOUTH_RISE, MOUTH_FALL = 0.6, 0.3  # of AU25 + AU26 while a person talks
MOUTH_BASELINE_S, MOUTH_BASELINE_PERCENT = 15.0, 10.0
VOICE_RANGE_DB, VOICE_OVER_NOISE_DB = 25.0, 6.0
PAUSE_LEAST_S, SPEECH_LEAST_S = 0.4, 0.4


@dataclass(frozen=True)
class Events:
    """Events of one kind, in order of time.

    Attributes:
        time_s: (n,) of the peak of a blink, the deepest point of a nod, the onset of the others.
        duration_s: (n,), see the function that found them.
    """

    time_s: np.ndarray
    duration_s: np.ndarray

    @classmethod
    def of(cls, found: list[tuple[float, float]]) -> Events:
        """Of pairs (time, duration) in frames."""
        pairs = np.array(found, dtype=np.float64).reshape(-1, 2) / FRAME_RATE_HZ
        return cls(pairs[:, 0], pairs[:, 1])

    def __len__(self) -> int:
        return len(self.time_s)


def fill_short_gaps(x: np.ndarray) -> np.ndarray:
    """Interpolate missing values between two others at most `MAX_FILLED_S` apart."""
    x = np.asarray(x, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(x))
    out = np.where(np.isfinite(x), x, np.nan)
    steps = np.diff(known)
    for place in np.flatnonzero((steps > 1) & (steps <= MAX_FILLED_S * FRAME_RATE_HZ + 1)):
        before, after = known[place : place + 2]
        out[before:after] = np.linspace(x[before], x[after], after - before, endpoint=False)
    return out


def runs(mask: np.ndarray) -> Iterator[tuple[int, int]]:
    """Begin and end (exclusive) of each run of True in a (T,) mask."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def running_baseline(x: np.ndarray, window_s: float, percent: float) -> np.ndarray:
    """A percentile of the values in a window around each frame; (T,), NaN where there is none.

    It is computed every half second and interpolated.
    """
    half = round(window_s * FRAME_RATE_HZ / 2)
    at = np.arange(0, len(x), FRAME_RATE_HZ // 2)
    values = np.full(len(at), np.nan)
    for place, t in enumerate(at):
        # At both ends the window keeps its length.
        begin = max(0, min(t - half, len(x) - 2 * half))
        window = x[begin : begin + 2 * half]
        window = window[np.isfinite(window)]
        if len(window):
            values[place] = np.percentile(window, percent)
    known = np.isfinite(values)
    if not known.any():
        return np.full(len(x), np.nan)
    return np.interp(np.arange(len(x)), at[known], values[known])


def _excursions(height: np.ndarray, rise: float, fall: float) -> Iterator[tuple[int, int]]:
    """Begin and end (exclusive) of each part above `fall` that reaches `rise` (hysteresis).

    Parts that have begun before the first frame, or before a gap ended, are left out: they have no
    onset.
    """
    for begin, end in runs(np.isfinite(height) & (height > fall)):
        is_onset = begin > 0 and np.isfinite(height[begin - 1])
        if is_onset and height[begin:end].max() >= rise:
            yield begin, end


def _width(x: np.ndarray, peak: int, level: float) -> float | None:
    """Frames between the crossings of a level around a peak; None without both crossings."""
    left = peak
    while left > 0 and x[left - 1] > level:
        left -= 1
    right = peak
    while right < len(x) - 1 and x[right + 1] > level:
        right += 1
    if left == 0 or right == len(x) - 1:
        return None
    outside = x[left - 1], x[right + 1]
    if not np.isfinite(outside).all():
        return None
    before = (x[left] - level) / (x[left] - outside[0])
    after = (x[right] - level) / (x[right] - outside[1])
    return float(right - left + before + after)


def find_blinks(au45: np.ndarray) -> Events:
    """Blinks in AU45; durations are at half height.

    A blink rises by `BLINK_RISE` above the median of 5 s and returns. Longer closures than
    `BLINK_DURATION_S` are closed or lowered eyes; spikes of one frame are errors of a tracker.
    """
    x = fill_short_gaps(au45)
    height = x - running_baseline(x, BLINK_BASELINE_S, BLINK_BASELINE_PERCENT)
    found = []
    for begin, end in _excursions(height, BLINK_RISE, BLINK_FALL):
        peak = begin + int(np.argmax(height[begin:end]))
        # Against the value itself: the baseline follows eyes that stay closed.
        width = _width(x, peak, x[peak] - height[peak] / 2)
        if width is not None and _within(width, BLINK_DURATION_S):
            found.append((float(peak), width))
    return Events.of(found)


def _within(frames: float, limits_s: tuple[float, float]) -> bool:
    return limits_s[0] - 1e-9 <= frames / FRAME_RATE_HZ <= limits_s[1] + 1e-9


def _find_raises(x: np.ndarray, rise: float, fall: float, least_s: float) -> Events:
    """Parts that rise above a person's baseline for a time; time of the onset and whole length."""
    x = fill_short_gaps(x)
    height = smoothed(x - running_baseline(x, BASELINE_S, BASELINE_PERCENT))
    return Events.of(
        [
            (float(begin), float(end - begin))
            for begin, end in _excursions(height, rise, fall)
            if end - begin >= least_s * FRAME_RATE_HZ - 1e-9
        ]
    )


def smoothed(x: np.ndarray, times: int = 1) -> np.ndarray:
    """Weights 1/4, 1/2, 1/4 over three frames, against the noise of trackers; NaN stays NaN.

    Args:
        x: (T, ...).
        times: how often the weights are applied.
    """
    for _ in range(times if len(x) else 0):
        padded = np.concatenate((x[:1], x, x[-1:]))
        before, after = padded[:-2], padded[2:]
        # Beside a gap the value stands for its missing neighbour.
        before, after = (np.where(np.isfinite(y), y, x) for y in (before, after))
        x = np.asarray((before + 2 * x + after) / 4)
    return x


def find_smiles(au12: np.ndarray) -> Events:
    """Smiles: AU12 rises by `SMILE_RISE` above the person's baseline for at least 0.4 s."""
    return _find_raises(au12, SMILE_RISE, SMILE_FALL, SMILE_LEAST_S)


def find_brow_raises(au01: np.ndarray, au02: np.ndarray) -> Events:
    """Brow raises: the mean of AU01 and AU02 rises by `BROW_RISE` for at least 0.2 s."""
    return _find_raises((au01 + au02) / 2, BROW_RISE, BROW_FALL, BROW_LEAST_S)


def _turning_points(x: np.ndarray, swing: float) -> list[int]:
    """Alternating minima and maxima between which x moves by at least `swing` (zigzag)."""
    points: list[int] = []
    low = high = 0
    direction = 0  # 1: rising, the next point is a maximum; -1: falling; 0: not known yet
    for t in range(1, len(x)):
        if x[t] > x[high]:
            high = t
        if x[t] < x[low]:
            low = t
        if direction >= 0 and x[high] - x[t] >= swing:
            points.append(high)
            direction, low = -1, t
        elif direction <= 0 and x[t] - x[low] >= swing:
            points.append(low)
            direction, high = 1, t
    return points


def find_nods(rx: np.ndarray) -> Events:
    """Nods in the pitch of the head (rad, down is positive): the head goes down and up again.

    Both ways are at least `NOD_DEPTH_RAD`, which a slow drift or a lowered head is not. The
    duration is twice the width at half depth, so a head that rests between nods does not count.
    """
    x = fill_short_gaps(rx)
    reach = round(0.6 * NOD_DURATION_S[1] * FRAME_RATE_HZ)
    found = []
    for begin, end in runs(np.isfinite(x)):
        part = smoothed(x[begin:end])
        points = _turning_points(part, NOD_DEPTH_RAD)
        ends = [*points, len(part) - 1]
        for before, peak, after in zip(ends, ends[1:], ends[2:], strict=False):
            if part[before] > part[peak]:
                continue
            # Both ends of the movement; a slow drift between them is removed.
            begin_low = max(before, peak - reach)
            end_low = min(after, peak + reach)
            left = begin_low + int(np.argmin(part[begin_low:peak]))
            right = peak + 1 + int(np.argmin(part[peak + 1 : end_low + 1]))
            if part[peak] - max(part[left], part[right]) < NOD_DEPTH_RAD:
                continue
            drift = np.interp(np.arange(len(part)), [left, right], [part[left], part[right]])
            height = part - drift
            width = _width(height, peak, height[peak] / 2)
            if width is not None and _within(2 * width, NOD_DURATION_S):
                found.append((float(begin + peak), 2 * width))
    return Events.of(found)


def talking_mouth(au25: np.ndarray, au26: np.ndarray) -> np.ndarray:
    """Whether a person talks, from parted lips and jaw: (T,) 0 or 1, NaN where it is unknown."""
    x = fill_short_gaps(au25 + au26)
    height = smoothed(x - running_baseline(x, MOUTH_BASELINE_S, MOUTH_BASELINE_PERCENT))
    talks = np.where(np.isfinite(height), 0.0, np.nan)
    for begin, end in runs(np.isfinite(height) & (height > MOUTH_FALL)):
        if height[begin:end].max() >= MOUTH_RISE:
            talks[begin:end] = 1.0
    return talks


def talking_voice(samples: np.ndarray, sample_rate: int, frames: int) -> np.ndarray:
    """Whether a voice is heard in each frame; (frames,) 0 or 1, NaN after the end of the sound.

    A frame is voiced if its level is within `VOICE_RANGE_DB` of the loud parts (95th percentile)
    and `VOICE_OVER_NOISE_DB` above the quietest (5th percentile).

    Args:
        samples: (n,) mono; frame 0 begins with the first one.
        sample_rate: Hz.
        frames: T.
    """
    edges = np.round(np.arange(frames + 1) * sample_rate / FRAME_RATE_HZ).astype(int)
    power = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
    heard = int(np.searchsorted(edges, len(samples), 'right')) - 1
    talks = np.full(frames, np.nan)
    if heard < 1:
        return talks
    energy = np.diff(power[edges[: heard + 1]]) / np.diff(edges[: heard + 1])
    level_db = 10 * np.log10(energy + 1e-12)
    quiet, loud = np.percentile(level_db, (5, 95))
    threshold_db = max(loud - VOICE_RANGE_DB, quiet + VOICE_OVER_NOISE_DB)
    talks[:heard] = level_db > threshold_db
    return talks


def find_pauses(talks: np.ndarray) -> Events:
    """Pauses of a speaker: time of their beginning, and length.

    Silence of at least `PAUSE_LEAST_S` after at least `SPEECH_LEAST_S` of speech, in which shorter
    silences do not count. `talks` is (T,) 0 or 1, NaN where it is unknown.
    """
    silent = talks == 0
    least = PAUSE_LEAST_S * FRAME_RATE_HZ - 1e-9
    for begin, end in list(runs(silent)):
        if end - begin < least and begin > 0 and end < len(talks):
            silent[begin:end] = False
    spoken = {end: end - begin for begin, end in runs(~silent & np.isfinite(talks))}
    enough = SPEECH_LEAST_S * FRAME_RATE_HZ - 1e-9
    return Events.of(
        [
            (float(begin), float(end - begin))
            for begin, end in runs(silent)
            if end - begin >= least and spoken.get(begin, 0) >= enough
        ]
    )
