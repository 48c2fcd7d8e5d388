# SPDX-License-Identifier: Apache-2.0
"""Whether the sound and the mouth of a person are in sync; judged only where there is evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from robot_face_gen.features.openface import FaceFrame
from robot_face_gen.layout import LANDMARK_POINTS

GRID_HZ = 50.0
# Allowed offset, and allowed change of the offset from the first window to the last.
MAX_OFFSET_S, MAX_DRIFT_S = 0.25, 0.16

IN_SYNC, OFFSET, DRIFT, NOT_JUDGED = 'in sync', 'offset', 'drift', 'not judged'

_WINDOW_S = 8.0
_MAX_LAG_S = 1.0
_MIN_SEEN = 0.8  # share of a window in which the landmarks must be seen
_MIN_SPEECH_S = 1.5  # in a window
# Root mean square of the change of the lip opening, in widths of the face. Noise of the tracker
# gives 0.002 to 0.004, speech 0.01 to 0.04.
_MIN_MOVEMENT = 0.006
_SLOW_S = 1.0  # slower changes, as of a smile, are removed
_MIN_CORRELATION = 0.45  # sound of another recording reaches it in 1 of 20 windows
_MIN_WINDOWS = 2  # with speech and movement, and with correlation
_MIN_CORRELATED = 0.5  # share of the windows with speech and movement
_DRIFT_WINDOWS = 4  # fewer windows do not show the difference between a drift and an error
_SPREAD_S = 0.12  # windows this far from the common line do not agree with it
_MIN_AGREEING = 0.7  # share of the windows that must agree

# Speech is sound that is this much louder than the background, and not far below the loudest.
_ABOVE_BACKGROUND_DB, _BELOW_LOUDEST_DB, _QUIETEST_DB = 10.0, 25.0, -60.0
_SILENT_DB = -100.0


@dataclass(frozen=True)
class Lag:
    """Measurement in one window."""

    time_s: float  # centre of the window
    lag_s: float  # of the sound behind the mouth; negative: the sound is early
    correlation: float  # of lip opening and loudness at that lag


@dataclass(frozen=True)
class LipSync:
    """Verdict on one person."""

    verdict: str  # 'in sync', 'offset', 'drift' or 'not judged'
    reason: str  # why, one line for people
    lags: list[Lag] = field(default_factory=list)  # the windows that were used
    # at the first and at the last of them; (0, 0) without a verdict
    offset_s: tuple[float, float] = (0.0, 0.0)


def loudness_db(samples: np.ndarray, sample_rate: int, t: np.ndarray) -> np.ndarray:
    """Level of the sound around the times t (s) in dB of full scale (root mean square, 80 ms)."""
    power = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
    at = np.round(t * sample_rate).astype(int)
    half = sample_rate // 25
    low, high = (np.clip(at + shift, 0, len(samples)) for shift in (-half, half))
    mean = np.maximum(power[high] - power[low], 0) / np.maximum(high - low, 1)
    return np.asarray(10 * np.log10(np.maximum(mean, 10 ** (_SILENT_DB / 10))))


def find_speech(level_db: np.ndarray) -> np.ndarray:
    """Where a person speaks (n,), by the level (n,) at `GRID_HZ`; nowhere in a steady sound."""
    if not len(level_db):
        return np.zeros(0, bool)
    background, loudest = np.percentile(level_db, (10, 99))
    least = max(background + _ABOVE_BACKGROUND_DB, loudest - _BELOW_LOUDEST_DB, _QUIETEST_DB)
    near = np.convolve(level_db > least, np.ones(11), 'same')
    return np.asarray(near >= 4)


def lip_opening(frames: Sequence[FaceFrame], t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of the inner lips in widths of the face at times t (n,), in seconds.

    Returns:
        tuple: the opening (n,), interpolated, and where the landmarks were seen (n,) bool.
    """
    seen = [frame for frame in frames if frame.is_valid() and frame.mask[0]]
    if len(seen) < 2:
        return np.zeros(len(t)), np.zeros(len(t), bool)
    stamps = np.array([frame.stamp_ns for frame in seen]) / 1e9
    points = np.stack([frame.landmarks for frame in seen]).astype(np.float64)
    x, y = points[:, :LANDMARK_POINTS], points[:, LANDMARK_POINTS:]
    width = np.hypot(x[:, 16] - x[:, 0], y[:, 16] - y[:, 0])
    opening = np.hypot(x[:, 66] - x[:, 62], y[:, 66] - y[:, 62]) / np.maximum(width, 1e-6)
    after = np.searchsorted(stamps, t).clip(1, len(stamps) - 1)
    near = np.minimum(np.abs(t - stamps[after - 1]), np.abs(stamps[after] - t))
    return np.interp(t, stamps, opening), near <= 2 / GRID_HZ


def _without_slow_changes(x: np.ndarray) -> np.ndarray:
    width = round(_SLOW_S * GRID_HZ) | 1
    padded = np.pad(x, width // 2, mode='edge')
    smooth = np.convolve(x, (0.25, 0.5, 0.25), 'same')
    return np.asarray(smooth - np.convolve(padded, np.full(width, 1 / width), 'valid'))


def _best_lag(mouth: np.ndarray, loud: np.ndarray) -> tuple[float, float]:
    """Lag (s) of the sound behind the mouth with the highest correlation, and that correlation."""
    reach = round(_MAX_LAG_S * GRID_HZ)
    best, lag = -1.0, 0
    for shift in range(-reach, reach + 1):
        a = mouth[: len(mouth) - shift] if shift >= 0 else mouth[-shift:]
        b = loud[shift:] if shift >= 0 else loud[: len(loud) + shift]
        a, b = a - a.mean(), b - b.mean()
        norm = np.sqrt((a * a).sum() * (b * b).sum())
        r = float((a * b).sum() / norm) if norm > 0 else 0.0
        if r > best:
            best, lag = r, shift
    return lag / GRID_HZ, best


def judge_lip_sync(
    frames: Sequence[FaceFrame], samples: np.ndarray, sample_rate: int, length_s: float
) -> LipSync:
    """Compare lip opening and loudness in windows of 8 s; the verdict with its reason.

    A window counts if a person speaks and the lips move at the same time, and if both are
    correlated at some lag. There is no verdict unless several windows count and agree: people who
    only listen, closed mouths and short clips are not judged. Time 0 of the frames is the first
    sample; `length_s` of the recording is used.
    """
    t = np.arange(0.0, length_s, 1 / GRID_HZ)
    size = round(_WINDOW_S * GRID_HZ)
    if len(t) < _MIN_WINDOWS * size:
        return LipSync(NOT_JUDGED, f'shorter than {_MIN_WINDOWS * _WINDOW_S:g} s')
    opening, seen = lip_opening(frames, t)
    if not seen.any():
        return LipSync(NOT_JUDGED, 'no landmarks')
    level_db = loudness_db(samples, sample_rate, t)
    speech = find_speech(level_db)
    mouth = _without_slow_changes(opening)
    loud = _without_slow_changes(10 ** (level_db / 20))
    spoken = usable = 0
    lags = []
    for begin in range(0, len(t) - size + 1, size):
        part = slice(begin, begin + size)
        talking = speech[part]
        if talking.sum() < _MIN_SPEECH_S * GRID_HZ or seen[part].mean() < _MIN_SEEN:
            continue
        spoken += 1
        if mouth[part][talking].std() < _MIN_MOVEMENT:
            continue
        usable += 1
        lag_s, correlation = _best_lag(mouth[part], loud[part])
        if correlation >= _MIN_CORRELATION:
            lags.append(Lag(float(t[begin]) + _WINDOW_S / 2, lag_s, correlation))
    many = f'{len(t) // size} windows of {_WINDOW_S:g} s'
    if spoken < _MIN_WINDOWS:
        return LipSync(NOT_JUDGED, f'speech and a visible mouth in {spoken} of {many}', lags)
    if usable < _MIN_WINDOWS:
        return LipSync(NOT_JUDGED, f'the mouth moves during speech in {usable} of {many}', lags)
    if len(lags) < max(_MIN_WINDOWS, _MIN_CORRELATED * usable):
        reason = f'mouth and sound are correlated in {len(lags)} of {usable} windows with speech'
        return LipSync(NOT_JUDGED, reason, lags)
    return _verdict(lags, usable)


def _verdict(lags: list[Lag], usable: int) -> LipSync:
    time_s, lag_s = (np.array([getattr(x, name) for x in lags]) for name in ('time_s', 'lag_s'))
    line = np.full(len(lags), np.median(lag_s))
    if len(lags) >= _DRIFT_WINDOWS:  # a line through the medians of both halves
        half = len(lags) // 2
        (t0, a), (t1, b) = (
            (time_s[part].mean(), np.median(lag_s[part]))
            for part in (slice(half), slice(-half, None))
        )
        line = a + (b - a) * (time_s - t0) / (t1 - t0)
    agreeing = int((np.abs(lag_s - line) <= _SPREAD_S).sum())
    if agreeing < _MIN_AGREEING * len(lags):
        reason = f'the offsets of {len(lags)} windows do not agree'
        return LipSync(NOT_JUDGED, reason, lags)
    first, last = float(line[0]), float(line[-1])
    support = f'{agreeing} of {usable} windows with speech agree'
    if abs(last - first) > MAX_DRIFT_S:
        reason = f'{first:+.2f} s at the beginning, {last:+.2f} s at the end; {support}'
        return LipSync(DRIFT, reason, lags, (first, last))
    verdict = OFFSET if max(abs(first), abs(last)) > MAX_OFFSET_S else IN_SYNC
    return LipSync(verdict, f'{(first + last) / 2:+.2f} s; {support}', lags, (first, last))
