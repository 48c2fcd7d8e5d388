"""What can happen to a process."""

from __future__ import annotations

import signal as signal_module
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._subset import subset
from ..event import Event

if TYPE_CHECKING:
    from ..actions import ExecuteLocal

Matcher = Callable[[Any], bool]


class RunningProcessEvent(Event):
    """Something about a process that an action started."""

    name = 'launch.events.process.RunningProcessEvent'

    def __init__(
        self,
        *,
        action: ExecuteLocal,
        name: str,
        cmd: list[str],
        cwd: str | None,
        env: dict[str, str] | None,
        pid: int,
    ) -> None:
        self.__details = (action, name, cmd, cwd, env, pid)

    @property
    def action(self) -> ExecuteLocal:
        """The action."""
        return self.__details[0]

    @property
    def process_name(self) -> str:
        """Name of the process, as 'reaction_node-1'."""
        return self.__details[1]

    @property
    def cmd(self) -> list[str]:
        """Its command line."""
        return self.__details[2]

    @property
    def cwd(self) -> str | None:
        """Its working folder; None is the launch's own."""
        return self.__details[3]

    @property
    def env(self) -> dict[str, str] | None:
        """Its environment."""
        return self.__details[4]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.__details[5]


class ProcessStarted(RunningProcessEvent):
    """A process has been started."""

    name = 'launch.events.process.ProcessStarted'


class ProcessExited(RunningProcessEvent):
    """A process has ended."""

    name = 'launch.events.process.ProcessExited'

    def __init__(self, *, returncode: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.__returncode = returncode

    @property
    def returncode(self) -> int:
        """Its exit code; a negative one is the signal that ended it."""
        return self.__returncode


class ProcessIO(RunningProcessEvent):
    """A process said something."""

    name = 'launch.events.process.ProcessIO'

    def __init__(self, *, text: bytes, fd: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.__text = text
        self.__fd = fd

    @property
    def text(self) -> bytes:
        """What it said: whole lines."""
        return self.__text

    @property
    def from_stdout(self) -> bool:
        """Whether it came from standard output."""
        return self.__fd == 1

    @property
    def from_stderr(self) -> bool:
        """Whether it came from standard error."""
        return self.__fd == 2


class ProcessStdout(ProcessIO):
    """A process wrote to standard output."""

    name = 'launch.events.process.ProcessStdout'

    def __init__(self, *, text: bytes, **kwargs: Any) -> None:
        super().__init__(text=text, fd=1, **kwargs)


class ProcessStderr(ProcessIO):
    """A process wrote to standard error."""

    name = 'launch.events.process.ProcessStderr'

    def __init__(self, *, text: bytes, **kwargs: Any) -> None:
        super().__init__(text=text, fd=2, **kwargs)


class ProcessTargetedEvent(Event):
    """Something to be done to the processes that a matcher matches."""

    name = 'launch.events.process.ProcessTargetedEvent'

    def __init__(self, *, process_matcher: Matcher) -> None:
        self.__process_matcher = process_matcher

    @property
    def process_matcher(self) -> Matcher:
        """Takes an action and says whether its process is meant."""
        return self.__process_matcher


class ShutdownProcess(ProcessTargetedEvent):
    """A process is to be ended."""

    name = 'launch.events.process.ShutdownProcess'


class SignalProcess(ProcessTargetedEvent):
    """A signal is to be sent to a process."""

    name = 'launch.events.process.SignalProcess'

    def __init__(
        self, *, signal_number: str | signal_module.Signals, process_matcher: Matcher
    ) -> None:
        super().__init__(process_matcher=process_matcher)
        if (
            isinstance(signal_number, str)
            and signal_number not in signal_module.Signals.__members__
        ):
            raise ValueError(f'{signal_number!r} is no signal')
        self.__signal = signal_number

    @property
    def signal(self) -> str | signal_module.Signals:
        """The signal."""
        return self.__signal

    @property
    def signal_name(self) -> str:
        """Its name, as 'SIGINT'."""
        return self.__signal if isinstance(self.__signal, str) else self.__signal.name


def _detail(action: Any, key: str) -> Any:
    return action.process_details[key] if action.process_details else None


def matches_pid(pid: int) -> Matcher:
    """A matcher for the process of that id."""
    return lambda action: _detail(action, 'pid') == pid


def matches_name(name: str) -> Matcher:
    """A matcher for the process of that name, as 'reaction_node-1'."""
    return lambda action: _detail(action, 'name') == name


def matches_executable(executable: str) -> Matcher:
    """A matcher for processes whose command's first word ends so."""
    return lambda action: (_detail(action, 'cmd') or [''])[0].endswith(executable)


__all__ = [
    'ProcessExited',
    'ProcessIO',
    'ProcessStarted',
    'ProcessStderr',
    'ProcessStdout',
    'ProcessTargetedEvent',
    'RunningProcessEvent',
    'ShutdownProcess',
    'SignalProcess',
    'matches_executable',
    'matches_name',
    'matches_pid',
]
__getattr__ = subset(__name__, __all__)
