# SPDX-License-Identifier: Apache-2.0
"""Face and sound of one speaker in, the listener's reaction out, evenly; no ROS."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from robot_face_gen.facial_reaction_model.config import (
    BRANCHES,
    EMBEDDINGS_PER_FRAME,
)

from .loading import Session, on_host, stack
from .speaker_session import FaceLane
from .timeline import TimelineFrame

WARM_UP_FRAMES = 16


class ReactionEngine:
    """A lane and a model of its own. Time is passed in.

    `step` belongs to the thread that fills the lane; settings may be changed by any.

    Args:
        manager: the model's session.
        lane: the speaker's.
        hop: frames that the model answers at a time.
        timer: seconds, for the model's own time.
    """

    def __init__(
        self,
        manager: Session,
        lane: FaceLane,
        *,
        hop: int = 1,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.manager, self.lane = manager, lane
        self._timer = timer
        self.configure(hop=hop)

    def configure(
        self,
        *,
        hop: int | None = None,
        temperature: float | None = None,
        min_confidence: float | None = None,
    ) -> None:
        """Change what can be changed in a running session; None leaves it as it is."""
        if temperature is not None:
            self.manager.temperature = temperature
        if hop is not None:
            self.hop = hop
            self.lane.expect_hop(hop)
        if min_confidence is not None:
            self.lane.timeline.min_confidence = min_confidence

    def warm_up(self) -> None:
        """Let the model run once for nothing: its first step takes many times as long."""
        for frames in (1, WARM_UP_FRAMES):
            sound = (EMBEDDINGS_PER_FRAME, self.manager.model.config.audio_dim)
            shapes = {name: (width,) for name, width in BRANCHES.items()} | {'audio': sound}
            window = {
                name: np.zeros((1, frames, *shape), np.float32) for name, shape in shapes.items()
            }
            valid = np.ones((1, frames), bool)
            self.manager.process_window({**window, 'face_valid': valid, 'audio_valid': valid})
        self.manager.reset()

    def step(self, now_ns: int) -> int:
        """Answer what is complete.

        Returns:
            int: number of frames answered.
        """
        answered = 0
        self.lane.collect(now_ns)
        while frames := self.lane.take(now_ns, self.hop):
            answered += self._answer(frames, now_ns)
        return answered

    def _answer(self, frames: Sequence[TimelineFrame], now_ns: int) -> int:
        if self.lane.begins_session(frames):
            self.manager.reset()
        begin = self._timer()
        answer = self.manager.process_window(stack(frames))
        faces = {name: on_host(answer[name][0]) for name in BRANCHES}
        if not self.lane.deliver(frames, faces, now_ns, self._timer() - begin):
            self.manager.reset()  # what is not finite would stay in the session's memory
            return 0
        return len(frames)
