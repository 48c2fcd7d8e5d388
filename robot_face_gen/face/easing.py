# SPDX-License-Identifier: Apache-2.0
"""Keeps a face alive when reactions stop: eases to an attentive neutral face that blinks.

All outputs that a person sees use it, so that a robot never freezes in the middle of an
expression and never jumps when reactions come back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robot_face_gen.facial_reaction_model.config import TYPICAL
from robot_face_gen.layout import (
    AU,
    AU_NAMES,
    BRANCH_SLICES,
    BRANCHES,
    FACE_DIM,
    INTENSITIES,
    LANDMARK_POINTS,
    VALUE_LIMITS,
)

TIMEOUT_S = 0.3  # a reaction is fresh for this long; the robot sends 25 a second
EASE_S = 1.0
RESUME_S = 0.3  # duration of the transition back to the reactions
# A longer interval between two calls counts as this long: a clock that jumps forward, or a process
# that was stopped, must not make the face jump.
MAX_STEP_S = 0.1
BLINK_S = 0.2
BLINK_INTERVAL_S = 3.5  # mean; between adults it varies from 2 to 6 s
_BLINK_INTERVAL_RANGE_S = (1.0, 8.0)
_CLOSED = 3.5  # intensity of AU45 with closed eyes
# Indices of the y coordinates of the lids (iBUG 68), each upper one with the one below it.
_UPPER_LIDS = LANDMARK_POINTS + np.array([37, 38, 43, 44])
_LOWER_LIDS = LANDMARK_POINTS + np.array([41, 40, 47, 46])
_AU45 = BRANCH_SLICES['au'].start + AU['AU45']
# Raised brows and a slight smile: a face at rest looks stern.
_ATTENTIVE = {'AU01': 0.4, 'AU02': 0.3, 'AU05': 0.2, 'AU12': 0.5}


@dataclass(frozen=True)
class EasedFace:
    """A face to show; all values are finite and within the ranges of `FACE_RANGE`."""

    landmarks: np.ndarray  # (136,) in crop units
    action_units: np.ndarray  # (18,) OpenFace intensities
    pose: np.ndarray  # (4,) Rx, Ry, Rz in rad, Tz in m
    gaze: np.ndarray  # (2,) rad
    fresh: bool  # whether it is the last reaction; False while it eases to neutral or is neutral


def _concatenate(**branches: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(branches[name], np.float64) for name in BRANCHES])


_QUARTER = np.pi / 2
# Lowest and highest value of each column, (FACE_DIM,): a value outside is clipped.
FACE_RANGE = (
    _concatenate(
        landmarks=np.full(BRANCHES['landmarks'], -1.0),
        au=np.zeros(BRANCHES['au']),
        pose=(-_QUARTER, -_QUARTER, -_QUARTER, 0.0),
        gaze=(-_QUARTER, -_QUARTER),
    ),
    _concatenate(
        landmarks=np.full(BRANCHES['landmarks'], 2.0),
        au=(*[5.0] * INTENSITIES, 1.0),
        pose=(_QUARTER, _QUARTER, _QUARTER, 5.0),
        gaze=(_QUARTER, _QUARTER),
    ),
)
# An attentive face at rest, (FACE_DIM,).
NEUTRAL = _concatenate(
    landmarks=TYPICAL['landmarks'][0],
    au=np.array([_ATTENTIVE.get(name, 0.0) for name in AU_NAMES]),
    pose=TYPICAL['pose'][0],
    gaze=TYPICAL['gaze'][0],
)
_SANE = np.concatenate([np.full(width, VALUE_LIMITS[name]) for name, width in BRANCHES.items()])


def _smoothstep(share: np.ndarray) -> np.ndarray:
    """From 0 at 0 to 1 at 1, with zero slope at both ends."""
    x = np.clip(share, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


class FaceEaser:
    """The face to show at a time, from the reactions that arrived until then.

    Each value of the face is followed for itself: one that is not finite in a reaction is treated
    as missing and eases to neutral while the others stay fresh. The clock is any one in seconds;
    it may jump, stand still or give NaN. Call `at` at least ten times a second (MAX_STEP_S).

    A reaction is fresh for `timeout_s`; then the transition to neutral takes `ease_s`. The seed is
    that of the blinks.

    Raises:
        ValueError: a duration is not a positive number.
    """

    def __init__(
        self, timeout_s: float = TIMEOUT_S, ease_s: float = EASE_S, seed: int = 0
    ) -> None:
        for name, value in {'timeout_s': timeout_s, 'ease_s': ease_s}.items():
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f'{name} = {value!r}: expected a positive number of seconds')
        self._timeout_s, self._ease_s = timeout_s, ease_s
        self._rng = np.random.default_rng(seed)
        self._now = 0.0  # own clock: continuous, whatever the caller's does
        self._caller_s: float | None = None
        self._last = NEUTRAL.copy()
        self._seen = np.full(FACE_DIM, -np.inf)  # when `_last` arrived
        self._live = np.zeros(FACE_DIM, bool)
        # A transition of each value: from `_start`, beginning at `_begin`.
        self._start = NEUTRAL.copy()
        self._begin = np.zeros(FACE_DIM)
        self._length = np.full(FACE_DIM, ease_s)
        self._blink_at = self._blink_interval()

    def update(self, face: Mapping[str, np.ndarray], now_s: float) -> None:
        """Take a reaction: landmarks (136,) in crop units, au (18,), pose (4,), gaze (2,).

        Values that are not finite, or beyond `VALUE_LIMITS`, count as missing; others are clipped
        to `FACE_RANGE`.

        Raises:
            ValueError: a branch is missing or has the wrong shape.
        """
        for name, width in BRANCHES.items():
            if name not in face or np.shape(face[name]) != (width,):
                found = np.shape(face[name]) if name in face else 'nothing'
                raise ValueError(f'{name}: found {found}, expected shape ({width},)')
        values = _concatenate(**{name: face[name] for name in BRANCHES})
        interrupted = self._advance(now_s) > self._timeout_s
        valid = np.isfinite(values) & (np.abs(values) <= _SANE)
        self._begin_transition(valid & (interrupted | ~self._live), self._now, RESUME_S)
        self._live |= valid
        self._last[valid] = np.clip(values, *FACE_RANGE)[valid]
        self._seen[valid] = self._now

    def at(self, now_s: float) -> EasedFace:
        """The face to show at `now_s`."""
        self._advance(now_s)
        face = self._base(self._now)
        self._blink(face)
        shown = {name: face[columns].astype(np.float32) for name, columns in BRANCH_SLICES.items()}
        return EasedFace(
            shown['landmarks'],
            shown['au'],
            shown['pose'],
            shown['gaze'],
            fresh=bool(self._live.any()),
        )

    def _advance(self, now_s: float) -> float:
        """Advance the own clock; returns how much the caller's clock advanced, s."""
        if not math.isfinite(now_s):
            return 0.0
        step_s = 0.0 if self._caller_s is None else now_s - self._caller_s
        self._caller_s = now_s
        self._now += min(max(step_s, 0.0), MAX_STEP_S)
        expired = self._live & (self._now - self._seen > self._timeout_s)
        if expired.any():
            # The transition began when the time was over, however late this is noticed.
            self._begin_transition(expired, self._seen + self._timeout_s, self._ease_s)
            self._live &= ~expired
        return step_s

    def _base(self, time: np.ndarray | float) -> np.ndarray:
        """The face without the own blinks, (FACE_DIM,); `time` may differ between values."""
        target = np.where(self._live, self._last, NEUTRAL)
        share = _smoothstep((time - self._begin) / self._length)
        return target + (1.0 - share) * (self._start - target)

    def _begin_transition(
        self, which: np.ndarray, begin: np.ndarray | float, length_s: float
    ) -> None:
        self._start = np.where(which, self._base(begin), self._start)
        self._begin = np.where(which, begin, self._begin)
        self._length = np.where(which, length_s, self._length)

    def _blink(self, face: np.ndarray) -> None:
        """Close the eyes of `face` for a moment, in place; a blink that has begun is completed."""
        since_s = self._now - self._blink_at
        if since_s >= BLINK_S:
            self._blink_at = self._now + self._blink_interval()
        elif since_s >= 0.0:
            closed = math.sin(math.pi * since_s / BLINK_S) ** 2
            face[_AU45] += closed * max(0.0, _CLOSED - face[_AU45])
            face[_UPPER_LIDS] += closed * (face[_LOWER_LIDS] - face[_UPPER_LIDS])
        elif self._live[_AU45]:
            # Reactions bring their own blinks: postpone, until this long after the last reaction.
            self._blink_at = max(self._blink_at, self._now + _BLINK_INTERVAL_RANGE_S[0])

    def _blink_interval(self) -> float:
        """From the end of a blink to the begin of the next, s."""
        mean_s = BLINK_INTERVAL_S - BLINK_S
        shortest_s, longest_s = _BLINK_INTERVAL_RANGE_S
        return min(max(float(self._rng.gamma(4.0, mean_s / 4.0)), shortest_s), longest_s)
