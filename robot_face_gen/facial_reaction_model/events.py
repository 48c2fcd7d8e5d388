# SPDX-License-Identifier: Apache-2.0
"""Events and residual motion that are added to the network's face; numpy only.

The network predicts a face without events, and for each type of event a logit per frame.
Both the reference (`FacialReactionModel.forward`) and live sessions pass them through
`LiveMotion.add`, so every runner shows the same motion.

Events are marked renewal processes. The hazard of a frame is softplus(logit + table[age]), where
the age is the time since the last event of the type ended; no event begins within another of its
type. An event begins when the hazard accumulated since the last one reaches a threshold. With
thresholds E ~ Exp(1) this is an exact draw (time change, Brown et al. 2002); the threshold is
E**temperature, so at temperature 0 it is 1 and nothing is drawn. The mark is an exemplar: an event
cut from a real listener.

The residual is what base face and events do not explain of real motion: recordings of real
listeners from which base face and events were subtracted, in random order, one fading into the
next. So its distribution, its spectrum and what moves together are real ones. Of landmarks it has
the components that carry most. A session also has the lasting offset of one of these listeners.

What is drawn depends on a session's seed and the number of the segment or event only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..layout import AU, BRANCH_SLICES, BRANCHES, FACE_DIM, INTENSITIES, LANDMARK_POINTS, RX

Arrays = dict[str, np.ndarray]


def _landmarks(first: int, last: int) -> list[int]:
    return [*range(first, last + 1), *range(LANDMARK_POINTS + first, LANDMARK_POINTS + last + 1)]


@dataclass(frozen=True)
class EventType:
    """A type of event.

    Attributes:
        name: in the checkpoint.
        frames: longest exemplar.
        columns: of the face that an event moves.
        depth: of the signal in an untrained model's event.
        signal: the column that defines the event, one of `columns`.
    """

    name: str
    frames: int
    columns: np.ndarray
    signal: int
    depth: float


_POSE = BRANCH_SLICES['pose'].start


def _units(*names: str) -> list[int]:
    return [BRANCH_SLICES['au'].start + AU[name] for name in names]


def _type(name: str, frames: int, columns: list[int], signal: int, depth: float) -> EventType:
    return EventType(name, frames, np.array(columns), signal, depth)


_EYES = _landmarks(36, 47)
_SMILE = _units('AU06', 'AU07', 'AU10', 'AU12', 'AU14', 'AU25', 'AU26')
_BROWS = _units('AU01', 'AU02', 'AU05')
EVENTS = (
    _type('blink', 20, [*_EYES, *_units('AU45')], _units('AU45')[0], 2.0),
    _type('nod', 60, [*_landmarks(0, 67), *range(_POSE, FACE_DIM)], _POSE + RX, 0.08),
    _type('smile', 150, [*_landmarks(0, 16), *_landmarks(31, 67), *_SMILE], _SMILE[3], 1.5),
    _type('brow_raise', 75, [*_landmarks(17, 26), *_EYES, *_BROWS], _BROWS[0], 1.5),
)
EXEMPLARS = 48  # of each type
SEGMENTS, PEOPLE = 72, 32  # of the residual: its segments, and listeners with their offsets
SEGMENT_FRAMES, FADE_FRAMES = 704, 48  # length of a segment, and how much of it overlaps the next
COMPONENTS = 16  # of the residual of landmarks
RESIDUAL_DIM = COMPONENTS + FACE_DIM - BRANCHES['landmarks']  # components, then the other branches
AGE_KNOTS = 10  # of the table over ages: 0, 1, 3, 7 ... frames, linear in log2(1 + age) between
MAX_AGE = 2 ** (AGE_KNOTS - 1) - 1
UNKNOWN_AGE = MAX_AGE + 1  # before the first event of a clip; in training only
PREFIX = 'motion.'  # of the names of weights in a checkpoint
_TYPICAL_PER_MIN = (15.0, 10.0, 3.0, 2.0)
_TYPICAL_FRAMES = (6, 15, 60, 20)
_LARGEST_LOGIT = 30.0
_MASK64 = (1 << 64) - 1
# Frames in which a segment of the residual fades into the next: eyes jump, a head moves slowly.
_FADES = {'landmarks': FADE_FRAMES, 'au': 6, 'pose': FADE_FRAMES, 'gaze': 2}
_HIGHEST = np.array((5.0,) * INTENSITIES + (1.0,), np.float32)


def age_codes() -> np.ndarray:
    """Weights of the table's knots for each age, the unknown one last: (ages, AGE_KNOTS + 1)."""
    place = np.log2(1.0 + np.arange(MAX_AGE + 1))
    known = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(AGE_KNOTS)))
    out = np.zeros((UNKNOWN_AGE + 1, AGE_KNOTS + 1), np.float32)
    out[:-1, :-1], out[-1, -1] = known, 1.0
    return out


def untrained_weights() -> Arrays:
    """Plausible events without a residual: what `Motion` reads of a checkpoint."""
    out: Arrays = {
        'bias': np.log(np.array(_TYPICAL_PER_MIN) / (60 * 25)).astype('f'),
        'ages': np.zeros((len(EVENTS), AGE_KNOTS + 1), 'f'),
        'residual': np.zeros((SEGMENTS, SEGMENT_FRAMES, RESIDUAL_DIM), 'f'),
        'components': np.zeros((COMPONENTS, BRANCHES['landmarks']), 'f'),
        'offset': np.zeros((PEOPLE, FACE_DIM), 'f'),
    }
    for event, frames in zip(EVENTS, _TYPICAL_FRAMES, strict=True):
        shape = np.zeros((event.frames, len(event.columns)), 'f')
        bump = np.sin(np.pi * (np.arange(frames) + 1) / (frames + 1)) ** 2
        shape[:frames, event.columns == event.signal] = event.depth * bump[:, None]
        out[f'{event.name}_shapes'] = np.repeat(shape[None], EXEMPLARS, axis=0)
        out[f'{event.name}_frames'] = np.full(EXEMPLARS, frames, 'f')
    return out


def check_weights(weights: Mapping[str, np.ndarray]) -> None:
    """Check the values that could make a face run away (shapes are checked elsewhere).

    Args:
        weights: the names of `untrained_weights`; others are ignored.

    Raises:
        ValueError: a value is out of range; the message names it.
    """
    limits = {'bias': _LARGEST_LOGIT, 'ages': _LARGEST_LOGIT, 'residual': 10.0, 'offset': 10.0}
    limits['components'] = 1.0
    for name, limit in limits.items():
        largest = np.abs(weights[name]).max(initial=0.0)
        if not largest <= limit:
            raise ValueError(f'{name} holds {largest}: expected at most {limit}')
    for event in EVENTS:
        frames = weights[f'{event.name}_frames']
        whole = (frames == np.round(frames)).all()
        if not (whole and frames.min() >= 1 and frames.max() <= event.frames):
            raise ValueError(
                f'{event.name}_frames holds {frames.min()} to {frames.max()}: expected whole '
                f'numbers from 1 to {event.frames}'
            )
        largest = np.abs(weights[f'{event.name}_shapes']).max(initial=0.0)
        if not largest <= 10:
            raise ValueError(f'{event.name}_shapes holds {largest}: expected at most 10')


class Motion:
    """The weights of events and residual, ready for use.

    Args:
        weights: arrays by the names of `untrained_weights`; others are ignored.
        window_size: frames whose residual is drawn together.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], window_size: int) -> None:
        self.window_size = window_size
        table = np.asarray(weights['ages'], 'f')
        self.ages = (age_codes() @ table.T).astype('f')  # (ages, E)
        frames = np.stack([weights[f'{e.name}_frames'] for e in EVENTS]).astype(np.int64)
        self.shapes = []
        for event, lengths in zip(EVENTS, frames, strict=True):
            within = np.arange(event.frames) < lengths[:, None]
            shapes = np.asarray(weights[f'{event.name}_shapes'], 'f')
            self.shapes.append(shapes * within[..., None].astype('f'))
        # An event of number 0, before the first one of a session, has no frames.
        self.frames = np.concatenate((np.zeros_like(frames[:, :1]), frames), axis=1)
        self.offset = np.asarray(weights['offset'], 'f')
        self.residual = np.asarray(weights['residual'], 'f')
        self.components = np.asarray(weights['components'], 'f')
        self.has_residual = bool(self.residual.any() or self.offset.any())
        widths = {**BRANCHES, 'landmarks': COMPONENTS}
        fade = np.array([_FADES[name] for name in BRANCHES for _ in range(widths[name])])
        rise = np.clip((np.arange(FADE_FRAMES)[:, None] + 1) / (fade + 1), 0, 1)
        rise = rise * rise * (3 - 2 * rise)
        # Shares of the new segment and the last: those of independent motion keep its power;
        # levels of action units, which are not around 0, need a sum of 1.
        self.fades = np.sin(np.pi / 2 * np.stack((rise, 1 - rise)))
        au = slice(COMPONENTS, COMPONENTS + BRANCHES['au'])
        self.fades[..., au] = rise[:, au], 1 - rise[:, au]
        self.fades = self.fades.astype('f')

    def draw_event(
        self, seed: int, kind: int, number: int, temperature: float
    ) -> tuple[float, int]:
        """Threshold of an event of a session, and the exemplar (1 to EXEMPLARS) if it happens."""
        if temperature == 0:
            return 1.0, 1
        generator = _generator(seed, number, 1 + kind)
        threshold = generator.standard_exponential() ** temperature
        # Exemplars are in the order of how typical they are.
        place = generator.random() ** (1 / min(temperature, 1.0))
        return threshold, 1 + int(place * EXEMPLARS)

    def draw_residual(self, seed: int, window: int) -> np.ndarray:
        """The residual (window_size, 160) of a window of a session."""
        person = int(_generator(seed, 0, 1 + len(EVENTS)).integers(PEOPLE))
        place = window * self.window_size + np.arange(self.window_size)
        number, at = np.divmod(place, SEGMENT_FRAMES - FADE_FRAMES)
        out = np.empty((self.window_size, RESIDUAL_DIM), np.float32)
        for segment in range(number[0], number[-1] + 1):
            mine = number == segment
            out[mine] = self.residual[self._segment(seed, segment), at[mine]]
            fading = mine & (at < FADE_FRAMES)
            if segment > 0 and fading.any():
                phase = at[fading]
                last = self.residual[
                    self._segment(seed, segment - 1), SEGMENT_FRAMES - FADE_FRAMES + phase
                ]
                new_share, last_share = self.fades[:, phase]
                out[fading] = new_share * out[fading] + last_share * last
        landmarks = out[:, :COMPONENTS] @ self.components
        return np.concatenate((landmarks, out[:, COMPONENTS:]), axis=1) + self.offset[person]

    @staticmethod
    def _segment(seed: int, number: int) -> int:
        return int(_generator(seed, number, 0).integers(SEGMENTS))


def _generator(seed: int, number: int, stream: int) -> np.random.Generator:
    """Philox, keyed as in `inputs.fresh_noise`, at another place of its sequence."""
    key = np.array([seed & _MASK64, number & _MASK64], np.uint64)
    counter = np.array([0, 0, 0, 1 + stream], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


class LiveMotion:
    """Events and residual of some sessions, and their state.

    Attributes:
        state: of new sessions: zeros. For each session and type: `events.hazard` accumulated
            since the last event, `events.threshold` of the next (0: not drawn yet),
            `events.number` and `events.shape` of the last, `events.age`, frames since it began.
    """

    def __init__(self, motion: Motion, sessions: int) -> None:
        self.motion = motion
        each = (sessions, len(EVENTS))
        self.state: Arrays = {
            'events.hazard': np.zeros(each, np.float32),
            'events.threshold': np.zeros(each, np.float32),
            'events.number': np.zeros(each, np.int64),
            'events.shape': np.zeros(each, np.int64),
            'events.age': np.zeros(each, np.int64),
        }
        self._drawn: list[np.ndarray | None] = [None] * sessions

    def clear(self, rows: Sequence[int]) -> None:
        """Begin some sessions again."""
        for part in self.state.values():
            part[list(rows)] = 0
        for row in rows:
            self._drawn[row] = None

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Set the state of all sessions.

        Raises:
            ValueError: impossible values; nothing is changed.
        """
        new = {name: np.asarray(state[name]).astype(x.dtype) for name, x in self.state.items()}
        for name, part in new.items():
            top = EXEMPLARS if name == 'events.shape' else np.inf
            if not np.isfinite(part).all() or part.min() < 0:
                raise ValueError(f'{name} holds negative or infinite values')
            if part.max() > top:
                raise ValueError(f'{name} holds {part.max()}: expected at most {top}')
        for name, part in new.items():
            self.state[name][...] = part
        self._drawn = [None] * len(self._drawn)

    def add(
        self,
        face: Mapping[str, np.ndarray],
        logits: np.ndarray,
        rows: Sequence[int],
        seeds: Sequence[int],
        clocks: Sequence[int],
        temperature: float,
    ) -> Arrays:
        """The face with events and residual, action units within their range.

        Args:
            face: the network's, (S, n, 136 | 18 | 4 | 2) of the sessions `rows`.
            logits: (S, n, E).
            rows: which sessions these are.
            seeds: of these sessions.
            clocks: frames that they have seen before.
            temperature: see the module; the residual's applies from the next window, an event's
                threshold from the next event.
        """
        whole = np.concatenate([face[name] for name in BRANCHES], axis=-1)
        self._add_events(whole, logits, list(rows), seeds, temperature)
        if self.motion.has_residual:
            for index, row in enumerate(rows):
                self._add_residual(
                    whole[index], row, seeds[index], int(clocks[index]), temperature
                )
        out = {name: whole[..., columns] for name, columns in BRANCH_SLICES.items()}
        out['au'] = np.clip(out['au'], 0, _HIGHEST)
        return out

    def _add_residual(
        self, face: np.ndarray, row: int, seed: int, clock: int, temperature: float
    ) -> None:
        """Add to one face (n, 160), window by window."""
        size, begin = self.motion.window_size, 0
        while begin < len(face):
            window, phase = divmod(clock + begin, size)
            drawn = self._drawn[row]
            if drawn is None and temperature == 0:
                return
            if drawn is None:
                drawn = self._drawn[row] = temperature * self.motion.draw_residual(seed, window)
            count = min(size - phase, len(face) - begin)
            face[begin : begin + count] += drawn[phase : phase + count]
            begin += count
            if phase + count == size:
                self._drawn[row] = None

    def _add_events(
        self,
        face: np.ndarray,
        logits: np.ndarray,
        rows: list[int],
        seeds: Sequence[int],
        temperature: float,
    ) -> None:
        """Move the events of faces (S, n, 160) on by n frames and add them."""
        motion, state, frames = self.motion, self.state, face.shape[1]
        hazard, threshold, shape, age = (
            state[f'events.{name}'][rows] for name in ('hazard', 'threshold', 'shape', 'age')
        )
        for index, kind in zip(*np.nonzero(threshold == 0), strict=True):  # new sessions
            threshold[index, kind] = motion.draw_event(seeds[index], kind, 0, temperature)[0]
        kinds = np.arange(len(EVENTS))
        since = age[:, None] - motion.frames[kinds, shape][:, None] + np.arange(frames)[:, None]
        raised = logits + motion.ages[np.clip(since, 0, MAX_AGE), kinds]
        # In double precision: its values do not depend on the length of the array.
        steps = np.where(since >= 0, np.logaddexp(0.0, raised, dtype=np.float64), 0.0)
        total = np.add.accumulate(
            np.concatenate((hazard[:, None], steps.astype(np.float32)), axis=1), axis=1
        )
        fires = total[:, -1] >= threshold
        for index, kind in zip(*np.nonzero(age < motion.frames[kinds, shape]), strict=True):
            self._put(face[index], kind, shape[index, kind], age[index, kind], 0)
        hazard, age = total[:, -1], age + frames
        state['events.hazard'][rows], state['events.age'][rows] = hazard, age
        state['events.threshold'][rows] = threshold
        for index, kind in zip(*np.nonzero(fires), strict=True):
            self._begin_events(
                face[index], logits[index, :, kind], total[index, 1:, kind], rows[index],
                int(kind), seeds[index], temperature,
            )  # fmt: skip

    def _begin_events(
        self,
        face: np.ndarray,
        logits: np.ndarray,
        total: np.ndarray,
        row: int,
        kind: int,
        seed: int,
        temperature: float,
    ) -> None:
        """Begin the events of one type of one face, whose hazard reaches the threshold."""
        motion, at = self.motion, (row, kind)
        state = {name: part[row, kind] for name, part in self.state.items()}
        threshold, number, shape = (
            state[f'events.{name}'] for name in ('threshold', 'number', 'shape')
        )
        begin, frames = 0, len(face)
        while True:
            reached = np.flatnonzero(total >= threshold)
            if not len(reached):
                break
            begin += int(reached[0])
            shape = motion.draw_event(seed, kind, int(number), temperature)[1]
            number += 1
            threshold = np.float32(motion.draw_event(seed, kind, int(number), temperature)[0])
            self._put(face, kind, shape, 0, begin)
            since = np.arange(frames - begin) - motion.frames[kind, shape]
            raised = logits[begin:] + motion.ages[np.clip(since, 0, MAX_AGE), kind]
            steps = np.where(since >= 0, np.logaddexp(0.0, raised, dtype=np.float64), 0.0)
            total = np.add.accumulate(steps.astype(np.float32))
            self.state['events.hazard'][at] = total[-1]
            self.state['events.age'][at] = frames - begin
        self.state['events.threshold'][at] = threshold
        self.state['events.number'][at], self.state['events.shape'][at] = number, shape

    def _put(self, face: np.ndarray, kind: int, shape: int, age: int, begin: int) -> None:
        """Add an exemplar to a face (n, 160) from a frame on, of which `age` frames are over."""
        part = self.motion.shapes[kind][shape - 1, age : age + len(face) - begin]
        face[begin : begin + len(part), EVENTS[kind].columns] += part
