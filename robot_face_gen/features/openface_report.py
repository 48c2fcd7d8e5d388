# SPDX-License-Identifier: Apache-2.0
"""What a reader found in an OpenFace CSV: counts, and problems with their lines."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

_MOST_KEPT = 100  # problems that are remembered


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

    def lines(self, most: int = 3) -> list[str]:
        """What is missing, and the most frequent problems with their counts, one line each."""
        lines = [self.missing] if self.missing else []
        if self.frames and not self.valid:
            lines.append(
                f'the tracker found no face with enough confidence in {self.frames} frames'
            )
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
