# SPDX-License-Identifier: Apache-2.0
"""One speaker: frames wait here for the model, and answers for their time; no ROS."""

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
# Counters of the timeline that raise a warning.
TROUBLES = {
    'clock_jumps': 'the stamps jumped back (clock or recording): a new session was started',
    'from_the_past': '{total} faces with old stamps were dropped: two sources, or two clocks?',
    'from_the_future': '{total} faces or sounds with stamps in the future were dropped',
    'audio_jumps': 'the stamps of the sound jumped back {total} times',
}


@dataclass(frozen=True)
class Reaction:
    """One frame of the listener."""

    face: dict[str, np.ndarray]  # landmarks (136,) in crop units, au (18,), pose (4,), gaze (2,)
    source_stamp_ns: int  # stamp of the speaker's frame that it answers
    ready_ns: int  # when the model returned it


class SpeakerSession:
    """A timeline before the model and a playout after it.

    All times passed in and returned are of the node's clock. Inside they are of the clock of the
    message stamps; `stamps` knows the offset.

    `pop` and `next_due_ns` may be called by another thread than the rest.

    Args:
        timeline: joins face and sound.
        playout: releases the answers at even intervals.
        health: receives latencies and counters.
        max_backlog: most frames that wait while the model is busy; older ones are dropped.
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
        self._spread_ns = playout.max_delay_ns  # allowed in addition to the delay of a hop
        self._lock = threading.Lock()  # guards the playout, which two threads use
        self._max_backlog = max_backlog
        self._pending: deque[TimelineFrame] = deque()
        self._epoch: int | None = None  # of the timeline; each epoch is a session

    def expect_hop(self, hop: int) -> None:
        """Allow for the delay of a hop: the first of its frames waits for the last."""
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
        """Number of frames that wait for the model."""
        return len(self._pending)

    def collect(self, now_ns: int) -> None:
        """Take the complete frames of the timeline; drop the oldest beyond `max_backlog`."""
        self._pending.extend(self.timeline.pop(self.stamps.time_ns(now_ns)))
        if dropped := max(0, len(self._pending) - self._max_backlog):
            for _ in range(dropped):
                self._pending.popleft()
            self.health.count(
                'dropped',
                dropped,
                trouble='overload: the model is too slow; {total} frames dropped in total',
            )
        self.health.set_counters(self.timeline.counters, TROUBLES)

    def ready(self, now_ns: int, hop: int = 1) -> int:
        """Number of frames to be answered next, all of one session; 0: wait for more.

        Fewer frames than `hop` are answered if no more can come (the next session has begun), or
        if they are late: a speaker who stops sending leaves less than a hop.
        """
        if not self._pending:
            return 0
        epoch = self._pending[0].epoch
        run = len(list(takewhile(lambda frame: frame.epoch == epoch, self._pending)))
        patience_ns = (hop + LEFTOVER_FRAMES) * FRAME_NS
        is_late = self.stamps.time_ns(now_ns) - self._pending[0].stamp_ns > patience_ns
        return run if run >= hop or run < len(self._pending) or is_late else 0

    def take(self, count: int) -> list[TimelineFrame]:
        """The oldest frames; at most as many as `ready` says."""
        return [self._pending.popleft() for _ in range(count)]

    def starts_session(self, frames: Sequence[TimelineFrame]) -> bool:
        """Whether these frames belong to another session than the frames before."""
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
            bool: False if values are not finite; the session must be reset then.
        """
        if not all(np.isfinite(values).all() for values in faces.values()):
            self.health.count(
                'not_finite', len(frames), trouble='the model returned values that are not finite'
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
            self.health.count('dropped', dropped, trouble='{total} frames dropped in total')
        if reaction is not None:
            self.health.latency('playout', (now_ns - reaction.ready_ns) / 1e9)
            self.health.latency('latency', (now_ns - reaction.source_stamp_ns) / 1e9)
        return reaction
