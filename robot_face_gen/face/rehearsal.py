# SPDX-License-Identifier: Apache-2.0
"""Moves actuators along a recorded face, faster than real time, and draws their paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.features.openface_write import CROP_PX
from robot_face_gen.resources import fill_in
from robot_face_gen.timing import SECOND_NS

from .actuation import FRESH, RATE_HZ, FaceActuation
from .actuators import Actuator, ActuatorSet

_AFTER_S = 2.0  # shown after the end of the recording, where the face eases to neutral
_MOST_POINTS = 3000  # of a curve
_WIDTH, _POSITION_PX, _SPEED_PX, _LEFT, _GAP = 1200, 150, 60, 90, 14


@dataclass(frozen=True)
class Rehearsal:
    """The motion of n actuators at k times."""

    time_s: np.ndarray  # (k,) of the recording
    targets: np.ndarray  # (k, n) positions that the face asks for, limited or not
    positions: np.ndarray  # (k, n) commands
    velocities: np.ndarray  # (k, n) of the commands
    fresh: np.ndarray  # (k,) False where the face was eased to neutral
    counters: Counter[str]  # as in `FaceActuation`


def rehearse(actuators: ActuatorSet, frames: Iterable[FaceFrame]) -> Rehearsal:
    """Move the actuators as `face_actuator_node` would, for faces that arrive at their stamps.

    The frames are those of a listener (reaction.csv), in order; those without a face are skipped.
    """
    actuation = FaceActuation(actuators, rate_hz=RATE_HZ)
    rows: list[tuple[float, np.ndarray, np.ndarray, np.ndarray, bool]] = []

    def tick(until_s: float) -> None:
        while (now_s := len(rows) / RATE_HZ) <= until_s:
            command = actuation.tick(now_s)
            target = actuators.targets(command.face)
            fresh = command.state == FRESH
            rows.append((now_s, target, command.position, command.velocity, fresh))

    time_s = 0.0
    for frame in frames:
        time_s = frame.stamp_ns / SECOND_NS
        tick(time_s - 0.5 / RATE_HZ)
        if frame.is_valid():
            face = {**frame.branches, 'landmarks': frame.landmarks / CROP_PX}
            actuation.react(face, time_s)
    tick(time_s + _AFTER_S)
    times, targets, positions, velocities, fresh = map(np.array, zip(*rows, strict=True))
    return Rehearsal(times, targets, positions, velocities, fresh, actuation.counters)


@dataclass(frozen=True)
class Use:
    """How a rehearsal uses the limits of one actuator; positions in its unit."""

    lowest: float  # commanded position
    highest: float  # commanded position
    clipped: float  # share of the time in which the target is outside of the position limits, 0..1
    speed: float  # highest, as a share of max_speed
    lag: float  # largest distance from the target (within the limits)


def use_of(rehearsal: Rehearsal, actuators: ActuatorSet) -> list[Use]:
    """The use of each actuator."""
    limits, found = actuators.limits, []
    inside = np.clip(rehearsal.targets, limits.low, limits.high)
    clipped = (inside != rehearsal.targets).mean(axis=0)
    speeds = np.abs(rehearsal.velocities).max(axis=0) / limits.max_speed
    lags = np.abs(inside - rehearsal.positions).max(axis=0)
    for column in range(len(actuators.names)):
        path = rehearsal.positions[:, column]
        numbers = (path.min(), path.max(), clipped[column], speeds[column], lags[column])
        found.append(Use(*map(float, numbers)))
    return found


def page(name: str, rehearsal: Rehearsal, actuators: ActuatorSet) -> str:
    """An HTML page that needs no other file: path and speed of each actuator with its limits."""
    uses = use_of(rehearsal, actuators)
    sections = [
        _section(rehearsal, actuator, use, column)
        for column, (actuator, use) in enumerate(zip(actuators.actuators, uses, strict=True))
    ]
    return fill_in(
        'face', 'actuators.html', name=name, sections=sections, width=_WIDTH, left=_LEFT
    )


def _section(rehearsal: Rehearsal, actuator: Actuator, use: Use, column: int) -> dict[str, Any]:
    """What the template shows of an actuator."""
    unit = '' if actuator.unit == 'ratio' else actuator.unit
    times, end_s = rehearsal.time_s, max(rehearsal.time_s[-1], 1e-3)
    margin, top = 0.1 * (actuator.high - actuator.low), _POSITION_PX + _GAP
    fastest = actuator.max_speed
    position = _Axis(actuator.low - margin, actuator.high + margin, 0.0, _POSITION_PX, end_s)
    speed = _Axis(-1.1 * fastest, 1.1 * fastest, top, _SPEED_PX, end_s)
    eased = np.concatenate(([False], ~rehearsal.fresh, [False])).astype(int)
    edges = np.flatnonzero(np.diff(eased)).reshape(-1, 2) - (0, 1)  # first and last of each
    step_s = next((s for s in (1, 2, 5, 10, 30, 60, 300) if end_s / s <= 15), 1800)
    return {
        'name': actuator.name,
        'text': f'{use.lowest:.3g} to {use.highest:.3g} {unit}; highest speed {use.speed:.0%} of '
        f'the limit; outside of the position limits {use.clipped:.1%} of the time; largest '
        f'distance from the target {use.lag:.2g} {unit}',
        'height': top + _SPEED_PX + 20,
        'eased': position.x(times[edges]).tolist(),
        'curves': [
            ('target', position.curve(times, rehearsal.targets[:, column])),
            ('path', position.curve(times, rehearsal.positions[:, column])),
            ('path', speed.curve(times, rehearsal.velocities[:, column])),
        ],
        'lines': [
            ('neutral', position.y(actuator.neutral), ''),
            ('limit', position.y(actuator.low), f'{actuator.low:g} {unit}'),
            ('limit', position.y(actuator.high), f'{actuator.high:g} {unit}'),
            ('limit', speed.y(fastest), f'{fastest:g} {unit}/s'),
            ('limit', speed.y(-fastest), ''),
        ],
        'marks': [(position.x(time_s), time_s) for time_s in range(0, int(end_s) + 1, step_s)],
    }


@dataclass(frozen=True)
class _Axis:
    """A part of a picture: values from `low` to `high` in `height` pixels below `top`."""

    low: float
    high: float
    top: float
    height: float
    end_s: float

    def x(self, time_s: Any) -> Any:
        return _LEFT + time_s / self.end_s * (_WIDTH - _LEFT - 5)

    def y(self, value: Any) -> Any:
        share = (np.clip(value, self.low, self.high) - self.low) / (self.high - self.low)
        return self.top + (1.0 - share) * self.height

    def curve(self, times: np.ndarray, values: np.ndarray) -> str:
        """Points of a curve; long ones are thinned to least and greatest of each interval."""
        if len(times) > _MOST_POINTS:
            parts = np.array_split(np.arange(len(times)), _MOST_POINTS // 2)
            ends = ({int(i[values[i].argmin()]), int(i[values[i].argmax()])} for i in parts)
            keep = sorted(set().union(*ends))
            times, values = times[keep], values[keep]
        points = zip(self.x(times), self.y(values), strict=True)
        return ' '.join(f'{x:.1f},{y:.1f}' for x, y in points)
