"""What a launch can do."""

from .._subset import subset
from .configurations import (
    DeclareLaunchArgument,
    PopLaunchConfigurations,
    PushLaunchConfigurations,
    ResetLaunchConfigurations,
    SetLaunchConfiguration,
    UnsetLaunchConfiguration,
)
from .environment import (
    AppendEnvironmentVariable,
    PopEnvironment,
    PushEnvironment,
    ResetEnvironment,
    SetEnvironmentVariable,
    UnsetEnvironmentVariable,
)
from .event_actions import EmitEvent, RegisterEventHandler, Shutdown, UnregisterEventHandler
from .execute_process import ExecuteLocal, ExecuteProcess
from .functions import LogInfo, OpaqueFunction
from .group_action import GroupAction
from .include_launch_description import IncludeLaunchDescription
from .timer_action import TimerAction

__all__ = [
    'AppendEnvironmentVariable',
    'DeclareLaunchArgument',
    'EmitEvent',
    'ExecuteLocal',
    'ExecuteProcess',
    'GroupAction',
    'IncludeLaunchDescription',
    'LogInfo',
    'OpaqueFunction',
    'PopEnvironment',
    'PopLaunchConfigurations',
    'PushEnvironment',
    'PushLaunchConfigurations',
    'RegisterEventHandler',
    'ResetEnvironment',
    'ResetLaunchConfigurations',
    'SetEnvironmentVariable',
    'SetLaunchConfiguration',
    'Shutdown',
    'TimerAction',
    'UnregisterEventHandler',
    'UnsetEnvironmentVariable',
    'UnsetLaunchConfiguration',
]
__getattr__ = subset(__name__, __all__)
