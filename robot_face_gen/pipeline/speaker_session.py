# SPDX-License-Identifier: Apache-2.0
"""One speaker: input that waits for the model, and reactions that wait to be published."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.timing import PERIOD_NS, SECOND_NS

from .continuity import Continuity
from .health import Health
from .playout import Playout
from .stream_clock import DriftingClock
from .timeline import Timeline, TimelineFrame

LEFTOVER_FRAMES = 5  # additional wait before fewer frames than a hop are answered
MAX_SKEW_NS = SECOND_NS  # stamps that differ less from the node's clock are used as they are
_SAME_OFFSET_NS = SECOND_NS // 2
# Streams with different offsets; a clock that jumped changes both sooner.
_APART_NS = 2 * SECOND_NS
_OFFSET_STAMPS = 3  # consecutive stamps with the same offset that change the offset
# Counters of the timeline that raise a warning.
TROUBLES = {
    'clock_jumps': 'the stamps jumped back (clock or recording): a new session was started',
    'from_the_past': '{total} frames with old stamps dropped: two sources, or two clocks?',
    'from_the_future': '{total} frames or embeddings with stamps in the future dropped',
    'audio_jumps': 'the stamps of the sound jumped back {total} times',
}


@dataclass(frozen=True)
class Reaction:
    """One frame of the listener."""

    face: dict[str, np.ndarray]  # landmarks (136,) in crop units, au (18,), pose (4,), gaze (2,)
    frame: TimelineFrame  # the speaker's frame that it answers
    source_stamp_ns: int  # stamp of the speaker's frame that it answers
    ready_ns: int  # when the model returned it


class StampClock:
    """Estimates the offset between the clock of the message stamps and the node's clock.

    Stamps are usually within a second of the node's clock: the offset is 0. They are not if a bag
    is played without /clock, or if the clock of another machine is wrong. The offset changes
    after several consecutive stamps with the same larger difference; single ones are ignored.
    """

    def __init__(self) -> None:
        self.offset_ns = 0  # the node's clock minus the clock of the stamps
        self._candidates: list[int] = []

    def time_ns(self, now_ns: int) -> int:
        """Time of the stamps' clock when the node's clock shows `now_ns`."""
        return now_ns - self.offset_ns

    def arrived(self, stamp_ns: int, now_ns: int) -> bool:
        """A message with this stamp has arrived; returns whether the offset has changed."""
        offset_ns = now_ns - stamp_ns
        if abs(offset_ns - self.offset_ns) <= MAX_SKEW_NS:
            self._candidates.clear()
            return False
        self._candidates.append(offset_ns)
        if max(self._candidates) - min(self._candidates) > _SAME_OFFSET_NS:
            self._candidates = [offset_ns]
        if len(self._candidates) < _OFFSET_STAMPS:
            return False
        self.set(min(self._candidates))
        return True

    def set(self, offset_ns: int) -> None:
        """Use an offset; a small one is none."""
        self.offset_ns = offset_ns if abs(offset_ns) > MAX_SKEW_NS else 0
        self._candidates.clear()


class SpeakerSession:
    """A timeline before the model and a playout after it.

    Arguments and return values are times of the node's clock. Internally, times are of the clock
    of the message stamps; `stamps` knows the offset.

    `pop` and `next_due_ns` may be called by a different thread than the other methods. If more
    than `max_backlog` frames wait for the model, the oldest are dropped.
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
        self._clocks = {'face': DriftingClock(), 'audio': DriftingClock()}
        self._apart_ns: int | None = None  # since when the streams have different offsets
        self._continuity = Continuity()
        self._playout = playout
        self._spread_ns = playout.max_delay_ns  # allowed in addition to the delay of a hop
        self._lock = threading.Lock()  # guards the playout, which two threads use
        self._max_backlog = max_backlog
        self._pending: deque[TimelineFrame] = deque()
        self._epoch: int | None = None  # of the timeline; each epoch is a session

    def expect_hop(self, hop: int) -> None:
        """Allow for the delay of a hop: its first frame waits for its last one."""
        with self._lock:
            self._playout.max_delay_ns = self._spread_ns + (hop - 1) * PERIOD_NS

    def corrected(self, stream: str, stamp_ns: int, now_ns: int) -> int:
        """A stamp of 'face' or 'audio' that has arrived now, without the drift of its clock.

        Pass the stamps of a stream in the order of their arrival, from one thread for both.
        """
        clock = self._clocks[stream]
        did = clock.drifts
        stamp_ns = clock.correct(stamp_ns, now_ns, self.stamps.offset_ns)
        if stream == 'audio':
            self._compare_streams(now_ns - stamp_ns, now_ns)
        if clock.drifts and not did:
            way = 'slow' if clock.rate > 0 else 'fast'
            text = (
                f'the stamps of the {stream} run {abs(100 * clock.rate):.1f} % {way} against this '
                'clock (a frame number divided by a nominal rate?), or are ever later'
            )
            self._warn_of(stream, f'{text}: using the times of arrival')
        if did and not clock.drifts:
            self.health.mend(f'{stream} clock')
        if clock.drifts or did:
            self.health.fact(f'{stream}_clock_drift_percent', f'{-100 * clock.rate:.2f}')
            self.health.fact(f'{stream}_clock_correction_s', f'{clock.correction_ns / 1e9:.2f}')
        return stamp_ns

    def _compare_streams(self, offset_ns: int, now_ns: int) -> None:
        """Correct the face, if its stamps decided for another clock, but the voice is on ours."""
        if self.stamps.offset_ns == 0 or abs(offset_ns) > MAX_SKEW_NS:
            self._apart_ns = None
        elif self._apart_ns is None or now_ns < self._apart_ns:
            self._apart_ns = now_ns
        elif now_ns - self._apart_ns > _APART_NS:
            apart_s = (self.stamps.offset_ns - offset_ns) / 1e9
            self.stamps.set(0)
            self._clocks['face'].follow_arrivals(0)
            text = (
                f'the stamps of the face are {abs(apart_s):.1f} s '
                f'{"behind" if apart_s > 0 else "ahead of"} those of the audio: using the times '
                'of arrival'
            )
            self._warn_of('face', text)

    def _warn_of(self, stream: str, text: str) -> None:
        self.health.count('clock_drifts')
        self.health.warn(f'{stream} clock', text)

    def push_face(self, frame: FaceFrame, now_ns: int) -> None:
        """Add a frame of the speaker's face."""
        self.timeline.push_face(frame, self.stamps.time_ns(now_ns))

    def push_audio(self, stamp_ns: int, data: np.ndarray, now_ns: int) -> None:
        """Add consecutive embeddings (n, dim); `stamp_ns` is the start of the first one."""
        self.timeline.push_audio(stamp_ns, data, self.stamps.time_ns(now_ns))

    @property
    def waiting(self) -> int:
        """Number of frames that wait for the model."""
        return len(self._pending)

    def collect(self, now_ns: int) -> None:
        """Take the complete frames of the timeline; drop the oldest if there are too many."""
        self._pending.extend(self.timeline.pop(self.stamps.time_ns(now_ns)))
        if dropped := max(0, len(self._pending) - self._max_backlog):
            for _ in range(dropped):
                self._pending.popleft()
            self.health.drop(dropped, 'frames', 'the model is too slow')
        self.health.set_counters(self.timeline.counters, TROUBLES)

    def ready(self, now_ns: int, hop: int = 1) -> int:
        """Number of frames to answer next, all of one session; 0: wait for more.

        Fewer frames than `hop` are answered if the next session has started, or if they have
        waited long: a speaker who stops sending may leave less than a hop.
        """
        if not self._pending:
            return 0
        epoch = self._pending[0].epoch
        run = len(list(takewhile(lambda frame: frame.epoch == epoch, self._pending)))
        max_wait_ns = (hop + LEFTOVER_FRAMES) * PERIOD_NS
        is_late = self.stamps.time_ns(now_ns) - self._pending[0].stamp_ns > max_wait_ns
        return run if run >= hop or run < len(self._pending) or is_late else 0

    def take(self, count: int) -> list[TimelineFrame]:
        """Remove and return the oldest frames; at most as many as `ready` returned."""
        return [self._pending.popleft() for _ in range(count)]

    def starts_session(self, frames: Sequence[TimelineFrame]) -> bool:
        """Whether these frames belong to a different session than the previous ones."""
        epoch, self._epoch = self._epoch, frames[0].epoch
        if epoch is None or epoch == self._epoch:
            return False
        self.health.count('session_resets')
        return True

    def interrupted(self) -> None:
        """The model's session was lost: its next answers must not make the face jump."""
        self._continuity.changed()
        self.health.count('session_resets')

    def deliver(
        self,
        frames: Sequence[TimelineFrame],
        faces: Mapping[str, np.ndarray],
        now_ns: int,
        took_s: float,
    ) -> bool:
        """Add the answers (n, width) to frames taken at `now_ns`; the model needed `took_s`.

        False if values are not finite; the caller must reset the session.
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
                    Reaction(face, frame, frame.source_stamp_ns, ready_ns),
                    frame.source_stamp_ns,
                    ready_ns,
                )
        return True

    @property
    def next_due_ns(self) -> int | None:
        """When the next reaction is due; None if there is none."""
        with self._lock:
            due_ns = self._playout.next_due_ns
        return None if due_ns is None else due_ns + self.stamps.offset_ns

    def pop(self, now_ns: int) -> Reaction | None:
        """Remove and return the reaction that is due; None if there is none."""
        now_ns = self.stamps.time_ns(now_ns)
        with self._lock:
            before = self._playout.dropped
            reaction = self._playout.pop(now_ns)
            dropped = self._playout.dropped - before
        if dropped:
            self.health.drop(dropped, 'reactions', 'they were ready more than 1 s late')
        if reaction is not None:
            reaction = self._continuous(reaction)
            self.health.latency('playout', (now_ns - reaction.ready_ns) / 1e9)
            self.health.latency('latency', (now_ns - reaction.source_stamp_ns) / 1e9)
        return reaction

    def _continuous(self, reaction: Reaction) -> Reaction:
        """Without a jump from the last one that was released, whatever was dropped in between."""
        faces = {name: values[None] for name, values in reaction.face.items()}
        limited = self._continuity.apply([reaction.frame], faces)
        return replace(reaction, face={name: values[0] for name, values in limited.items()})
