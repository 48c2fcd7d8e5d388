"""Timers and rates by rclpy's names."""

from collections.abc import Callable
from threading import Event
from typing import Any

from .clock import Clock
from .exceptions import InvalidHandle, ROSInterruptException


class Timer:
    """Calls back at even intervals of a clock; missed calls are left out, not made up for."""

    def __init__(self, callback: Callable | None, callback_group: Any, timer_period_ns: int,
                 clock: Clock, *, context: Any = None) -> None:
        if timer_period_ns < 0:
            raise ValueError(f'timer period must not be negative, is {timer_period_ns} ns')
        self.callback = callback
        self.callback_group = callback_group
        self._period_ns = int(timer_period_ns)
        self._clock = clock
        self._context = context
        self._canceled = self._destroyed = False
        self._on_change: Callable[[], None] = lambda: None
        self._restart()

    def _restart(self) -> None:
        self._simulated = self._clock._is_simulated()
        self._last_ns = self._clock._timer_ns()
        self._next_ns = self._last_ns + self._period_ns

    def _remaining_ns(self) -> int | None:
        """Time until the next call; None where the clock has to move first or it is cancelled."""
        if self._canceled or self._destroyed:
            return None
        if self._simulated != self._clock._is_simulated():
            self._restart()
        left = self._next_ns - self._clock._timer_ns()
        if left > self._period_ns:
            # Simulated time jumped back, as it does when a recording starts anew.
            self._restart()
            left = self._period_ns
        if self._simulated and left > 0:
            return None
        return max(0, left)

    def _handles(self) -> list[int]:
        return []

    def _take(self) -> Callable[[], Any] | None:
        """Note that the call is made now and return what to call; None where it is not due."""
        if self._remaining_ns() != 0:
            return None
        now = self._clock._timer_ns()
        self._last_ns = now
        self._next_ns += self._period_ns
        if self._next_ns < now:
            behind = 1 + (now - self._next_ns) // self._period_ns if self._period_ns else 0
            self._next_ns = self._next_ns + behind * self._period_ns if behind else now
        return self.callback

    def destroy(self) -> None:
        """Stop for good."""
        self._destroyed = True

    @property
    def handle(self) -> 'Timer':
        """Itself: there is nothing below."""
        return self

    @property
    def clock(self) -> Clock:
        """The clock that drives it."""
        return self._clock

    @property
    def timer_period_ns(self) -> int:
        """Interval in nanoseconds; a change counts from the next call on."""
        return self._period_ns

    @timer_period_ns.setter
    def timer_period_ns(self, value: int) -> None:
        self._period_ns = int(value)
        self._on_change()

    def is_ready(self) -> bool:
        """Whether a call is due."""
        return self._remaining_ns() == 0

    def is_canceled(self) -> bool:
        """Whether it is cancelled."""
        return self._canceled

    def cancel(self) -> None:
        """Stop until `reset`."""
        if self._destroyed:
            raise InvalidHandle('cannot use Timer because it was destroyed')
        self._canceled = True

    def reset(self) -> None:
        """Start the interval anew."""
        if self._destroyed:
            raise InvalidHandle('cannot use Timer because it was destroyed')
        self._canceled = False
        self._restart()
        self._on_change()

    def time_since_last_call(self) -> int:
        """Nanoseconds since the last call, or since the start."""
        return self._clock._timer_ns() - self._last_ns

    def time_until_next_call(self) -> int | None:
        """Nanoseconds until the next call is due, negative where it is late; None if cancelled."""
        return None if self._canceled else self._next_ns - self._clock._timer_ns()


class Rate:
    """Lets a thread that does not spin sleep at even intervals."""

    def __init__(self, timer: Timer, *, context: Any) -> None:
        self._timer = timer
        self._context = context
        self._event = Event()
        self._destroyed = False
        timer.callback = self._event.set
        context.on_shutdown(self._event.set)

    def destroy(self) -> None:
        """Wake whoever sleeps and stop."""
        self._destroyed = True
        self._event.set()

    def sleep(self) -> None:
        """Sleep until the next interval begins.

        Raises:
            ROSInterruptException: The context was shut down, or the rate destroyed.
        """
        while not self._event.wait(0.5):
            if not self._context.ok():
                break
        if self._destroyed or not self._context.ok():
            raise ROSInterruptException()
        self._event.clear()
