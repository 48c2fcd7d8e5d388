# SPDX-License-Identifier: Apache-2.0
"""Checks of a recording; they report problems and change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robot_face_gen.features.openface import FaceFrame

ERROR, WARNING = 'error', 'warning'
# Only of a `PersonResult`: the person cannot be the speaker. A warning if the session can be used
# with the other one as the speaker, otherwise an error.
NO_VOICE = 'no voice'

MIN_LENGTH_S = 2.0
# Webcams in dim light give 12 to 15 frames a second.
RATES_HZ = (12.0, 121.0)
MIN_SEEN = 0.7  # share of the time in which the tracker must see the face
# Allowed difference in length of a face and its sound: the larger of seconds and share.
LENGTH_SLACK_S, LENGTH_SLACK = 1.0, 0.02
MAX_GAP_S = 1.0
# A frame counts for no longer than this many usual steps; the rest is a gap.
GAP_STEPS = 2.5
SILENCE_RMS = 1e-4
CLIPPED_LEVEL, MAX_CLIPPED_SHARE = 0.999, 0.01


@dataclass(frozen=True)
class Finding:
    """One problem of a recording."""

    level: str  # 'error': the session is not used; 'warning': it is used
    what: str  # the quantity, for example 'face rate'
    value: str  # measured value with its unit
    expected: str  # allowed values
    session: str = ''  # name of the session
    person: str = ''  # a, b, or '' for the whole session


class Findings(list[Finding]):
    """The findings of one person in one session."""

    def add(self, level: str, what: str, value: str, expected: str) -> None:
        """Add a finding."""
        self.append(Finding(level, what, value, expected))

    @property
    def bad(self) -> bool:
        """Whether there is an error."""
        return any(finding.level == ERROR for finding in self)


def face_length_s(frames: Sequence[FaceFrame]) -> float:
    """From time 0 to one usual step after the last frame; 0 for less than two frames."""
    t = np.array([frame.stamp_ns for frame in frames]) / 1e9
    return float(t[-1] + np.median(np.diff(t))) if len(t) > 1 else 0.0


def check_face(frames: Sequence[FaceFrame], found: Findings) -> float:
    """Check rate, gaps, length of a face track, and how long the face is seen.

    Returns:
        float: end of the track in seconds from time 0, which is the first sample of the sound; 0
        if it cannot be used.
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
    step = float(np.median(steps))
    length = face_length_s(frames)
    if not RATES_HZ[0] <= 1 / step <= RATES_HZ[1]:
        found.add(
            ERROR, 'face rate', f'{1 / step:.2f} Hz', f'{RATES_HZ[0]:g} to {RATES_HZ[1]:g} Hz'
        )
    if length < MIN_LENGTH_S:
        found.add(ERROR, 'face length', f'{length:.2f} s', f'at least {MIN_LENGTH_S:g} s')
    gaps = steps[steps > max(GAP_STEPS * step, MAX_GAP_S)]
    if len(gaps):
        found.add(
            WARNING, 'gaps', f'{len(gaps)}, the longest {gaps.max():.2f} s',
            f'at most {MAX_GAP_S:g} s; frames in a gap are marked as not valid',
        )  # fmt: skip
    valid = np.array([frame.is_valid() for frame in frames])
    covered = np.minimum(np.append(steps, step), GAP_STEPS * step)
    seen = float((covered * valid).sum() / length)
    if seen < MIN_SEEN:
        found.add(ERROR, 'face seen', f'{seen:.0%} of the time', f'at least {MIN_SEEN:.0%}')
    return length


def check_sound(samples: np.ndarray, found: Findings) -> None:
    """Check a sound for silence and clipping: a speaker needs a usable sound."""
    if not np.isfinite(samples).all():
        found.add(NO_VOICE, 'sound', 'NaN or infinite samples', 'finite samples in -1..1')
        return
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    if level < SILENCE_RMS:
        value = f'{20 * np.log10(level):.0f} dB' if level else 'silence'
        expected = f'above {20 * np.log10(SILENCE_RMS):.0f} dB of full scale'
        found.add(NO_VOICE, 'sound level', value, expected)
    clipped = float(np.mean(np.abs(samples) >= CLIPPED_LEVEL)) if len(samples) else 0.0
    if clipped > MAX_CLIPPED_SHARE:
        found.add(WARNING, 'clipped samples', f'{clipped:.1%}', f'at most {MAX_CLIPPED_SHARE:.0%}')


def check_lengths(
    a_s: float, b_s: float, found: Findings, what: str = 'face and sound lengths'
) -> None:
    """Check that two tracks of a session have the same length: else a clock drifts or one is cut.

    It is a warning: the common part is used.
    """
    slack = max(LENGTH_SLACK_S, LENGTH_SLACK * max(a_s, b_s))
    if abs(a_s - b_s) > slack:
        expected = f'a difference of at most {slack:.2f} s; the common part is used'
        found.add(WARNING, what, f'{a_s:.2f} s and {b_s:.2f} s', expected)
