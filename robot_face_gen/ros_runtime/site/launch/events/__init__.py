"""What can happen in a launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .._subset import subset
from ..event import Event
from . import process

if TYPE_CHECKING:
    from ..action import Action
    from ..actions import TimerAction
    from ..launch_description import LaunchDescription


class Shutdown(Event):
    """Everything is to be ended."""

    name = 'launch.events.Shutdown'

    def __init__(self, *, reason: str = 'reason not given', due_to_sigint: bool = False) -> None:
        self.__reason = reason
        self.__due_to_sigint = due_to_sigint

    @property
    def reason(self) -> str:
        """Why."""
        return self.__reason

    @property
    def due_to_sigint(self) -> bool:
        """Whether somebody pressed Ctrl-C."""
        return self.__due_to_sigint


class IncludeLaunchDescription(Event):
    """A description is to be visited."""

    name = 'launch.events.IncludeLaunchDescription'

    def __init__(self, launch_description: LaunchDescription) -> None:
        self.__launch_description = launch_description

    @property
    def launch_description(self) -> LaunchDescription:
        """The description."""
        return self.__launch_description


class TimerEvent(Event):
    """A timer's time has come."""

    name = 'launch.events.TimerEvent'

    def __init__(self, *, timer_action: TimerAction) -> None:
        self.__timer_action = timer_action

    @property
    def timer_action(self) -> TimerAction:
        """The timer."""
        return self.__timer_action


def matches_action(target_action: Action) -> Callable[[Action], bool]:
    """A matcher for one action."""
    return lambda action: action is target_action


__all__ = [
    'IncludeLaunchDescription',
    'Shutdown',
    'TimerEvent',
    'matches_action',
    'process',
]
__getattr__ = subset(__name__, __all__)
