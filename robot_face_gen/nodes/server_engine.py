# SPDX-License-Identifier: Apache-2.0
"""Many speakers in, their listeners' reactions out, one step for all; no ROS."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from robot_face_gen.facial_reaction_model.config import BRANCHES
from robot_face_gen.facial_reaction_model.sessions import Sessions
from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.loading import stack
from robot_face_gen.pipeline.speaker_session import FaceLane
from robot_face_gen.pipeline.timeline import TimelineFrame

ACTIVE_NS = 1_000_000_000  # who has had no frame for so long is not waited for


class ServerEngine:
    """Lanes of many speakers and one model. Time is passed in.

    A step costs nearly the same for one face as for all: so a frame that is ready waits a little
    for those of the others, and never longer than `max_gather_s`.

    Args:
        batch: the sessions, one a lane.
        lanes: the speakers'.
        health: of the server as a whole.
        max_gather_s: how long a frame waits for others at most.
        timer: seconds, for the model's own time.
    """

    def __init__(
        self,
        batch: Sessions,
        lanes: Sequence[FaceLane],
        health: Health,
        *,
        max_gather_s: float = 0.01,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.batch, self.lanes = batch, list(lanes)
        self._health = health
        self._gather_ns = round(max_gather_s * 1e9)
        self._timer = timer
        self._ready_ns: int | None = None  # since when a frame is ready
        self._seen_ns: dict[int, int] = {}  # when a lane last had a frame

    def configure(
        self,
        *,
        temperature: float | None = None,
        min_confidence: float | None = None,
        max_gather_s: float | None = None,
    ) -> None:
        """Change what can be changed while running; None leaves it as it is."""
        if temperature is not None:
            self.batch.temperature = temperature
        if max_gather_s is not None:
            self._gather_ns = round(max_gather_s * 1e9)
        if min_confidence is not None:
            for lane in self.lanes:
                lane.timeline.min_confidence = min_confidence

    def warm_up(self) -> None:
        """Let the model run once for nothing: its first step takes many times as long."""
        window = {name: np.zeros((1, 1, width), np.float32) for name, width in BRANCHES.items()}
        for _ in range(2):
            self.batch.step(dict.fromkeys(range(len(self.lanes)), window))
        for face in range(len(self.lanes)):
            self.batch.reset(face)

    def step(self, now_ns: int) -> int:
        """Answer what is complete, or wait for more.

        Returns:
            int: number of frames answered.
        """
        for face, lane in enumerate(self.lanes):
            lane.collect(now_ns)
            if lane.waiting:
                self._seen_ns[face] = now_ns
        ready = sum(lane.waiting > 0 for lane in self.lanes)
        if not ready:
            return 0
        if self._ready_ns is None or self._ready_ns > now_ns:  # or the clock has been set back
            self._ready_ns = now_ns
        active = sum(0 <= now_ns - seen < ACTIVE_NS for seen in self._seen_ns.values())
        if ready < active and now_ns - self._ready_ns < self._gather_ns:
            return 0
        self._health.latency('gather', (now_ns - self._ready_ns) / 1e9)
        self._ready_ns = None
        answered = 0
        while taken := self._take(now_ns):
            answered += self._answer(taken, now_ns)
        return answered

    def _take(self, now_ns: int) -> dict[int, list[TimelineFrame]]:
        """The next frame of each lane that has one."""
        taken = {face: lane.take(now_ns, most=1) for face, lane in enumerate(self.lanes)}
        return {face: frames for face, frames in taken.items() if frames}

    def _answer(self, taken: dict[int, list[TimelineFrame]], now_ns: int) -> int:
        begin = self._timer()
        windows: dict[int, Any] = {}
        for face, frames in taken.items():
            lane = self.lanes[face]
            if lane.begins_session(frames):
                self.batch.reset(face)
            try:
                windows[face] = self.batch.check(face, stack(frames))
            except ValueError as error:  # one face's trouble is not the others'
                lane.health.count('refused', trouble=str(error))
        answers = self.batch.step_checked(windows)
        took_s = self._timer() - begin
        self._health.latency('model', took_s)
        self._health.count('steps')
        self._health.count('faces_stepped', len(answers))
        answered = 0
        for face, answer in answers.items():
            faces = {name: answer[name][0] for name in BRANCHES}
            if self.lanes[face].deliver(taken[face], faces, now_ns, took_s):
                answered += 1
            else:
                self.batch.reset(face)
        return answered
