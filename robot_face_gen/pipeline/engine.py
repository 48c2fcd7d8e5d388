# SPDX-License-Identifier: Apache-2.0
"""Answers the frames of one or many speakers with one model, without ROS."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from robot_face_gen.facial_reaction_model.sessions import Sessions
from robot_face_gen.layout import BRANCHES
from robot_face_gen.timing import EMBEDDINGS_PER_FRAME, SECOND_NS

from .health import Health
from .loading import is_device_error, stack
from .speaker_session import SpeakerSession
from .timeline_frame import TimelineFrame

T = TypeVar('T')
ACTIVE_NS = SECOND_NS  # a speaker without a frame for longer is not waited for


class ReactionEngine:
    """The sessions of a model, one for each speaker. The current time is an argument.

    A step costs nearly the same for one face as for all. So a frame that is ready waits for the
    frames of the other speakers, at most `max_gather_s`.

    Call `step` in the thread that adds input to the speakers; `configure` may be called by any
    thread.

    Args:
        sessions: of the model, one for each speaker.
        speakers: who are answered.
        health: of all speakers together; None if there is only one.
        hop: frames that the model answers at a time.
        max_gather_s: longest time that a frame waits for other speakers.
        timer: in seconds; measures the time that the model needs.
        fallback: makes sessions on the CPU, for a device that fails while it runs (out of memory,
            lost); None: the error is raised.
    """

    def __init__(
        self,
        sessions: Sessions,
        speakers: Sequence[SpeakerSession],
        health: Health | None = None,
        *,
        hop: int = 1,
        max_gather_s: float = 0.01,
        timer: Callable[[], float] = time.perf_counter,
        fallback: Callable[[], Sessions] | None = None,
    ) -> None:
        self._fallback = fallback
        self.sessions, self.speakers = sessions, list(speakers)
        self._health = health
        self._timer = timer
        self._ready_ns: int | None = None  # when the first waiting frame was ready
        self._seen_ns: dict[int, int] = {}  # when each speaker last had a frame
        self.configure(hop=hop, max_gather_s=max_gather_s)

    def configure(
        self,
        *,
        hop: int | None = None,
        temperature: float | None = None,
        min_confidence: float | None = None,
        max_gather_s: float | None = None,
    ) -> None:
        """Change settings while running; None: unchanged."""
        if temperature is not None:
            self.sessions.temperature = temperature
        if max_gather_s is not None:
            self._gather_ns = round(max_gather_s * 1e9)
        if hop is not None:
            self.hop = hop
        for speaker in self.speakers:
            if hop is not None:
                speaker.expect_hop(hop)
            if min_confidence is not None:
                speaker.timeline.min_confidence = min_confidence

    def warm_up(self) -> None:
        """Run the shortest and the longest step once, because the first calls are slow."""
        config = self.sessions.config
        for frames in (1, config.window_size):
            window: dict[str, np.ndarray] = {
                name: np.zeros((1, frames, width), np.float32) for name, width in BRANCHES.items()
            }
            window['audio'] = np.zeros(
                (1, frames, EMBEDDINGS_PER_FRAME, config.audio_dim), np.float32
            )
            window['face_valid'] = window['audio_valid'] = np.ones((1, frames), bool)
            windows: dict[int, Any] = dict.fromkeys(range(len(self.speakers)), window)
            self._on_device(partial(self.sessions.step, windows))
        for face in range(len(self.speakers)):
            self.sessions.reset(face)

    def step(self, now_ns: int) -> int:
        """Answer the complete frames, unless more must be waited for; returns how many."""
        for face, speaker in enumerate(self.speakers):
            speaker.collect(now_ns)
            if speaker.waiting:
                self._seen_ns[face] = now_ns
        if not self._is_gathered(now_ns):
            return 0
        answered = 0
        while ready := self._ready(now_ns):
            frames = min(*ready.values(), self.sessions.config.window_size)
            taken = {face: self.speakers[face].take(frames) for face in ready}
            answered += self._answer(taken, now_ns)
        return answered

    def _ready(self, now_ns: int) -> dict[int, int]:
        """Number of frames to answer, for each speaker with enough frames for a step."""
        found = {
            face: speaker.ready(now_ns, self.hop) for face, speaker in enumerate(self.speakers)
        }
        return {face: frames for face, frames in found.items() if frames}

    def _is_gathered(self, now_ns: int) -> bool:
        """Whether every active speaker has a frame, or one has waited long enough."""
        ready = len(self._ready(now_ns))
        if not ready:
            return False
        if self._ready_ns is None or self._ready_ns > now_ns:  # or the clock was set back
            self._ready_ns = now_ns
        active = sum(0 <= now_ns - seen < ACTIVE_NS for seen in self._seen_ns.values())
        if ready < active and now_ns - self._ready_ns < self._gather_ns:
            return False
        if self._health is not None:
            self._health.latency('gather', (now_ns - self._ready_ns) / 1e9)
        self._ready_ns = None
        return True

    def _answer(self, taken: dict[int, list[TimelineFrame]], now_ns: int) -> int:
        begin = self._timer()
        windows: dict[int, Any] = {}
        for face, frames in taken.items():
            speaker = self.speakers[face]
            if speaker.starts_session(frames):
                self.sessions.reset(face)
            try:
                windows[face] = self.sessions.check(face, stack(frames))
            except ValueError as error:  # this must not affect the other speakers
                speaker.health.count('refused', trouble=f'the model refused its input: {error}')
        answers = self._on_device(lambda: self.sessions.step_checked(windows)) or {}
        took_s = self._timer() - begin
        if self._health is not None:
            self._health.latency('model', took_s)
            self._health.count('steps')
            self._health.count('faces_stepped', len(answers))
        answered = 0
        for face, answer in answers.items():
            faces = {name: answer[name][0] for name in BRANCHES}
            if self.speakers[face].deliver(taken[face], faces, now_ns, took_s):
                answered += len(taken[face])
            else:
                self.sessions.reset(face)  # its state may contain values that are not finite
        return answered

    def _on_device(self, run: Callable[[], T]) -> T | None:
        """The result; None if the device has failed: from then on the CPU is used."""
        try:
            return run()
        except RuntimeError as error:
            if self._fallback is None or not is_device_error(error):
                raise
            reason = str(error).strip().partition('\n')[0]
        make, self._fallback = self._fallback, None
        health = self._health or self.speakers[0].health
        health.fail('device', f'{self.sessions.model.device} failed ({reason}): using the CPU')
        failed, self.sessions = self.sessions, make()
        self.sessions.temperature = failed.temperature
        health.fact('device', self.sessions.model.device)
        for speaker in self.speakers:
            speaker.interrupted()
        return None
