# SPDX-License-Identifier: Apache-2.0
"""One speaker's frames on their way to the model, and the answers on their way out; no ROS."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from robot_face_gen.features.openface import FaceFrame

from .health import Health
from .playout import Playout
from .stamp_clock import StampClock
from .timeline import Timeline, TimelineFrame

FRAME_NS = 40_000_000
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


class FaceLane:
    """A timeline before the model and a playout behind it.

    All times that go in and out are the node's; inside it is the time of those who stamp, which
    `stamps` knows.

    `pop` and `next_due_ns` may be another thread's than the rest.

    Args:
        timeline: joins face and sound.
        playout: lets the answers out evenly.
        health: latencies and counters go there.
        max_backlog: frames that wait at most while the model is busy; older are dropped.
    """

    def __init__(
        self,
        timeline: Timeline,
        playout: Playout[Reaction],
        health: Health,
        *,
        max_backlog: int = 25,
    ) -> None:
        self.timeline, self.health = timeline, health
        self.stamps = StampClock()
        self._playout = playout
        self._spread_ns = playout.max_delay_ns  # allowed beside what a hop itself costs
        self._lock = threading.Lock()  # guards the playout, which two threads use
        self._max_backlog = max_backlog
        self._pending: deque[TimelineFrame] = deque()
        self._epoch: int | None = None  # of the timeline; another one is another session

    def expect_hop(self, hop: int) -> None:
        """Frames will be answered so many at a time: the last of them waits for the first."""
        with self._lock:
            self._playout.max_delay_ns = self._spread_ns + (hop - 1) * FRAME_NS

    def push_face(self, frame: FaceFrame, now_ns: int) -> None:
        """A frame of the speaker's face."""
        self.timeline.push_face(frame, self.stamps.time_ns(now_ns))

    def push_audio(self, stamp_ns: int, data: np.ndarray, rate_hz: float, now_ns: int) -> None:
        """Embeddings (n, dim) of the speaker's voice, the first one's time."""
        self.timeline.push_audio(stamp_ns, data, rate_hz, self.stamps.time_ns(now_ns))

    @property
    def waiting(self) -> int:
        """Frames that are to be answered."""
        return len(self._pending)

    def collect(self, now_ns: int) -> None:
        """Take what has become complete; what waits for too long a time already is dropped."""
        self._pending.extend(self.timeline.pop(self.stamps.time_ns(now_ns)))
        if dropped := max(0, len(self._pending) - self._max_backlog):
            for _ in range(dropped):
                self._pending.popleft()
            self.health.count(
                'dropped', dropped, trouble='the model is too slow: {total} frames dropped in all'
            )
        self.health.set_counters(self.timeline.counters, TROUBLES)

    def take(self, now_ns: int, least: int = 1, most: int | None = None) -> list[TimelineFrame]:
        """The frames to be answered next, all of one session.

        Args:
            now_ns: the time.
            least: fewer are not worth a step yet, unless no more will come or they are late: a
                speaker who stops sending leaves less than a hop.
            most: at a time; None is all.
        """
        if not self._pending:
            return []
        epoch = self._pending[0].epoch
        run = len(list(takewhile(lambda frame: frame.epoch == epoch, self._pending)))
        patience_ns = (least + LEFTOVER_FRAMES) * FRAME_NS
        late = self.stamps.time_ns(now_ns) - self._pending[0].stamp_ns > patience_ns
        if run < least and run == len(self._pending) and not late:
            return []
        count = run if most is None else min(run, most)
        return [self._pending.popleft() for _ in range(count)]

    def begins_session(self, frames: Sequence[TimelineFrame]) -> bool:
        """Whether these frames are of another session than those before."""
        epoch, self._epoch = self._epoch, frames[0].epoch
        if epoch is None or epoch == self._epoch:
            return False
        self.health.count('session_resets')
        return True

    def deliver(
        self,
        frames: Sequence[TimelineFrame],
        faces: Mapping[str, np.ndarray],
        now_ns: int,
        took_s: float,
    ) -> bool:
        """Answers (n, width) for frames that were taken at `now_ns`, `took_s` later.

        Returns:
            bool: False where numbers are not finite: what the session remembers must go.
        """
        if not all(np.isfinite(values).all() for values in faces.values()):
            self.health.count(
                'not_finite', len(frames), trouble='the model gave numbers that are not finite'
            )
            return False
        self.health.latency('model', took_s)
        now_ns = self.stamps.time_ns(now_ns)
        ready_ns = now_ns + round(took_s * 1e9)
        with self._lock:
            for index, frame in enumerate(frames):
                self.health.latency('wait', (now_ns - frame.source_stamp_ns) / 1e9)
                face = {name: values[index] for name, values in faces.items()}
                self._playout.push(
                    Reaction(face, frame.source_stamp_ns, ready_ns),
                    frame.source_stamp_ns,
                    ready_ns,
                )
        return True

    @property
    def next_due_ns(self) -> int | None:
        """When `pop` will have the next reaction; None while there is none."""
        with self._lock:
            due_ns = self._playout.next_due_ns
        return None if due_ns is None else due_ns + self.stamps.offset_ns

    def pop(self, now_ns: int) -> Reaction | None:
        """The reaction that is due, if one is."""
        now_ns = self.stamps.time_ns(now_ns)
        with self._lock:
            before = self._playout.dropped
            reaction = self._playout.pop(now_ns)
            dropped = self._playout.dropped - before
        if dropped:
            self.health.count('dropped', dropped, trouble='{total} frames dropped in all')
        if reaction is not None:
            self.health.latency('playout', (now_ns - reaction.ready_ns) / 1e9)
            self.health.latency('latency', (now_ns - reaction.source_stamp_ns) / 1e9)
        return reaction
