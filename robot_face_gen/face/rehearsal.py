# SPDX-License-Identifier: Apache-2.0
"""Moves actuators along a recorded face, faster than real time, and draws their paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

import numpy as np

from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.features.openface_write import CROP_PX
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

    Args:
        actuators: of the robot.
        frames: of a listener (reaction.csv), in order; those without a face are skipped.
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
    title = f'Actuators: {escape(name)}'
    uses = use_of(rehearsal, actuators)
    sections = [
        _section(rehearsal, actuator, use, column)
        for column, (actuator, use) in enumerate(zip(actuators.actuators, uses, strict=True))
    ]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{title}</title><style>{_STYLE}</style></head><body><main><h1>{title}</h1>'
        '<p>Of each actuator: above, the commanded position (solid blue), what the face asks for '
        '(thin, grey), the position limits (solid red) and the neutral position (dashed); below, '
        'the commanded speed and its limits. Grey areas: no fresh reaction, the face eases to '
        f'neutral.</p>{"".join(sections)}</main></body></html>\n'
    )


_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:80rem;
margin:0 auto;padding:1rem 1.5rem 4rem}
h1{font-size:1.7rem}h2{font-size:1.2rem;margin:1.5rem 0 0}p{margin:.2rem 0}
svg{width:100%;height:auto;display:block}
svg text{font:13px system-ui,sans-serif;fill:#1a1a1a;text-anchor:end}
svg text.t{text-anchor:middle}
.path{fill:none;stroke:#0b5cad;stroke-width:1.5}.target{fill:none;stroke:#6a6a6a;stroke-width:.8}
.limit{stroke:#b30000;stroke-width:1.5}.neutral{stroke:#6a6a6a;stroke-dasharray:6 4}
.eased{fill:#e6e6e6}
"""


def _section(rehearsal: Rehearsal, actuator: Actuator, use: Use, column: int) -> str:
    name, unit = escape(actuator.name), {'ratio': ''}.get(actuator.unit, actuator.unit)
    times = rehearsal.time_s
    targets = rehearsal.targets[:, column]
    margin = 0.1 * (actuator.high - actuator.low)
    position = _Axis(actuator.low - margin, actuator.high + margin, 0.0, _POSITION_PX, times[-1])
    top = _POSITION_PX + _GAP
    fastest = 1.1 * actuator.max_speed
    speed = _Axis(-fastest, fastest, top, _SPEED_PX, times[-1])
    height = top + _SPEED_PX + 20
    parts = [
        *_eased_areas(rehearsal, position, top + _SPEED_PX),
        position.curve(times, targets, 'target'),
        position.curve(times, rehearsal.positions[:, column], 'path'),
        position.line(actuator.neutral, 'neutral', ''),
        position.line(actuator.low, 'limit', f'{actuator.low:g} {unit}'),
        position.line(actuator.high, 'limit', f'{actuator.high:g} {unit}'),
        speed.curve(times, rehearsal.velocities[:, column], 'path'),
        speed.line(actuator.max_speed, 'limit', f'{actuator.max_speed:g} {unit}/s'),
        speed.line(-actuator.max_speed, 'limit', ''),
        *_time_marks(position, height),
    ]
    text = (
        f'{use.lowest:.3g} to {use.highest:.3g} {unit}; highest speed {use.speed:.0%} of the '
        f'limit; outside of the position limits {use.clipped:.1%} of the time; largest distance '
        f'from the target {use.lag:.2g} {unit}'
    )
    return (
        f'<section><h2>{name}</h2><p>{text}</p><svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Position and speed of {name}: {text}">{"".join(parts)}</svg></section>'
    )


class _Axis:
    """A part of a picture: values from `low` to `high` in `height` pixels below `top`."""

    def __init__(self, low: float, high: float, top: float, height: float, end_s: float) -> None:
        self._low, self._high, self._top, self._height = low, high, top, height
        self.end_s = max(end_s, 1e-3)

    def x(self, time_s: np.ndarray | float) -> np.ndarray | float:
        return _LEFT + time_s / self.end_s * (_WIDTH - _LEFT - 5)

    def y(self, value: np.ndarray | float) -> np.ndarray | float:
        share = (np.clip(value, self._low, self._high) - self._low) / (self._high - self._low)
        return self._top + (1.0 - share) * self._height

    def curve(self, times: np.ndarray, values: np.ndarray, kind: str) -> str:
        """A curve; long ones are thinned to the least and greatest value of each interval."""
        if len(times) > _MOST_POINTS:
            parts = np.array_split(np.arange(len(times)), _MOST_POINTS // 2)
            ends = ({int(i[values[i].argmin()]), int(i[values[i].argmax()])} for i in parts)
            keep = sorted(set().union(*ends))
            times, values = times[keep], values[keep]
        points = zip(np.atleast_1d(self.x(times)), np.atleast_1d(self.y(values)), strict=True)
        text = ' '.join(f'{x:.1f},{y:.1f}' for x, y in points)
        return f'<polyline class="{kind}" points="{text}"/>'

    def line(self, value: float, kind: str, label: str) -> str:
        y = self.y(value)
        text = f'<text x="{_LEFT - 6}" y="{y + 4:.1f}">{label}</text>' if label else ''
        return f'<line class="{kind}" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>{text}'


def _eased_areas(rehearsal: Rehearsal, axis: _Axis, height: float) -> list[str]:
    eased = np.concatenate(([False], ~rehearsal.fresh, [False])).astype(int)
    edges = np.flatnonzero(np.diff(eased)).reshape(-1, 2)
    areas = []
    for begin, end in edges:
        x, x_end = axis.x(rehearsal.time_s[begin]), axis.x(rehearsal.time_s[end - 1])
        areas.append(
            f'<rect class="eased" x="{x:.1f}" width="{x_end - x:.1f}" height="{height}"/>'
        )
    return areas


def _time_marks(axis: _Axis, height: float) -> list[str]:
    step_s = next((s for s in (1, 2, 5, 10, 30, 60, 300) if axis.end_s / s <= 15), 1800)
    return [
        f'<text class="t" x="{axis.x(time_s):.1f}" y="{height - 4}">{time_s} s</text>'
        for time_s in range(0, int(axis.end_s) + 1, step_s)
    ]
