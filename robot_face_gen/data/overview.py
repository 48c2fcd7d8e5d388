# SPDX-License-Identifier: Apache-2.0
"""What a report shows of one recorded person: counts, and a timeline of at most 300 bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robot_face_gen.features.openface import FaceFrame

from .checks import GAP_STEPS
from .lip_sync import GRID_HZ, Lag, LipSync, find_speech, loudness_db

MOST_BINS = 300
_SHORTEST_BIN_S = 0.2
QUIETEST_DB = -60.0  # lower end of the levels that are shown


@dataclass(frozen=True)
class Overview:
    """One person of a session."""

    face_s: float = 0.0  # end of the face in seconds; 0 without a face
    sound_s: float = 0.0  # length of the sound in seconds; 0 without a sound
    rate_hz: float = 0.0  # usual frames a second; 0 without a face
    sample_rate: int = 0  # of the sound in Hz
    frames: int = 0  # of the tracker
    valid: int = 0  # frames with a face
    partly_valid: int = 0  # those of them in which a value is missing
    speech_s: float = 0.0  # how long a person speaks, by loudness
    bin_s: float = _SHORTEST_BIN_S  # length of a bin of the timeline in seconds
    # percent of each bin with a face that has all values
    complete: list[int] = field(default_factory=list)
    # percent of each bin with a face of which a value is missing
    partial: list[int] = field(default_factory=list)
    # highest level of the sound in each bin, dB of full scale
    level_db: list[int] = field(default_factory=list)
    speech: list[int] = field(default_factory=list)  # percent of each bin with speech
    lip_sync: LipSync | None = None  # of sound and mouth; None if it was not looked at

    @property
    def length_s(self) -> float:
        """Until the later of the two ends."""
        return max(self.face_s, self.sound_s)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Overview:
        """The inverse of `dataclasses.asdict`, also of one that was a JSON file."""
        sync = values['lip_sync']
        if sync is not None:
            lags = [Lag(**lag) for lag in sync['lags']]
            first, last = sync['offset_s']
            sync = LipSync(sync['verdict'], sync['reason'], lags, (first, last))
        return cls(**{**values, 'lip_sync': sync})


def _percent(weight: np.ndarray, at_s: np.ndarray, count: int, bin_s: float) -> list[int]:
    """Sum of weights (s) in each bin as percent of its length."""
    index = np.minimum((at_s / bin_s).astype(int), count - 1)
    total = np.bincount(index, weight, count)
    return [int(x) for x in np.rint(100 * total / bin_s).clip(0, 100)]


def measure(
    frames: Sequence[FaceFrame],
    samples: np.ndarray,
    sample_rate: int,
    lip_sync: LipSync | None = None,
) -> Overview:
    """Measure what a report shows of a person; time 0 of the frames is the first sample.

    The sample rate is 0 without a sound.
    """
    start = np.array([frame.stamp_ns for frame in frames]) / 1e9
    step = float(np.median(np.diff(start))) if len(start) > 1 else 0.0
    face_s = float(start[-1]) + step if len(start) else 0.0
    sound_s = len(samples) / sample_rate if sample_rate else 0.0
    length_s = max(face_s, sound_s)
    bin_s = max(_SHORTEST_BIN_S, length_s / MOST_BINS)
    count = max(1, int(np.ceil(length_s / bin_s - 1e-6)))
    valid = np.array([frame.is_valid() for frame in frames], bool)
    whole = np.array([frame.mask.all() for frame in frames], bool) & valid
    moment = (np.arange(round(face_s * GRID_HZ)) + 0.5) / GRID_HZ
    frame = np.searchsorted(start, moment) - 1  # of each moment; -1 before the first
    in_frame = (frame >= 0) & (moment < start[frame] + GAP_STEPS * step)

    def covered(which: np.ndarray) -> list[int]:
        return _percent((in_frame & which[frame]) / GRID_HZ, moment, count, bin_s)

    level, speech, speech_s = [], [0] * count, 0.0
    if sample_rate:
        t = np.arange(0.0, sound_s, 1 / GRID_HZ)
        level_db = loudness_db(np.nan_to_num(samples), sample_rate, t)
        talking = find_speech(level_db)
        speech_s = float(talking.sum() / GRID_HZ)
        index = np.minimum((t / bin_s).astype(int), count - 1)
        highest = np.full(count, QUIETEST_DB)
        np.maximum.at(highest, index, level_db)
        level = [int(x) for x in np.rint(highest)]
        speech = _percent(talking / GRID_HZ, t, count, bin_s)
    return Overview(
        face_s, sound_s, 1 / step if step else 0.0, sample_rate,
        len(frames), int(valid.sum()), int((valid & ~whole).sum()), speech_s, bin_s,
        covered(whole), covered(valid & ~whole), level, speech, lip_sync,
    )  # fmt: skip
