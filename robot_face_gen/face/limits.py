# SPDX-License-Identifier: Apache-2.0
"""Limits of position, speed, acceleration and jerk, enforced on a stream of targets.

The motion is computed for all actuators at once, one period at a time; the acceleration is
constant within a period, so that speed is continuous and cubic interpolation between two commands
is exact. The method keeps one invariant: from each command, braking with the acceleration limit
ends within the position limits. It holds because targets are clipped to the limits, and a new
speed is either one from which braking ends at the target, or the one that brakes most.

Jerk is limited by a moving average over the last commands. An average of motions that respect the
limits of position, speed and acceleration respects them too, and its acceleration changes by at
most `2 * max_acceleration / count` per period. It delays the motion by half its length.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

SMALLEST, LARGEST = 1e-6, 1e6  # of what a limit may be; beyond, rounding errors would win
LONGEST_AVERAGE_S = 2.0
_NEGLIGIBLE = 1e-12  # rad or m; rounding errors must not keep a motion going


@dataclass(frozen=True)
class MotionLimits:
    """Limits of n actuators, each array (n,); units: rad, m or 1, with s.

    Raises:
        ValueError: a limit is not finite or out of range.
    """

    low: np.ndarray  # lowest position
    high: np.ndarray  # highest position
    max_speed: np.ndarray  # positive
    max_acceleration: np.ndarray  # positive
    max_jerk: np.ndarray  # positive; infinite where jerk is not limited

    def __post_init__(self) -> None:
        positions = np.abs(np.stack((self.low, self.high)))
        if not ((positions <= LARGEST).all() and (self.low < self.high).all()):
            raise ValueError(f'low = {self.low}, high = {self.high}: expected low < high')
        for name in ('max_speed', 'max_acceleration'):
            values = getattr(self, name)
            if not ((values >= SMALLEST) & (values <= LARGEST)).all():
                raise ValueError(f'{name} = {values}: expected {SMALLEST:g} to {LARGEST:g}')
        if not (self.max_jerk >= self.least_jerk(self.max_acceleration)).all():
            raise ValueError(f'max_jerk = {self.max_jerk}: expected at least max_acceleration / s')

    @staticmethod
    def least_jerk(max_acceleration: np.ndarray | float) -> np.ndarray | float:
        """The lowest jerk limit that is accepted: it averages over LONGEST_AVERAGE_S."""
        return 2.0 * max_acceleration / LONGEST_AVERAGE_S

    def average_counts(self, period_s: float) -> np.ndarray:
        """Number of commands to average for the jerk limit, (n,); 1 where it is not limited."""
        ratio = 2.0 * self.max_acceleration / (self.max_jerk * period_s)
        return np.maximum(np.ceil(ratio - 1e-9), 1.0).astype(int)


class MotionLimiter:
    """Follows targets as closely as the limits allow.

    It starts at rest at `start`, (n,). A start outside of the position limits is left with limited
    speed and never entered again. `position` and `velocity` (n,) are the last command; `counters`
    how many values were limited, by kind of limit.
    """

    def __init__(self, limits: MotionLimits, period_s: float, start: np.ndarray) -> None:
        self._limits = limits
        self._period_s = period_s
        self._speed_step = limits.max_acceleration * period_s  # largest change in one period
        self._counts = limits.average_counts(period_s)
        age = np.arange(self._counts.max())[::-1, None]
        self._weights = (age < self._counts) / self._counts  # oldest first
        self.counters: Counter[str] = Counter(
            limited_position=0, limited_speed=0, limited_acceleration=0
        )
        self.reset(start)

    def reset(self, position: np.ndarray) -> None:
        """Be at rest at `position`, (n,); the caller ensures that the actuators are there.

        Raises:
            ValueError: a position is not finite.
        """
        position = np.array(position, np.float64)
        if not np.isfinite(position).all():
            raise ValueError(f'position = {position}: expected finite numbers')
        # The motion before the moving average, newest last.
        self._positions = np.repeat(position[None], len(self._weights), axis=0)
        self._velocities = np.zeros_like(self._positions)
        self._target = position
        self.position, self.velocity = position, np.zeros_like(position)

    @property
    def at_rest(self) -> bool:
        """Whether all actuators stand still and will, without another target."""
        return not self._velocities.any() and bool((self._positions == self.position).all())

    def step(self, target: np.ndarray | None) -> None:
        """Compute the command of the next period.

        The target (n,) is where to go; a value that is not finite is ignored, one outside of the
        limits is clipped. None: brake.
        """
        limits, now, speed = self._limits, self._positions[-1], self._velocities[-1]
        half = speed * (self._period_s / 2.0)
        if target is None:
            wanted = np.zeros_like(speed)
            self._target = now
        else:
            known = np.where(np.isfinite(target), target, self._target)
            self._target = np.clip(known, limits.low, limits.high)
            self.counters['limited_position'] += int(np.count_nonzero(known != self._target))
            way = self._target - now - half
            wanted = np.sign(way) * self._reach(np.abs(way))
        slowest, fastest = speed - self._speed_step, speed + self._speed_step
        top = limits.max_speed
        if target is not None:
            too_fast = np.abs(wanted) > top
            self.counters['limited_speed'] += int(np.count_nonzero(too_fast))
            too_sudden = (wanted < slowest) | (wanted > fastest)
            self.counters['limited_acceleration'] += int(np.count_nonzero(too_sudden & ~too_fast))
        slowest, fastest = np.maximum(slowest, -top), np.minimum(fastest, top)
        new = np.clip(wanted, slowest, fastest)
        self._advance(now + half + new * (self._period_s / 2.0), new)

    def braking(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions and velocities (k, n) of the periods after the last command, if it brakes.

        The last row is at rest; k is 0 if the last command is.
        """
        speed = self._velocities[-1]
        steps = int(np.ceil(np.max(np.abs(speed) / self._speed_step, initial=0.0) - 1e-9))
        if not steps and self.at_rest:
            return np.empty((0, len(speed))), np.empty((0, len(speed)))
        count = steps + len(self._weights)
        past = np.arange(1, count + 1)[:, None]
        left = np.maximum(np.abs(speed) - past * self._speed_step, 0.0)
        velocities = np.concatenate((self._velocities, np.sign(speed) * left))
        means = (velocities[1:] + velocities[:-1]) / 2.0
        travelled = np.cumsum(means[len(self._velocities) - 1 :], axis=0) * self._period_s
        positions = np.concatenate((self._positions, self._positions[-1] + travelled))
        low, high = positions.min(axis=0), positions.max(axis=0)  # against rounding errors
        averages = np.clip(self._average_rows(positions, count), low, high)
        return averages, self._average_rows(velocities, count)

    def _average_rows(self, values: np.ndarray, count: int) -> np.ndarray:
        """The moving average that ends at each of the last `count` rows."""
        sums = np.concatenate((np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)))
        ends = np.arange(len(sums) - count, len(sums))[:, None]
        columns = np.arange(values.shape[1])
        return (sums[ends, columns] - sums[ends - self._counts, columns]) / self._counts

    def _advance(self, position: np.ndarray, speed: np.ndarray) -> None:
        self._positions[:-1] = self._positions[1:]
        self._velocities[:-1] = self._velocities[1:]
        # Against rounding errors; an actuator that started outside of its limits comes back.
        low = np.minimum(self._limits.low, self._positions[-1])
        high = np.maximum(self._limits.high, self._positions[-1])
        self._positions[-1] = np.clip(position, low, high)
        self._velocities[-1] = speed
        average = (self._weights * self._positions).sum(axis=0)
        # Rounding again: an average lies between the values that it is made of.
        self.position = np.clip(average, self._positions.min(axis=0), self._positions.max(axis=0))
        self.velocity = (self._weights * self._velocities).sum(axis=0)

    def _reach(self, way: np.ndarray) -> np.ndarray:
        """The highest speed after this period from which braking ends within `way`, (n,).

        With the speed v after this period and q = max_acceleration * period, this half period and
        braking take period * ((m + 1) * v - q * m * (m + 1) / 2), where m = floor(v / q).
        """
        way = np.where(way > _NEGLIGIBLE, way, 0.0) / self._period_s
        q = self._speed_step
        m = np.floor((np.sqrt(1.0 + 8.0 * way / q) - 1.0) / 2.0)
        return (way + q * m * (m + 1.0) / 2.0) / (m + 1.0)
