# SPDX-License-Identifier: Apache-2.0
"""Checks of a recording; they report problems and change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robot_face_gen.features.openface import FaceFrame
from robot_face_gen.layout import LANDMARK_POINTS

ERROR, WARNING = 'error', 'warning'

MIN_LENGTH_S = 2.0
RATES_HZ = (15.0, 121.0)
MIN_CONFIDENCE, MIN_CONFIDENT_SHARE = 0.7, 0.7
# Allowed difference in length of a face and its sound: the larger of seconds and share.
LENGTH_SLACK_S, LENGTH_SLACK = 1.0, 0.02
MAX_GAP_S = 1.0
SILENCE_RMS = 1e-4
CLIPPED_LEVEL, MAX_CLIPPED_SHARE = 0.999, 0.01
# The lag between mouth and sound counts only if their correlation is at least this high.
MIN_CORRELATION = 0.4
MAX_OFFSET_S, MAX_DRIFT_S = 0.25, 0.16
_GRID_HZ = 50.0
_MAX_LAG_S = 1.0


@dataclass(frozen=True)
class Finding:
    """One problem of a recording."""

    session: str  # name of the session
    person: str  # a, b, or '' for the whole session
    level: str  # 'error' (the session is not used) or 'warning' (it is used)
    what: str  # the quantity, for example 'face rate'
    value: str  # measured value with its unit
    expected: str  # allowed values


class Findings(list[Finding]):
    """The findings of one person in one session."""

    def __init__(self, session: str, person: str) -> None:
        super().__init__()
        self._session, self._person = session, person

    def add(self, level: str, what: str, value: str, expected: str) -> None:
        """Add a finding."""
        self.append(Finding(self._session, self._person, level, what, value, expected))

    @property
    def bad(self) -> bool:
        """Whether there is an error."""
        return any(finding.level == ERROR for finding in self)


def check_face(frames: Sequence[FaceFrame], found: Findings) -> float:
    """Check rate, gaps, length and confidence of a face track.

    Returns:
        float: length of the track in seconds (0 if it is empty).
    """
    if len(frames) < 2:
        found.add(ERROR, 'face frames', str(len(frames)), 'at least 2')
        return 0.0
    t = np.array([frame.stamp_ns for frame in frames]) / 1e9
    steps = np.diff(t)
    if (steps <= 0).any():
        line = int(np.argmax(steps <= 0)) + 1
        found.add(
            ERROR, 'face timestamps', f'step {steps.min():.3f} s after frame {line}', 'increasing'
        )
        return 0.0
    rate = 1 / float(np.median(steps))
    length = float(t[-1] - t[0] + np.median(steps))
    if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
        found.add(ERROR, 'face rate', f'{rate:.2f} Hz', f'{RATES_HZ[0]:g} to {RATES_HZ[1]:g} Hz')
    if length < MIN_LENGTH_S:
        found.add(ERROR, 'face length', f'{length:.2f} s', f'at least {MIN_LENGTH_S:g} s')
    if t[0] > MAX_GAP_S or t[0] < 0:
        found.add(ERROR, 'first face', f'at {t[0]:.2f} s', f'0 to {MAX_GAP_S:g} s')
    gap = float(steps.max())
    if gap > 2.5 / rate:
        level = ERROR if gap > MAX_GAP_S else WARNING
        found.add(level, 'longest gap', f'{gap:.2f} s', f'at most {MAX_GAP_S:g} s')
    confident = float(
        np.mean([frame.success and frame.confidence >= MIN_CONFIDENCE for frame in frames])
    )
    if confident < MIN_CONFIDENT_SHARE:
        found.add(
            ERROR, 'confident frames', f'{confident:.1%}', f'at least {MIN_CONFIDENT_SHARE:.0%}'
        )
    return length


def check_sound(samples: np.ndarray, sample_rate: int, found: Findings) -> float:
    """Check a sound for silence and clipping.

    Returns:
        float: length of the sound in seconds.
    """
    length = len(samples) / sample_rate
    if not np.isfinite(samples).all():
        found.add(ERROR, 'sound', 'NaN or infinite samples', 'finite samples in -1..1')
        return length
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    if level < SILENCE_RMS:
        found.add(ERROR, 'sound level', f'{level:.1e}', f'above {SILENCE_RMS:g} of full scale')
    clipped = float(np.mean(np.abs(samples) >= CLIPPED_LEVEL)) if len(samples) else 0.0
    if clipped > MAX_CLIPPED_SHARE:
        found.add(WARNING, 'clipped samples', f'{clipped:.1%}', f'at most {MAX_CLIPPED_SHARE:.0%}')
    return length


def check_lengths(face_s: float, sound_s: float, found: Findings) -> None:
    """Check that a face and its sound have the same length: else a clock drifts or one is cut."""
    slack = max(LENGTH_SLACK_S, LENGTH_SLACK * face_s)
    if abs(face_s - sound_s) > slack:
        found.add(
            ERROR,
            'face and sound lengths',
            f'{face_s:.2f} s and {sound_s:.2f} s',
            f'a difference of at most {slack:.2f} s',
        )


def _mouth_opening(frames: Sequence[FaceFrame], t: np.ndarray) -> np.ndarray:
    """Distance of the inner lips relative to the width of the face, at times t (s).

    Frames without landmarks are left out; NaN if all are.
    """
    frames = [frame for frame in frames if np.isfinite(frame.landmarks).all()]
    if not frames:
        return np.full(len(t), np.nan)
    stamps = np.array([frame.stamp_ns for frame in frames]) / 1e9
    x = np.stack([frame.landmarks[:LANDMARK_POINTS] for frame in frames]).astype(np.float64)
    y = np.stack([frame.landmarks[LANDMARK_POINTS:] for frame in frames]).astype(np.float64)
    width = np.hypot(x[:, 16] - x[:, 0], y[:, 16] - y[:, 0])
    opening = np.hypot(x[:, 66] - x[:, 62], y[:, 66] - y[:, 62]) / np.maximum(width, 1e-6)
    return np.interp(t, stamps, opening)


def _loudness(samples: np.ndarray, sample_rate: int, t: np.ndarray) -> np.ndarray:
    power = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
    at = np.clip(np.round(t * sample_rate).astype(int), 0, len(samples))
    half = sample_rate // 25
    low, high = np.maximum(at - half, 0), np.minimum(at + half, len(samples))
    return np.sqrt(np.maximum(power[high] - power[low], 0) / np.maximum(high - low, 1))


def _lag(mouth: np.ndarray, loud: np.ndarray) -> tuple[float, float]:
    """Lag of the sound behind the mouth in seconds, and their correlation at that lag."""
    reach = round(_MAX_LAG_S * _GRID_HZ)
    best, lag = -1.0, 0
    for shift in range(-reach, reach + 1):
        a = mouth[: len(mouth) - shift] if shift >= 0 else mouth[-shift:]
        b = loud[shift:] if shift >= 0 else loud[: len(loud) + shift]
        a, b = a - a.mean(), b - b.mean()
        norm = np.sqrt((a * a).sum() * (b * b).sum())
        r = float((a * b).sum() / norm) if norm > 0 else 0.0
        if r > best:
            best, lag = r, shift
    return lag / _GRID_HZ, best


def check_drift(
    frames: Sequence[FaceFrame], samples: np.ndarray, sample_rate: int, found: Findings
) -> None:
    """Check that mouth and voice are in sync, at the beginning and at the end.

    The lag between lip opening and loudness is measured in both halves. It counts only if the two
    correlate well; for people who hardly speak nothing is reported.
    """
    end = min(frames[-1].stamp_ns / 1e9, len(samples) / sample_rate)
    t = np.arange(0.0, end, 1 / _GRID_HZ)
    if len(t) < 8 * _MAX_LAG_S * _GRID_HZ:
        return
    mouth, loud = _mouth_opening(frames, t), _loudness(samples, sample_rate, t)
    half = len(t) // 2
    parts = [_lag(mouth[part], loud[part]) for part in (slice(half), slice(half, None))]
    lags = [lag for lag, correlation in parts if correlation >= MIN_CORRELATION]
    if lags and max(abs(lag) for lag in lags) > MAX_OFFSET_S:
        found.add(
            ERROR,
            'offset of sound and mouth',
            f'{" and ".join(f"{lag:+.2f}" for lag in lags)} s',
            f'at most {MAX_OFFSET_S:g} s',
        )
    elif len(lags) == 2 and abs(lags[1] - lags[0]) > MAX_DRIFT_S:
        found.add(
            ERROR,
            'drift of sound and mouth',
            f'{lags[1] - lags[0]:+.2f} s from the first half to the second',
            f'at most {MAX_DRIFT_S:g} s',
        )
