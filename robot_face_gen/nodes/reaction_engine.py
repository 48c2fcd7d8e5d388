"""Face and sound in, the listener's reaction out, evenly; time is passed in, no ROS."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from robot_face_gen.facial_reaction_model import BRANCHES, OnlineInferenceManager
from robot_face_gen.features.openface import FaceFrame
from robot_face_gen.features.playout import Playout
from robot_face_gen.features.timeline import Timeline, TimelineFrame

from .health import Health

FRAME_NS = 40_000_000
WARM_UP_FRAMES = 16
LEFTOVER_FRAMES = 5
# What the timeline counts and somebody should look at.
TROUBLES = {
    'clock_jumps': 'the clock or the recording fell back: the session began anew',
    'from_the_past': '{total} faces are of another time and left out: two sources, or two clocks?',
    'from_the_future': '{total} faces or sounds have stamps ahead of the clock and are left out',
    'audio_jumps': "the sound's stamps fell back {total} times",
}


@dataclass(frozen=True)
class Reaction:
    """One listener's frame on its way out."""

    face: dict[str, np.ndarray]  # landmarks (136,) in crop units, au (18,), pose (4,), gaze (2,)
    source_stamp_ns: int  # of the speaker's frame that it answers
    ready_ns: int  # when the model had it


class ReactionEngine:
    """Timeline, model and playout in a row.

    `push_face`, `push_audio` and `step` belong to one thread, `pop` and `next_due_ns` may be
    another's; settings may be changed by any.

    Args:
        manager: the model's session.
        timeline: joins face and sound.
        playout: lets the answers out evenly.
        health: latencies and counters go there.
        hop: frames that the model answers at a time.
        max_backlog: frames that wait at most while the model is busy; older are dropped.
        timer: seconds, for the model's own time.
    """

    def __init__(
        self,
        manager: OnlineInferenceManager,
        timeline: Timeline,
        playout: Playout[Reaction],
        health: Health,
        *,
        hop: int = 1,
        max_backlog: int = 25,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.manager = manager
        self.timeline = timeline
        self._playout = playout
        self._spread_ns = playout.max_delay_ns  # allowed beside what the hop itself costs
        self._lock = threading.Lock()  # guards the playout, which two threads use
        self._health = health
        self._max_backlog = max_backlog
        self._timer = timer
        self._pending: deque[TimelineFrame] = deque()
        self.configure(hop=hop)
        self._epoch: int | None = None  # of the timeline; another one is another session

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
            with self._lock:
                self._playout.max_delay_ns = self._spread_ns + (hop - 1) * FRAME_NS
        if min_confidence is not None:
            self.timeline.min_confidence = min_confidence

    def warm_up(self) -> None:
        """Let the model run once for nothing: its first step takes many times as long."""
        for frames in (1, WARM_UP_FRAMES):
            self.manager.process_window(
                {name: torch.zeros(1, frames, width) for name, width in BRANCHES.items()}
            )
        self.manager.reset()

    def push_face(self, frame: FaceFrame, now_ns: int) -> None:
        """A frame of the speaker's face."""
        self.timeline.push_face(frame, now_ns)

    def push_audio(self, stamp_ns: int, data: np.ndarray, rate_hz: float, now_ns: int) -> None:
        """Embeddings (n, dim) of the speaker's voice, the first one's time."""
        self.timeline.push_audio(stamp_ns, data, rate_hz, now_ns)

    def step(self, now_ns: int) -> int:
        """Answer what is complete.

        Returns:
            int: number of frames answered.
        """
        answered = 0
        for frame in self.timeline.pop(now_ns):
            if frame.epoch != self._epoch:
                answered += self._answer(now_ns)  # what belongs to the session that ends here
                self._begin_session(frame.epoch)
            self._pending.append(frame)
        if dropped := max(0, len(self._pending) - self._max_backlog):
            for _ in range(dropped):
                self._pending.popleft()
            self._health.count(
                'dropped', dropped, trouble='the model is too slow: {total} frames dropped in all'
            )
        # A speaker who stops sending leaves less than a hop: that is answered late, not never.
        patience_ns = (self.hop + LEFTOVER_FRAMES) * FRAME_NS
        if self._pending and (
            len(self._pending) >= self.hop or now_ns - self._pending[0].stamp_ns > patience_ns
        ):
            answered += self._answer(now_ns)
        self._health.set_counters(self.timeline.counters, TROUBLES)
        return answered

    def _begin_session(self, epoch: int) -> None:
        if self._epoch is not None:
            self.manager.reset()
            self._health.count('session_resets')
        self._epoch = epoch

    def _answer(self, now_ns: int) -> int:
        if not self._pending:
            return 0
        frames = list(self._pending)
        self._pending.clear()
        begin = self._timer()
        answer = self.manager.process_window(stack(frames))
        faces = {name: answer[name][0].cpu().numpy() for name in BRANCHES}
        took_s = self._timer() - begin
        if not all(np.isfinite(values).all() for values in faces.values()):
            self.manager.reset()  # what is not finite would stay in the session's memory
            self._health.count(
                'not_finite', len(frames), trouble='the model gave numbers that are not finite'
            )
            return 0
        self._health.latency('model', took_s)
        ready_ns = now_ns + round(took_s * 1e9)
        with self._lock:
            for index, frame in enumerate(frames):
                self._health.latency('wait', (now_ns - frame.source_stamp_ns) / 1e9)
                face = {name: values[index] for name, values in faces.items()}
                self._playout.push(
                    Reaction(face, frame.source_stamp_ns, ready_ns),
                    frame.source_stamp_ns,
                    ready_ns,
                )
        return len(frames)

    @property
    def next_due_ns(self) -> int | None:
        """When `pop` will have the next reaction; None while there is none."""
        with self._lock:
            return self._playout.next_due_ns

    def pop(self, now_ns: int) -> Reaction | None:
        """The reaction that is due, if one is."""
        with self._lock:
            before = self._playout.dropped
            reaction = self._playout.pop(now_ns)
            dropped = self._playout.dropped - before
        if dropped:
            self._health.count('dropped', dropped, trouble='{total} frames dropped in all')
        if reaction is not None:
            self._health.latency('playout', (now_ns - reaction.ready_ns) / 1e9)
            self._health.latency('latency', (now_ns - reaction.source_stamp_ns) / 1e9)
        return reaction


def stack(frames: Sequence[TimelineFrame]) -> dict[str, torch.Tensor]:
    """Frames as one window of one speaker: (1, n, ...) each."""
    window = {
        name: torch.from_numpy(np.stack([getattr(frame, name) for frame in frames]))[None]
        for name in (*BRANCHES, 'audio')
    }
    for name in ('face_valid', 'audio_valid'):
        window[name] = torch.tensor([[bool(getattr(frame, name)) for frame in frames]])
    return window
