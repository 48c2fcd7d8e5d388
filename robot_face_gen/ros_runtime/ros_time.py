"""A point in time by rclpy's names."""

from enum import IntEnum
from functools import total_ordering
from typing import Any

from .duration import NANOSECONDS, Duration
from .messages import message_class


class ClockType(IntEnum):
    """Which clock a time was read from."""

    UNINITIALIZED = 0
    ROS_TIME = 1
    SYSTEM_TIME = 2
    STEADY_TIME = 3


@total_ordering
class Time:
    """A point in time of one clock, in whole nanoseconds."""

    def __init__(self, *, seconds: float = 0, nanoseconds: float = 0,
                 clock_type: ClockType = ClockType.SYSTEM_TIME) -> None:
        """Make a point in time.

        Raises:
            TypeError: `clock_type` is no ClockType.
            ValueError: It would lie before zero.
            OverflowError: It does not fit in 64 bits.
        """
        if not isinstance(clock_type, ClockType):
            raise TypeError('Clock type must be a ClockType enum')
        for name, value in (('Seconds', seconds), ('Nanoseconds', nanoseconds)):
            if value < 0:
                raise ValueError(f'{name} value must not be negative')
        total = int(seconds * NANOSECONDS) + int(nanoseconds)
        if total >= 2 ** 63:
            raise OverflowError(f'a time of {total} nanoseconds does not fit in 64 bits')
        self._nanoseconds = total
        self._clock_type = clock_type

    @property
    def nanoseconds(self) -> int:
        """Nanoseconds since the clock's zero."""
        return self._nanoseconds

    def seconds_nanoseconds(self) -> tuple[int, int]:
        """Whole seconds and the nanoseconds beyond them."""
        return divmod(self._nanoseconds, NANOSECONDS)

    @property
    def clock_type(self) -> ClockType:
        """The clock that it belongs to."""
        return self._clock_type

    def __repr__(self) -> str:
        return f'Time(nanoseconds={self.nanoseconds}, clock_type={self.clock_type.name})'

    def __add__(self, other: Any) -> 'Time':
        if not isinstance(other, Duration):
            return NotImplemented
        return Time(nanoseconds=self._nanoseconds + other.nanoseconds,
                    clock_type=self._clock_type)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Time):
            self._check(other, 'subtract')
            return Duration(nanoseconds=self._nanoseconds - other._nanoseconds)
        if isinstance(other, Duration):
            return Time(nanoseconds=self._nanoseconds - other.nanoseconds,
                        clock_type=self._clock_type)
        return NotImplemented

    def _check(self, other: 'Time', what: str) -> None:
        if self._clock_type != other._clock_type:
            raise TypeError(f"Can't {what} times with different clock types")

    def __eq__(self, other: object) -> bool:
        # An answer of False would hide the mistake in a comparison with a number.
        if not isinstance(other, Time):
            raise TypeError(f"Can't compare time with object of type: {type(other).__name__}")
        self._check(other, 'compare')
        return self._nanoseconds == other._nanoseconds

    def __lt__(self, other: Any) -> bool:
        if not isinstance(other, Time):
            return NotImplemented
        self._check(other, 'compare')
        return self._nanoseconds < other._nanoseconds

    def __hash__(self) -> int:
        return hash((self._nanoseconds, self._clock_type))

    def to_msg(self) -> Any:
        """As builtin_interfaces/msg/Time."""
        seconds, rest = self.seconds_nanoseconds()
        return message_class('builtin_interfaces/msg/Time')(sec=seconds, nanosec=rest)

    @classmethod
    def from_msg(cls, msg: Any, clock_type: ClockType = ClockType.ROS_TIME) -> 'Time':
        """From builtin_interfaces/msg/Time."""
        if not isinstance(msg, message_class('builtin_interfaces/msg/Time')):
            raise TypeError('Must pass a builtin_interfaces.msg.Time object')
        return cls(seconds=msg.sec, nanoseconds=msg.nanosec, clock_type=clock_type)
