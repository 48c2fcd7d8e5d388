# SPDX-License-Identifier: Apache-2.0
"""Joins a face and a voice by time on a grid of 25 frames a second; live and for training alike.

Slot n of the grid is nominally at c_n = anchor + 40 ms x n, where the anchor is the stamp of the
first frame. It takes the earliest frame stamped within 20 ms of c_n, so that
cameras of 25, 30 or 60 frames a second are thinned out without looking ahead, and the two newest
embeddings that end by c_n (+ 10 ms: the sound's grid has its own phase). A slot is given out as
soon as both are there. It waits for a stream that is alive, longer than that stream's usual delay
by `max_wait_s` at most; one that has gone is not waited for. A voice that has not begun is waited
for likewise in the first 0.2 s of an epoch: a live voice's first embeddings need their time. Where
both are silent it goes on for `jump_s`, then it stops.

What else can happen, each counted:
- a slot without a frame, while later ones have come: the last face holds for `hold_s`, then the
  slot has no valid face (`gaps`)
- a frame in which the tracker did not find the face, or that has no value at all: no valid face
  (`low_confidence`); embeddings that are not finite: as if none had come (`audio_not_finite`)
- a frame in which some values are missing (NaN): the others are used, the mask says which they
  are (`partly_valid`)
- the same stamp twice (`duplicates`); a frame whose slot is gone (`late`); two in a slot
  (`surplus`); a stamp ahead of the clock by more than `jump_s` (`from_the_future`, dropped), or
  single ones that fall back by more than that (`from_the_past`, dropped)
- three stamps in a row that fall back so far, or nothing of either stream for as long: the clock
  jumped, or a recording began anew (`clock_jumps`, `interruptions`): a new epoch, index 0
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from robot_face_gen.features.face_frame import MIN_CONFIDENCE, FaceFrame
from robot_face_gen.layout import (
    BRANCHES,
    LANDMARK_POINTS,
    VALUE_MASK_SLICES,
    VALUE_MASK_WIDTH,
)
from robot_face_gen.timing import EMBEDDING_NS, EMBEDDINGS_PER_FRAME, PERIOD_NS

from .buffers import Arrivals, EmbeddingBuffer, FaceBuffer, Rewinds
from .crop import FaceCrop, FaceCropParameters
from .timeline_frame import TimelineFrame

__all__ = ['Timeline', 'TimelineFrame']

_HALF_NS = PERIOD_NS // 2
_PHASE_NS = EMBEDDING_NS // 2
_BEGINNING_NS = 200_000_000
_NOTHING_VALID = np.zeros(VALUE_MASK_WIDTH, bool)


class Timeline:
    """Takes frames and embeddings in any order, gives slots out in theirs.

    The clock is passed in; stamps and `now_ns` are of one clock.

    Args:
        audio_dim: of an embedding.
        max_wait_s: how much longer than usual a stream is waited for.
        min_confidence: a face below it is not believed; may be changed at any time.
        hold_s: how long a face holds where none comes.
        jump_s: stamps that fall back, or nothing at all, for so long begin a new epoch.
        alive_s: a stream that has been silent for so long is not waited for.
        crop: parameters of the face crop.
    """

    def __init__(
        self, *, audio_dim: int = 384, max_wait_s: float = 0.12,
        min_confidence: float = MIN_CONFIDENCE, hold_s: float = 0.1, jump_s: float = 1.0,
        alive_s: float = 1.0, crop: FaceCropParameters | None = None,
    ) -> None:  # fmt: skip
        self.min_confidence = min_confidence
        self.max_wait_ns = round(max_wait_s * 1e9)
        self._hold_ns, self._jump_ns = round(hold_s * 1e9), round(jump_s * 1e9)
        self._audio_dim = audio_dim
        self._faces, self._voice, self._rewinds = FaceBuffer(), EmbeddingBuffer(), Rewinds()
        self._face_arrivals, self._voice_arrivals = (Arrivals(round(alive_s * 1e9)) for _ in '12')
        self._crop = FaceCrop(crop)
        self._anchor_ns: int | None = None
        self._next = 0
        self._epoch = 0
        self._held: FaceFrame | None = None
        self._known_until_ns = 0  # the newest of either stream in this epoch
        self._begun: list[TimelineFrame] = []  # of an epoch that ended, not yet given out
        self.counters: Counter[str] = Counter()

    def push_face(self, frame: FaceFrame, now_ns: int) -> None:
        """A frame of the tracker."""
        if frame.stamp_ns > now_ns + self._jump_ns:
            self.counters['from_the_future'] += 1
            return
        newest = self._newest_face_ns()
        if newest is not None and frame.stamp_ns < newest - self._jump_ns:
            fallen, single = self._rewinds.add(frame)
            if fallen:
                self.counters['clock_jumps'] += 1
                self._fall_back(fallen[0].stamp_ns)
        else:
            fallen, single = [frame], self._rewinds.give_up()
        if single:
            self.counters['from_the_past'] += single
        for each in fallen:
            self._add_face(each, now_ns)

    def _add_face(self, frame: FaceFrame, now_ns: int) -> None:
        self._face_arrivals.arrived(frame.stamp_ns, now_ns)
        if self._anchor_ns is not None and frame.stamp_ns <= self._end_ns(self._next - 1):
            behind = self._held is not None and frame.stamp_ns == self._held.stamp_ns
            self.counters['duplicates' if behind else 'late'] += 1
            return
        self._known_until_ns = max(self._known_until_ns, frame.stamp_ns)
        if event := self._faces.add(frame):
            self.counters[event] += 1

    def push_audio(
        self, stamp_ns: int, embeddings: np.ndarray, rate_hz: float, now_ns: int
    ) -> None:
        """Embeddings (n, dim) from one time on.

        Raises:
            ValueError: another rate or dim than the timeline is for.
        """
        if abs(rate_hz - 1e9 / EMBEDDING_NS) > 1e-3:
            raise ValueError(f'rate_hz = {rate_hz}: expected {1e9 / EMBEDDING_NS:g}')
        data = np.asarray(embeddings, np.float32)
        if data.ndim != 2 or data.shape[1] != self._audio_dim:
            raise ValueError(f'embeddings of shape {data.shape}: expected (n, {self._audio_dim})')
        if stamp_ns > now_ns + self._jump_ns:
            self.counters['from_the_future'] += 1
            return
        if not np.isfinite(data).all():
            self.counters['audio_not_finite'] += 1
            return
        newest = self._voice.last_ns
        if newest is not None and stamp_ns < newest - self._jump_ns:
            self.counters['audio_jumps'] += 1
            self._voice.clear()
        for i, embedding in enumerate(data):
            end_ns = stamp_ns + (i + 1) * EMBEDDING_NS
            if event := self._voice.add(end_ns, embedding, _PHASE_NS // 2):
                self.counters[event] += 1
        end_ns = stamp_ns + len(data) * EMBEDDING_NS
        self._known_until_ns = max(self._known_until_ns, end_ns)
        self._voice_arrivals.arrived(end_ns, now_ns)

    def pop(self, now_ns: int, until_ns: int | None = None) -> list[TimelineFrame]:
        """The slots that are complete, or have waited long enough.

        Args:
            now_ns: the time.
            until_ns: only slots whose middle is before this time; None is all.
        """
        out, self._begun = self._begun, []
        while (
            self._anchored(now_ns)
            and (until_ns is None or self._middle_ns(self._next) < until_ns)
            and self._due(now_ns)
        ):
            out.append(self._take())
        return out

    def flush(self) -> list[TimelineFrame]:
        """All slots up to the last face that came, without waiting for anything."""
        out, self._begun = self._begun, []
        while (first_ns := self._faces.first_ns) is not None:
            if self._anchor_ns is not None and self._interrupted():
                self.counters['interruptions'] += 1
                self._new_epoch()
            if self._anchor_ns is None:
                self._begin(first_ns)
            out.append(self._take())
        return out

    def reset(self) -> None:
        """Begin anew, as if nothing had come."""
        self._begun.clear()
        self._faces.clear()
        self._voice.clear()
        self._new_epoch()

    # -- the grid

    def _middle_ns(self, index: int) -> int:
        assert self._anchor_ns is not None
        return self._anchor_ns + index * PERIOD_NS

    def _end_ns(self, index: int) -> int:
        return self._middle_ns(index) + _HALF_NS

    def _newest_face_ns(self) -> int | None:
        if self._faces.last_ns is not None:
            return self._faces.last_ns
        return self._held.stamp_ns if self._held is not None else None

    def _new_epoch(self) -> None:
        self._crop.reset()
        self._anchor_ns, self._held, self._next, self._known_until_ns = None, None, 0, 0

    def _fall_back(self, stamp_ns: int) -> None:
        """The clock fell back: give out what waits, and forget sound of the time before."""
        if self._anchor_ns is not None:
            while len(self._faces) and not self._interrupted():
                self._begun.append(self._take())
        self._faces.clear()
        if self._voice.last_ns is not None and self._voice.last_ns > stamp_ns + self._jump_ns:
            self._voice.clear()
        self._new_epoch()

    def _begin(self, anchor_ns: int) -> None:
        self._anchor_ns, self._next = anchor_ns, 0
        self._epoch += 1

    def _anchored(self, now_ns: int) -> bool:
        """Whether there is a grid; lays one where there can be."""
        if self._anchor_ns is not None and self._interrupted():
            self.counters['interruptions'] += 1
            self._new_epoch()
        if self._anchor_ns is None and self._faces.first_ns is not None:
            self._begin(self._faces.first_ns)
        first, last = self._voice.first_ns, self._voice.last_ns
        # A camera may still be starting: only after a while the sound alone sets the time.
        long_sound = first is not None and last is not None and last - first > self._jump_ns
        if self._anchor_ns is None and last is not None and long_sound:
            self._begin(last)
        return self._anchor_ns is not None

    def _interrupted(self) -> bool:
        """Whether the next thing that is known comes longer than `jump_s` after the next slot."""
        middle = self._middle_ns(self._next)
        coming = [
            t for t in (self._faces.first_ns, self._voice.first_from(middle)) if t is not None
        ]
        return bool(coming) and min(coming) > middle + self._jump_ns

    # -- one slot

    def _due(self, now_ns: int) -> bool:
        middle = self._middle_ns(self._next)
        face = len(self._faces) > 0  # of this slot, or of a later one: then this slot's was lost
        voice = self._voice.reaches(middle + _PHASE_NS, EMBEDDING_NS)
        if not face and not voice:
            # Nothing of this slot or after it has come: go on for a while, as over a short gap.
            if middle > self._known_until_ns + self._jump_ns:
                return False
            usual = (self._face_arrivals.usual_delay_ns(), self._voice_arrivals.usual_delay_ns())
            return now_ns >= middle + max(usual) + self.max_wait_ns
        waits = []
        if not face and self._face_arrivals.alive(now_ns):
            waits.append(self._face_arrivals.usual_delay_ns())
        if not voice and (self._voice_arrivals.alive(now_ns) or self._may_begin(middle)):
            waits.append(self._voice_arrivals.usual_delay_ns())
        if not waits:
            return True
        return now_ns >= middle + max(waits) + self.max_wait_ns

    def _may_begin(self, middle_ns: int) -> bool:
        """Whether a voice that has not begun may still have sound for this slot.

        The first slot's sound is that before the first frame: there is none.
        """
        assert self._anchor_ns is not None
        since_ns = middle_ns - self._anchor_ns
        return self._voice_arrivals.never and 0 < since_ns < _BEGINNING_NS

    def _take(self) -> TimelineFrame:
        index = self._next
        middle, end = self._middle_ns(index), self._end_ns(index)
        self._next += 1
        candidates = self._faces.until(end)
        # The earliest, believed or not: which it is must not depend on when the sound comes.
        chosen = (
            candidates[0] if candidates and candidates[0].is_valid(self.min_confidence) else None
        )
        if len(candidates) > 1:
            self.counters['surplus'] += len(candidates) - 1
        source_ns, valid = middle, True
        if chosen is not None:
            self._held, source_ns = chosen, chosen.stamp_ns
        elif candidates:
            source_ns, valid = candidates[0].stamp_ns, False
            self.counters['low_confidence'] += 1
        else:
            self.counters['gaps'] += 1
            valid = self._held is not None and middle - self._held.stamp_ns <= self._hold_ns
        face = self._held
        if chosen is not None and not chosen.mask.all():
            self.counters['partly_valid'] += 1
        # A face without landmarks leaves the crop as it is: it is not a face that was lost.
        if chosen is None or chosen.mask[0]:
            self._crop.update(
                face.landmarks if face is not None else np.zeros(2 * LANDMARK_POINTS),
                chosen is not None,
            )
        audio = self._voice.pair(middle + _PHASE_NS, EMBEDDING_NS)
        self._voice.forget(middle - self._jump_ns)
        if audio is None:
            self.counters['without_audio'] += 1
        return TimelineFrame(
            index=index, epoch=self._epoch, stamp_ns=end, source_stamp_ns=source_ns,
            face_valid=valid, audio_valid=audio is not None,
            audio=np.zeros((EMBEDDINGS_PER_FRAME, self._audio_dim), np.float32)
            if audio is None else audio,
            mask=face.mask if face is not None and valid else _NOTHING_VALID,
            **self._values(face),
        )  # fmt: skip

    def _values(self, face: FaceFrame | None) -> dict[str, np.ndarray]:
        """Values of a face for the model: landmarks in the crop, 0 where a value is missing."""
        if face is None:
            return {name: np.zeros(width, np.float32) for name, width in BRANCHES.items()}
        values = {name: getattr(face, name) for name in BRANCHES}
        values['landmarks'] = self._crop.to_crop(face.landmarks)
        if face.mask.all():
            return values
        return {
            name: np.where(face.mask[VALUE_MASK_SLICES[name]], part, np.float32(0.0))
            for name, part in values.items()
        }
