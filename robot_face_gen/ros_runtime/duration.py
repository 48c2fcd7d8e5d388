"""A span of time by rclpy's names."""

from functools import total_ordering
from typing import Any

from .messages import message_class

NANOSECONDS = 10 ** 9


@total_ordering
class Duration:
    """A span of time, in whole nanoseconds."""

    def __init__(self, *, seconds: float = 0, nanoseconds: float = 0) -> None:
        """Make a span; OverflowError where it does not fit in 64 bits."""
        total = int(seconds * NANOSECONDS) + int(nanoseconds)
        if not -2 ** 63 <= total < 2 ** 63:
            raise OverflowError(f'a duration of {total} nanoseconds does not fit in 64 bits')
        self._nanoseconds = total

    @property
    def nanoseconds(self) -> int:
        """Length in nanoseconds."""
        return self._nanoseconds

    def __repr__(self) -> str:
        return f'Duration(nanoseconds={self.nanoseconds})'

    def __str__(self) -> str:
        return ('Infinite' if self._nanoseconds == Infinite.nanoseconds
                else f'{self.nanoseconds} nanoseconds')

    def __eq__(self, other: object) -> bool:
        # An answer of False would hide the mistake in Duration(nanoseconds=5) == 5.
        if not isinstance(other, Duration):
            raise TypeError(f"Can't compare duration with object of type: {type(other).__name__}")
        return self._nanoseconds == other._nanoseconds

    def __lt__(self, other: Any) -> bool:
        return self._nanoseconds < other._nanoseconds if isinstance(
            other, Duration) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._nanoseconds)

    def to_msg(self) -> Any:
        """As builtin_interfaces/msg/Duration."""
        seconds, rest = divmod(self._nanoseconds, NANOSECONDS)
        return message_class('builtin_interfaces/msg/Duration')(sec=seconds, nanosec=rest)

    @classmethod
    def from_msg(cls, msg: Any) -> 'Duration':
        """From builtin_interfaces/msg/Duration."""
        if not isinstance(msg, message_class('builtin_interfaces/msg/Duration')):
            raise TypeError('Must pass a builtin_interfaces.msg.Duration object')
        return cls(seconds=msg.sec, nanoseconds=msg.nanosec)


Infinite = Duration(nanoseconds=2 ** 63 - 1)
