# SPDX-License-Identifier: Apache-2.0
"""No jump of the robot's face where the input changes: a face is lost, a session starts again.

The model answers such a change in one frame. A person would see a twitch. While the input is as
it was, nothing is changed: the reaction is the model's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from robot_face_gen.layout import AU, AU_NAMES, TZ

from .timeline_frame import TimelineFrame

LIMITED_FRAMES = 12  # after a change; longer while the face has not caught up
_LONGEST = 50  # frames: a face that moves on faster than the limits is let go


def _limits() -> dict[str, np.ndarray]:
    """Largest changes in a frame (40 ms), in the units of each branch: quick, but no twitch."""
    au = np.full(len(AU_NAMES), 0.3, np.float32)
    au[AU['AU45']] = 2.0  # a blink closes the lids in two frames
    pose = np.full(4, 0.02, np.float32)  # 0.5 rad/s
    pose[TZ] = 0.01
    landmark, gaze = (np.full(1, limit, np.float32) for limit in (0.03, 0.08))
    return {'landmarks': landmark, 'au': au, 'pose': pose, 'gaze': gaze}


LIMITS = _limits()


class Continuity:
    """Limits the speed of a face after a change of its input, and where frames were left out."""

    def __init__(self) -> None:
        self._last: dict[str, np.ndarray] | None = None
        self._input: tuple | None = None
        self._next_index = 0
        self._left, self._limited = 0, 0

    def changed(self) -> None:
        """The next face belongs to another session."""
        self._input = None

    def apply(
        self, frames: Sequence[TimelineFrame], faces: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The faces (n, width) of these frames, in order of time."""
        out = {name: np.array(values) for name, values in faces.items()}
        for index, frame in enumerate(frames):
            given = (frame.epoch, frame.face_valid, frame.audio_valid, frame.mask.tobytes())
            if given != self._input or frame.index != self._next_index:
                self._input, self._left, self._limited = given, LIMITED_FRAMES, 0
            if self._left and self._last is not None:
                self._left -= 1
                self._limited += 1
                if not self._limit(out, index) and not self._left and self._limited < _LONGEST:
                    self._left = 1
            self._next_index = frame.index + 1
            self._last = {name: values[index] for name, values in out.items()}
        return out

    def _limit(self, faces: dict[str, np.ndarray], index: int) -> bool:
        """Limit the change from the last face; returns whether nothing had to be changed."""
        assert self._last is not None
        unchanged = True
        for name, limit in LIMITS.items():
            change = faces[name][index] - self._last[name]
            limited = np.clip(change, -limit, limit)
            if (limited != change).any():
                faces[name][index] = self._last[name] + limited
                unchanged = False
        return unchanged
