# SPDX-License-Identifier: Apache-2.0
"""What a reader found in an OpenFace CSV: counts, and problems with their lines."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

_MOST_KEPT = 100  # problems that are remembered
# The unit of values is doubted after so many valid frames; a calm face may not blink for 20 s.
_UNIT_FRAMES, _SCALE_FRAMES = 100, 1000
_LEAST_INTENSITY = 1.0  # any blink or word is more
_LEAST_DISTANCE_M = 0.01


class OpenFaceError(ValueError):
    """A file that cannot be read as OpenFace's output; the text names it and says why."""


@dataclass
class ReadReport:
    """What a reader found in a file."""

    rows: int = 0  # complete rows
    frames: int = 0  # camera frames of the person who is followed
    valid: int = 0  # frames in which the tracker found the face and at least one value is there
    partly_valid: int = 0  # those of them in which a value is missing
    bad_rows: int = 0  # rows that could not be used
    other_rows: int = 0  # rows of people who are not followed
    # what the file has no columns for, and the option of FeatureExtraction that adds it; '' if
    # nothing is missing
    missing: str = ''
    problems: Counter[str] = field(default_factory=Counter)  # kind of problem -> number of rows
    # kind of problem -> line, column, value of the first one
    examples: dict[str, str] = field(default_factory=dict)
    # largest intensity, angle (rad) and distance (m) of rows with a face
    largest: dict[str, float] = field(default_factory=dict)
    # the newest problems, one line each
    latest: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_KEPT))

    def add(
        self, kind: str, example: str = '', count: int = 1, *, lost_rows: bool = False
    ) -> None:
        """Count a problem; `example` says where and what it is."""
        self.problems[kind] += count
        self.bad_rows += count * lost_rows
        self.examples.setdefault(kind, example)
        self.latest.append(f'{example}: {kind}' if example else kind)

    def add_values(self, au: np.ndarray, pose: np.ndarray) -> None:
        """Remember the largest values of rows (n, 18) and (n, 4), which show a wrong unit."""
        kinds = {'intensity': au[:, :-1], 'angle': np.abs(pose[:, :3]), 'distance': pose[:, 3]}
        for kind, values in kinds.items():
            largest = np.fmax.reduce(values, axis=None, initial=-math.inf)
            if largest > self.largest.get(kind, -math.inf):
                self.largest[kind] = float(largest)

    def _wrong_units(self) -> list[str]:
        """One line for each kind of value that seems to have another unit than OpenFace's."""
        found = {}
        if self.valid >= _UNIT_FRAMES:
            angle, distance_m = self.largest.get('angle', 0.0), self.largest.get('distance', 0.0)
            if angle > math.pi:
                found['head pose'] = f'angles of up to {angle:.0f}: expected radians, not degrees'
            elif 0.0 < distance_m < _LEAST_DISTANCE_M:
                found['head pose'] = (
                    f'pose_Tz of at most {1000 * distance_m:g}: expected millimetres, not metres'
                )
        if self.valid >= _SCALE_FRAMES:
            intensity = self.largest.get('intensity', math.inf)
            if intensity <= _LEAST_INTENSITY:
                found['action units'] = (
                    f'no intensity above {intensity:g}: expected 0 to 5, not 0 to 1'
                )
        return [f'{branch}: {what}; it is used as it is' for branch, what in found.items()]

    def lines(self, most: int = 3) -> list[str]:
        """What is missing, and the most frequent problems with their counts, one line each."""
        lines = [self.missing] if self.missing else []
        if self.frames and not self.valid:
            lines.append(
                f'the tracker found no face with enough confidence in {self.frames} frames'
            )
        lines += self._wrong_units()
        for kind, count in self.problems.most_common(most):
            example = self.examples[kind]
            many = f'{count} rows: ' if count > 1 or example else ''
            first = f' ({"first: " if count > 1 else ""}{example})' if example else ''
            lines.append(f'{many.replace("1 rows", "1 row") if count == 1 else many}{kind}{first}')
        if self.other_rows:
            lines.append(f'{self.other_rows} rows of other people are left out')
        if (left := len(self.problems) - most) > 0:
            lines.append(f'{left} more kinds of problems')
        return lines
