# SPDX-License-Identifier: Apache-2.0
"""From reactions to commands that are safe for motors: the only source of what is published.

Everything that moves an actuator passes `FaceActuation.tick`: the watchdog (`FaceEaser`), stop and
enable, and the limits of the motion. No input, clock or order of calls can bypass them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from robot_face_gen.timing import PERIOD_S

from .actuators import ActuatorSet
from .easing import EASE_S, TIMEOUT_S, EasedFace, FaceEaser
from .limits import MotionLimiter

RATE_HZ = 50.0
# After a longer interval between two commands the motors have stopped by themselves: the motion
# begins again at rest.
GAP_S = 0.1
# A command that is asked for earlier than this after the last one is the last one.
_EARLIEST = 0.9  # periods

FRESH, EASED, STOPPED, DISABLED, WAITING = 'fresh', 'eased', 'stopped', 'disabled', 'waiting'


@dataclass(frozen=True)
class Command:
    """What to send to the motors now."""

    position: np.ndarray  # (n,) after one period, within the limits
    velocity: np.ndarray  # (n,) at that time
    # FRESH (follows reactions), EASED (no fresh reaction: neutral face that blinks), STOPPED
    # (brakes, then holds), DISABLED (brakes, then nothing is published) or WAITING (positions
    # of the joints are not known yet)
    state: str
    is_published: bool  # False: send nothing
    face: EasedFace  # the face that it follows

    @property
    def is_held(self) -> bool:
        """Whether it brakes or holds the position instead of following the face."""
        return self.state not in (FRESH, EASED)


class FaceActuation:
    """Maps faces to actuators and limits their motion.

    `react`, `stop`, `enable` and `measure` may be called from another thread than `tick`.

    Args:
        actuators: of the robot.
        rate_hz: commands per second.
        timeout_s, ease_s, seed: see `FaceEaser`.
        enabled: whether it starts to move at once.
        wait_for_joints: start from positions given to `measure`, not from the neutral ones; also
            after `enable` and after an interruption.
    """

    def __init__(
        self,
        actuators: ActuatorSet,
        *,
        rate_hz: float = RATE_HZ,
        timeout_s: float = TIMEOUT_S,
        ease_s: float = EASE_S,
        seed: int = 0,
        enabled: bool = True,
        wait_for_joints: bool = False,
    ) -> None:
        self.period_s = 1.0 / rate_hz
        self._actuators = actuators
        self._easer = FaceEaser(timeout_s, ease_s, seed)
        self._limiter = MotionLimiter(actuators.limits, self.period_s, actuators.neutral)
        # The mean over a frame turns the steps of 25 reactions a second into ramps.
        self._targets: list[np.ndarray] = []
        self._frame_ticks = max(round(PERIOD_S / self.period_s), 1)
        self._wait_for_joints = wait_for_joints
        self.is_waiting = wait_for_joints  # for `measure`
        self._measured: np.ndarray | None = None
        self._enabled, self._stopped = enabled, False
        self._is_silent = False
        self._reaction: tuple[Mapping[str, np.ndarray], float] | None = None
        self._last_s: float | None = None
        self._command: Command | None = None
        self._gaps = 0

    @property
    def counters(self) -> Counter[str]:
        """Values that were limited, by kind of limit, and `gaps`: interruptions."""
        return Counter({**self._limiter.counters, 'gaps': self._gaps})

    def react(self, face: Mapping[str, np.ndarray], now_s: float) -> None:
        """Take a reaction that arrived at `now_s`; branches as in `FaceEaser.update`."""
        self._reaction = (face, now_s)

    def stop(self, stopped: bool) -> None:
        """Brake and hold the position, with priority over all else, until called with False."""
        self._stopped = stopped

    def enable(self, enabled: bool) -> None:
        """False: brake, then send nothing, so that others can move the joints; True: go on."""
        self._enabled = enabled

    def measure(self, position: np.ndarray) -> None:
        """Take the measured positions of all actuators, (n,); used where the motion starts."""
        if np.isfinite(position).all():
            self._measured = np.array(position, np.float64)

    def tick(self, now_s: float) -> Command:
        """The command to send at a time (s) of any clock, which may jump; once in each period."""
        if not self._is_due(now_s) and self._command is not None:
            return self._command
        enabled, stopped = self._enabled, self._stopped
        if enabled and self._is_silent:  # others may have moved the joints
            self._restart()
        if (reaction := self._reaction) is not None:
            self._reaction = None
            self._easer.update(*reaction)
        face = self._easer.at(now_s)
        self._targets = [*self._targets, self._actuators.targets(face)][-self._frame_ticks :]
        if self.is_waiting and self._measured is not None:
            self.is_waiting = False
            self._limiter.reset(self._measured)
        holds = stopped or not enabled or self.is_waiting
        self._limiter.step(None if holds else np.mean(self._targets, axis=0))
        self._is_silent = not enabled and self._limiter.at_rest
        if stopped:
            state = STOPPED
        elif not enabled:
            state = DISABLED
        elif self.is_waiting:
            state = WAITING
        else:
            state = FRESH if face.fresh else EASED
        is_published = not (self.is_waiting or self._is_silent)
        self._command = Command(
            self._limiter.position, self._limiter.velocity, state, is_published, face
        )
        return self._command

    def braking(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions and velocities (k, n) of the periods after the last command, if it brakes."""
        return self._limiter.braking()

    def _is_due(self, now_s: float) -> bool:
        """Whether a new command is due; notices interruptions and clocks that jump."""
        if self._last_s is None or not math.isfinite(now_s):
            elapsed_s = self.period_s
        else:
            elapsed_s = now_s - self._last_s
        if 0.0 <= elapsed_s < _EARLIEST * self.period_s:
            return False
        if elapsed_s > max(GAP_S, 2.0 * self.period_s):
            self._gaps += 1
            self._restart()
        if math.isfinite(now_s):
            self._last_s = now_s
        elif self._last_s is not None:
            self._last_s += self.period_s
        return True

    def _restart(self) -> None:
        """Go on from rest, at the measured positions or at those commanded last."""
        self._limiter.reset(self._limiter.position)
        self._measured, self.is_waiting = None, self._wait_for_joints
