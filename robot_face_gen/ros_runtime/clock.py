"""Clocks by rclpy's names: the system's, a steady one, and ROS time, which can be simulated."""

import time
from collections.abc import Callable
from enum import IntEnum
from threading import Event, Lock
from typing import Any

from .duration import Duration
from .exceptions import NotInitializedException
from .ros_time import ClockType, Time


class ClockChange(IntEnum):
    """What happened to the source of ROS time."""

    ROS_TIME_NO_CHANGE = 1
    ROS_TIME_ACTIVATED = 2
    ROS_TIME_DEACTIVATED = 3
    SYSTEM_TIME_NO_CHANGE = 4


class JumpThreshold:
    """Which jumps of a clock to be told of."""

    def __init__(self, *, min_forward: Duration | None, min_backward: Duration | None,
                 on_clock_change: bool = True) -> None:
        """Choose jumps.

        Raises:
            ValueError: `min_forward` is not positive or `min_backward` is not negative.
        """
        if min_forward is not None and min_forward.nanoseconds <= 0:
            raise ValueError('min_forward must be a positive non-zero duration')
        if min_backward is not None and min_backward.nanoseconds >= 0:
            raise ValueError('min_backward must be a negative non-zero duration')
        if min_forward is None and min_backward is None and not on_clock_change:
            raise ValueError('At least one jump threshold must be enabled')
        self.min_forward = min_forward
        self.min_backward = min_backward
        self.on_clock_change = on_clock_change


class TimeJump:
    """A jump that happened."""

    def __init__(self, clock_change: ClockChange, delta: Duration) -> None:
        if not isinstance(clock_change, ClockChange):
            raise TypeError('clock_change must be an instance of rclpy.clock.ClockChange')
        self._clock_change = clock_change
        self._delta = delta

    @property
    def clock_change(self) -> ClockChange:
        """What happened to the source of time."""
        return self._clock_change

    @property
    def delta(self) -> Duration:
        """How far the time jumped."""
        return self._delta


class JumpHandle:
    """Keeps jump callbacks registered until `unregister`."""

    def __init__(self, *, clock: 'Clock', threshold: JumpThreshold,
                 pre_callback: Callable[[], Any] | None,
                 post_callback: Callable[[Any], Any] | None) -> None:
        if pre_callback is None and post_callback is None:
            raise ValueError('One of pre_callback or post_callback must be callable')
        self.threshold, self.pre_callback, self.post_callback = (
            threshold, pre_callback, post_callback)
        self._clock: Clock | None = clock
        with clock._lock:
            clock._jump_handles.append(self)

    def unregister(self) -> None:
        """Stop telling of jumps."""
        if self._clock is not None:
            with self._clock._lock:
                self._clock._jump_handles.remove(self)
            self._clock = None

    def __enter__(self) -> 'JumpHandle':
        return self

    def __exit__(self, t: Any, v: Any, tb: Any) -> None:
        self.unregister()

    def _wants(self, jump: TimeJump) -> bool:
        if jump.clock_change in (ClockChange.ROS_TIME_ACTIVATED,
                                 ClockChange.ROS_TIME_DEACTIVATED):
            return self.threshold.on_clock_change
        forward, backward = self.threshold.min_forward, self.threshold.min_backward
        return bool((forward is not None and jump.delta >= forward)
                    or (backward is not None and jump.delta <= backward))


class Clock:
    """Tells the time of one kind."""

    _clock_type: ClockType
    _lock: Lock
    _jump_handles: list[JumpHandle]

    def __new__(cls, *, clock_type: ClockType = ClockType.SYSTEM_TIME) -> 'Clock':
        """Make a clock; a ROSClock for ROS time."""
        if not isinstance(clock_type, ClockType):
            raise TypeError('Clock type must be a ClockType enum')
        self = super().__new__(ROSClock if clock_type is ClockType.ROS_TIME else cls)
        self._clock_type = clock_type
        self._lock = Lock()
        self._jump_handles = []
        return self

    @property
    def clock_type(self) -> ClockType:
        """Which kind of time this clock tells."""
        return self._clock_type

    @property
    def handle(self) -> 'Clock':
        """Itself: there is nothing below."""
        return self

    def __repr__(self) -> str:
        return f'Clock(clock_type={self.clock_type.name})'

    def now(self) -> Time:
        """The time now."""
        nanoseconds = (time.monotonic_ns() if self._clock_type is ClockType.STEADY_TIME
                       else time.time_ns())
        return Time(nanoseconds=nanoseconds, clock_type=self._clock_type)

    def create_jump_callback(self, threshold: JumpThreshold, *,
                             pre_callback: Callable[[], Any] | None = None,
                             post_callback: Callable[[Any], Any] | None = None) -> JumpHandle:
        """Call these before and after the clock jumps, until the handle is unregistered."""
        return JumpHandle(clock=self, threshold=threshold, pre_callback=pre_callback,
                          post_callback=post_callback)

    def sleep_until(self, until: Time, context: Any = None) -> bool:
        """Sleep until that time of this clock.

        Returns:
            True when it is reached; False when the context was shut down before, or the source of
            time changed.

        Raises:
            ValueError: `until` belongs to another clock.
            NotInitializedException: The context is not initialised.
        """
        from .context import get_default_context
        context = context or get_default_context()
        if not context.ok():
            raise NotInitializedException()
        if until.clock_type != self._clock_type:
            raise ValueError("until's clock type does not match this clock's type")
        moved, changed = Event(), Event()

        def on_jump(jump: TimeJump) -> None:
            if jump.clock_change in (ClockChange.ROS_TIME_ACTIVATED,
                                     ClockChange.ROS_TIME_DEACTIVATED):
                changed.set()
            moved.set()

        step = Duration(nanoseconds=1)
        threshold = JumpThreshold(min_forward=step, min_backward=Duration(nanoseconds=-1))
        context.on_shutdown(moved.set)
        with self.create_jump_callback(threshold, post_callback=on_jump):
            while context.ok() and not changed.is_set():
                left = (until - self.now()).nanoseconds
                if left <= 0:
                    return True
                # A signal ends the context without running its callbacks: look now and then.
                moved.wait(0.5 if self._is_simulated() else min(0.5, left / 1e9))
                moved.clear()
        return False

    def sleep_for(self, rel_time: Duration, context: Any = None) -> bool:
        """Sleep that long by this clock; see `sleep_until`."""
        return self.sleep_until(self.now() + rel_time, context)

    def _is_simulated(self) -> bool:
        return False

    def _timer_ns(self) -> int:
        """Time by which timers run: never the wall clock itself, which people set."""
        return time.monotonic_ns()


class ROSClock(Clock):
    """The system's time, or a simulation's where `use_sim_time` is set."""

    _active = False
    _override_ns = 0

    def __new__(cls) -> 'ROSClock':
        """Make a clock that tells ROS time."""
        self = super().__new__(cls, clock_type=ClockType.ROS_TIME)
        assert isinstance(self, ROSClock)
        return self

    @property
    def ros_time_is_active(self) -> bool:
        """Whether the time is simulated."""
        return self._active

    def now(self) -> Time:
        """The time now: the simulation's where there is one (0 before its first message)."""
        nanoseconds = self._override_ns if self._active else time.time_ns()
        return Time(nanoseconds=nanoseconds, clock_type=ClockType.ROS_TIME)

    def _set_ros_time_is_active(self, enabled: bool) -> None:
        if enabled == self._active:
            return
        before = self.now().nanoseconds
        change = (ClockChange.ROS_TIME_ACTIVATED if enabled
                  else ClockChange.ROS_TIME_DEACTIVATED)
        after = self._override_ns if enabled else time.time_ns()

        def apply() -> None:
            self._active = enabled

        self._jump(TimeJump(change, Duration(nanoseconds=after - before)), apply)

    def set_ros_time_override(self, time: Time) -> None:
        """Set the simulated time."""
        if not isinstance(time, Time):
            raise TypeError('Time must be specified as rclpy.time.Time')
        delta = Duration(nanoseconds=time.nanoseconds - self._override_ns)

        def apply() -> None:
            self._override_ns = time.nanoseconds

        if self._active:
            self._jump(TimeJump(ClockChange.ROS_TIME_NO_CHANGE, delta), apply)
        else:
            apply()

    def _jump(self, jump: TimeJump, apply: Callable[[], None]) -> None:
        with self._lock:
            handles = [handle for handle in self._jump_handles if handle._wants(jump)]
        for handle in handles:
            if handle.pre_callback:
                handle.pre_callback()
        apply()
        for handle in handles:
            if handle.post_callback:
                handle.post_callback(jump)

    def _is_simulated(self) -> bool:
        return self._active

    def _timer_ns(self) -> int:
        return self._override_ns if self._active else time.monotonic_ns()
