# SPDX-License-Identifier: Apache-2.0
"""The One Euro filter: smooths what stands still and follows what moves.

Casiez, Roussel and Vogel, "1€ Filter", CHI 2012.
"""

from __future__ import annotations

import math

import numpy as np

_DERIVATIVE_CUTOFF_HZ = 1.0


class OneEuro:
    """Filters an array over time, each value on its own.

    A value that does not change has the cutoff `cutoff_hz`; lower is smoother. With each unit of
    speed (see `scale`), it rises by `beta` Hz.
    """

    def __init__(self, cutoff_hz: float, beta: float) -> None:
        self._cutoff_hz, self._beta = cutoff_hz, beta
        self._time_s = math.nan
        self._value = self._speed = np.zeros(0)

    def reset(self) -> None:
        """Forget the past: the next value passes unchanged."""
        self._time_s = math.nan

    def __call__(self, value: np.ndarray, time_s: float, scale: float = 1.0) -> np.ndarray:
        """The filtered value; the time increases from call to call.

        `scale` is what a speed of 1/s is, in the value's unit: speeds are divided by it.
        """
        step_s = time_s - self._time_s
        if not step_s > 0.0:  # the first value, or the clock was set back
            self._speed = np.zeros_like(value)
        else:
            speed = (value - self._value) / step_s
            self._speed = self._speed + _weight(_DERIVATIVE_CUTOFF_HZ, step_s) * (
                speed - self._speed
            )
            cutoff_hz = self._cutoff_hz + self._beta / scale * np.abs(self._speed)
            value = self._value + _weight(cutoff_hz, step_s) * (value - self._value)
        self._value, self._time_s = value, time_s
        return value


def _weight(cutoff_hz: np.ndarray | float, step_s: float) -> np.ndarray | float:
    """Weight of the newest value in a first-order low-pass filter."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff_hz * step_s))
