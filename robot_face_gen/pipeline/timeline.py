# SPDX-License-Identifier: Apache-2.0
"""Joins a face and a voice by time into slots of 25 Hz; used live and for training data.

The middle of slot n is at anchor + 40 ms x n. The anchor is the stamp of the first frame. A slot
uses the earliest frame stamped within 20 ms of its middle, so that cameras of 25, 30 or 60 frames
a second are reduced to 25 Hz without looking ahead. It uses the two newest embeddings that end
`audio_delay_s` before its middle or earlier (+ 10 ms, because the grid of the sound has its own
phase). To do so, the delay is added to the stamps of all embeddings when they arrive.

A slot is returned as soon as both are there. It waits for a stream that is alive, at most for the
usual delay of that stream plus `max_wait_s`. It does not wait for a stream that has stopped.
In the first 0.2 s that can have sound, it also waits for a voice that has not started: the first
embeddings of a live voice arrive late. If both streams stop, slots continue for `jump_s`, then
they stop.

Other events; each is counted:
- no frame for a slot, but a later frame has arrived: the last face is held for 0.1 s, then the
  slot has no valid face (`gaps`)
- a frame without a detected face, or without any value: no valid face (`low_confidence`)
- a frame with some missing values (NaN): the other values are used, the mask shows which
  (`partly_valid`)
- a stamp that was already received (`duplicates`), a frame whose slot has been returned (`late`),
  a second frame for the same slot (`surplus`): dropped
- a stamp more than `jump_s` after the current time: dropped (`from_the_future`)
- single stamps more than `jump_s` before the newest one: dropped (`from_the_past`)
- three such stamps in a row (`clock_jumps`), or neither stream for `jump_s` (`interruptions`): the
  clock jumped or a recording started again; a new epoch starts with index 0
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from robot_face_gen.features.face_frame import MIN_CONFIDENCE, FaceFrame
from robot_face_gen.layout import BRANCHES, VALUE_MASK_SLICES, VALUE_MASK_WIDTH
from robot_face_gen.timing import (
    EMBEDDING_NS,
    EMBEDDINGS_PER_FRAME,
    MAX_AUDIO_DELAY_S,
    MAX_WAIT_S,
    PERIOD_NS,
)

from .buffers import Arrivals, EmbeddingBuffer, FaceBuffer, Rewinds
from .crop import FaceCrop, FaceCropParameters
from .timeline_frame import TimelineFrame

_HALF_NS = PERIOD_NS // 2
_PHASE_NS = EMBEDDING_NS // 2
_HOLD_NS = 100_000_000
_VOICE_START_NS = 200_000_000  # time in which a voice may start
_NO_LANDMARKS = np.zeros(BRANCHES['landmarks'])
_NOTHING_VALID = np.zeros(VALUE_MASK_WIDTH, bool)


class Timeline:
    """Accepts frames and embeddings in any order, and returns slots in order of time.

    The current time is an argument; `now_ns` and the stamps are of the same clock.

    Args:
        audio_dim: width of an embedding.
        audio_delay_s: how much older than its face the sound of a slot is: as in the training.
        max_wait_s: how long a slot waits for a stream in addition to its usual delay.
        min_confidence: frames with a lower confidence are treated as missing; may be changed at
            any time.
        jump_s: a longer jump back of the stamps, or a longer interruption, starts a new epoch.
        crop: parameters of the face crop.
        endless: slots continue while there is no input at all.

    Raises:
        ValueError: an impossible delay.
    """

    def __init__(
        self, *, audio_dim: int = 384, audio_delay_s: float = 0.0, max_wait_s: float = MAX_WAIT_S,
        min_confidence: float = MIN_CONFIDENCE, jump_s: float = 1.0,
        crop: FaceCropParameters | None = None, endless: bool = False,
    ) -> None:  # fmt: skip
        if not 0.0 <= audio_delay_s <= MAX_AUDIO_DELAY_S:
            raise ValueError(
                f'audio_delay_s = {audio_delay_s}: expected 0 to {MAX_AUDIO_DELAY_S:g}'
            )
        self._audio_delay_ns = round(audio_delay_s * 1e9)
        self.min_confidence = min_confidence
        self.max_wait_ns = round(max_wait_s * 1e9)
        self._jump_ns = round(jump_s * 1e9)
        self._no_audio = np.zeros((EMBEDDINGS_PER_FRAME, audio_dim), np.float32)
        self._faces, self._voice, self._rewinds = FaceBuffer(), EmbeddingBuffer(), Rewinds()
        self._face_arrivals, self._voice_arrivals = Arrivals(), Arrivals()
        self._crop = FaceCrop(crop)
        self._endless = endless
        self._anchor_ns: int | None = None
        self._next = 0
        self._epoch = 0
        self._held: FaceFrame | None = None
        self._known_until_ns = 0  # newest time of both streams in this epoch
        self._ended: list[TimelineFrame] = []  # slots of the epoch before, not yet returned
        self.counters: Counter[str] = Counter()

    def push_face(self, frame: FaceFrame, now_ns: int) -> None:
        """Add a frame of the tracker."""
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

    def push_audio(self, stamp_ns: int, data: np.ndarray, now_ns: int) -> None:
        """Add consecutive embeddings (n, dim), finite, 50 a second; the first begins at a time."""
        if stamp_ns > now_ns + self._jump_ns:
            self.counters['from_the_future'] += 1
            return
        stamp_ns += self._audio_delay_ns  # from here on, all times of sound are the slots'
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
        # The first embedding of a block has waited longest.
        self._voice_arrivals.arrived(stamp_ns + EMBEDDING_NS, now_ns)

    def pop(self, now_ns: int, until_ns: int | None = None) -> list[TimelineFrame]:
        """Slots that are complete or have waited long enough, with a middle before `until_ns`."""
        out, self._ended = self._ended, []
        while self._has_grid():
            if self._endless:
                self._skip_unseen(now_ns)
            is_later = until_ns is not None and self._middle_ns(self._next) >= until_ns
            if is_later or not self._due(now_ns):
                break
            out.append(self._take())
        return out

    def _skip_unseen(self, now_ns: int) -> None:
        """Leave out slots without input that are long past: a stop, or a clock jump."""
        if (
            self._anchor_ns is None
            or len(self._faces)
            or self._voice.reaches(self._middle_ns(self._next), EMBEDDING_NS)
        ):
            return
        late_ns = now_ns - self._longest_wait_ns() - self._middle_ns(self._next)
        if late_ns > 2 * self._jump_ns:
            slots = late_ns // PERIOD_NS
            self._next += slots
            self.counters['skipped'] += slots

    def flush(self) -> list[TimelineFrame]:
        """All slots up to the last frame, without waiting."""
        out, self._ended = self._ended, []
        while len(self._faces) and self._has_grid():
            out.append(self._take())
        return out

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
        """The clock jumped back: finish the waiting slots, drop the sound of the old time."""
        if self._anchor_ns is not None:
            while len(self._faces) and not self._interrupted():
                self._ended.append(self._take())
        self._faces.clear()
        if self._voice.last_ns is not None and self._voice.last_ns > stamp_ns + self._jump_ns:
            self._voice.clear()
        self._new_epoch()

    def _begin(self, anchor_ns: int) -> None:
        self._anchor_ns, self._next = anchor_ns, 0
        self._epoch += 1

    def _has_grid(self) -> bool:
        """Whether slots are defined; starts an epoch if possible."""
        if self._anchor_ns is not None and self._interrupted():
            self.counters['interruptions'] += 1
            self._new_epoch()
        if self._anchor_ns is None and self._faces.first_ns is not None:
            self._begin(self._faces.first_ns)
        first, last = self._voice.first_ns, self._voice.last_ns
        # A camera may still be starting, so the sound alone starts an epoch only after `jump_s`.
        long_sound = first is not None and last is not None and last - first > self._jump_ns
        if self._anchor_ns is None and last is not None and long_sound:
            self._begin(last)
        return self._anchor_ns is not None

    def _interrupted(self) -> bool:
        """Whether the next frame or sound is more than `jump_s` after the next slot."""
        middle = self._middle_ns(self._next)
        following = [
            t for t in (self._faces.first_ns, self._voice.first_from(middle)) if t is not None
        ]
        return bool(following) and min(following) > middle + self._jump_ns

    # -- one slot

    def _due(self, now_ns: int) -> bool:
        middle = self._middle_ns(self._next)
        face = len(self._faces) > 0  # of this slot, or of a later one if this one's was lost
        voice = self._voice.reaches(middle + _PHASE_NS, EMBEDDING_NS)
        if not face and now_ns < middle:  # delayed sound is there before its time
            return False
        if not face and not voice:
            # Nothing has arrived for this slot or later ones: continue for `jump_s`.
            if middle > self._known_until_ns + self._jump_ns and not self._endless:
                return False
            return now_ns >= middle + self._longest_wait_ns()
        waits = []
        if not face and self._face_arrivals.alive(now_ns):
            waits.append(self._face_arrivals.usual_delay_ns())
        if not voice and (self._voice_arrivals.alive(now_ns) or self._voice_may_start(middle)):
            waits.append(self._voice_arrivals.usual_delay_ns())
        if not waits:
            return True
        return now_ns >= middle + max(waits) + self.max_wait_ns

    def _longest_wait_ns(self) -> int:
        usual = (self._face_arrivals.usual_delay_ns(), self._voice_arrivals.usual_delay_ns())
        return max(usual) + self.max_wait_ns

    def _voice_may_start(self, middle_ns: int) -> bool:
        """Whether a voice that has not started may still deliver sound for this slot.

        Not for the first slots: their sound would be from before the first frame.
        """
        assert self._anchor_ns is not None
        since_ns = middle_ns - self._anchor_ns - self._audio_delay_ns
        return self._voice_arrivals.never and 0 < since_ns < _VOICE_START_NS

    def _take(self) -> TimelineFrame:
        index = self._next
        middle, end = self._middle_ns(index), self._end_ns(index)
        self._next += 1
        candidates = self._faces.until(end)
        # The earliest, valid or not: the choice must not depend on when the sound arrives.
        valid = bool(candidates) and candidates[0].is_valid(self.min_confidence)
        chosen = candidates[0] if valid else None
        if len(candidates) > 1:
            self.counters['surplus'] += len(candidates) - 1
        source_ns = candidates[0].stamp_ns if candidates else middle
        if chosen is not None:
            self._held = chosen
        elif candidates:
            self.counters['low_confidence'] += 1
        else:
            self.counters['gaps'] += 1
            valid = self._held is not None and middle - self._held.stamp_ns <= _HOLD_NS
        face = self._held
        if chosen is None:
            self._crop.update(_NO_LANDMARKS, False)
        elif chosen.mask[0]:  # without landmarks, the crop stays: the face was not lost
            self._crop.update(chosen.landmarks, True)
        if chosen is not None and not chosen.mask.all():
            self.counters['partly_valid'] += 1
        audio = self._voice.pair(middle + _PHASE_NS, EMBEDDING_NS)
        self._voice.forget(middle - self._jump_ns)
        if audio is None:
            self.counters['without_audio'] += 1
        return TimelineFrame(
            index=index, epoch=self._epoch, stamp_ns=end, source_stamp_ns=source_ns,
            face_valid=valid, audio_valid=audio is not None,
            audio=self._no_audio if audio is None else audio,
            mask=face.mask if face is not None and valid else _NOTHING_VALID,
            **self._values(face),
        )  # fmt: skip

    def _values(self, face: FaceFrame | None) -> dict[str, np.ndarray]:
        """Values of a face for the model: landmarks in crop units, 0 for missing values."""
        if face is None:
            return {name: np.zeros(width, np.float32) for name, width in BRANCHES.items()}
        values = {**face.branches, 'landmarks': self._crop.to_crop(face.landmarks)}
        if face.mask.all():
            return values
        return {
            name: np.where(face.mask[VALUE_MASK_SLICES[name]], part, np.float32(0.0))
            for name, part in values.items()
        }
