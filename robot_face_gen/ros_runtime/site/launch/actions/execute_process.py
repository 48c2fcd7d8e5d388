"""Processes."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from robot_face_gen.ros_runtime.supervisor import ProcessSettings, Supervisor

from .. import logging
from ..action import Action
from ..event import Event
from ..event_handler import EventHandler
from ..event_handlers import OnProcessExit, OnShutdown
from ..events.process import (
    ProcessExited,
    ProcessStarted,
    ProcessStderr,
    ProcessStdout,
    ShutdownProcess,
    SignalProcess,
)
from ..launch_context import LaunchContext
from ..launch_description_entity import LaunchDescriptionEntity
from ..some_substitutions_type import SomeSubstitutionsType
from ..substitution import Substitution
from ..substitutions import LaunchConfiguration
from ..utilities import (
    normalize_to_list_of_substitutions,
    normalize_typed_substitution,
    perform_substitutions,
    perform_typed_substitution,
)
from .functions import OpaqueFunction
from .process_output import shown_streams

_numbers = count(1)
Names = dict[SomeSubstitutionsType, SomeSubstitutionsType]


class ExecuteLocal(Action):
    """What all actions of processes are, for isinstance."""


class ExecuteProcess(ExecuteLocal):
    """Runs a process until it ends or the launch does.

    Args:
        cmd: Program and arguments.
        prefix: Words before the program, such as a debugger.
        name: For people; the program's name where not given.
        cwd: Working folder.
        env: The whole environment; the launch's own where not given.
        additional_env: Added to the environment.
        shell: Whether `cmd` is a line for a shell.
        sigterm_timeout: Seconds from SIGINT to SIGTERM when it is ended.
        sigkill_timeout: Seconds from SIGTERM to SIGKILL.
        emulate_tty: Taken as the wish to see output at once; no terminal is made.
        output: 'screen', 'both', 'own_log' and 'full' show all that it says, 'log' what it writes
            to standard error; or a dict with 'stdout', 'stderr', 'both' and such a word each.
            No log files are written.
        output_format: How a line is shown: `{this.process_description.final_name}`, `{line}`.
        cached_output: Whether what it says is kept.
        log_cmd: Whether the command line is shown.
        on_exit: What is visited when it has ended.
        respawn: Whether it is started again when it has ended.
        respawn_delay: Seconds before that.
        respawn_max_retries: How often; negative is always.
        condition: Whether it is started at all.
    """

    def __init__(
        self,
        *,
        cmd: Iterable[SomeSubstitutionsType],
        prefix: SomeSubstitutionsType | None = None,
        name: SomeSubstitutionsType | None = None,
        cwd: SomeSubstitutionsType | None = None,
        env: Names | None = None,
        additional_env: Names | None = None,
        shell: bool = False,
        sigterm_timeout: SomeSubstitutionsType | None = None,
        sigkill_timeout: SomeSubstitutionsType | None = None,
        emulate_tty: bool = False,
        output: Any = 'log',
        output_format: str = '[{this.process_description.final_name}] {line}',
        cached_output: bool = False,
        log_cmd: bool = False,
        on_exit: Any = None,
        respawn: bool | SomeSubstitutionsType = False,
        respawn_delay: float | None = None,
        respawn_max_retries: int = -1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.__cmd = [normalize_to_list_of_substitutions(word) for word in cmd]
        self.__prefix = normalize_to_list_of_substitutions(
            LaunchConfiguration('launch-prefix', default='') if prefix is None else prefix
        )
        self.__name = None if name is None else normalize_to_list_of_substitutions(name)
        self.__cwd = None if cwd is None else normalize_to_list_of_substitutions(cwd)
        self.__env = env
        self.__additional_env = additional_env or {}
        self.__shell = shell
        self.__timeouts = [
            normalize_to_list_of_substitutions(
                LaunchConfiguration(key, default=5) if given is None else given
            )
            for key, given in (
                ('sigterm_timeout', sigterm_timeout),
                ('sigkill_timeout', sigkill_timeout),
            )
        ]
        self.__emulate_tty = emulate_tty
        self.__output = os.environ.get('OVERRIDE_LAUNCH_PROCESS_OUTPUT', output)
        self.__output_format = output_format
        self.__cached: dict[str, list[str]] | None = (
            {'stdout': [], 'stderr': []} if cached_output else None
        )
        self.__log_cmd = log_cmd
        self.__on_exit = on_exit
        self.__respawn = normalize_typed_substitution(respawn, bool)
        self.__respawn_delay = respawn_delay
        self.__respawn_max_retries = respawn_max_retries
        self.__details: dict[str, Any] | None = None
        self.__return_code: int | None = None
        self.__supervisor: Supervisor | None = None
        self.__task: asyncio.Task | None = None
        self.final_name = ''

    @property
    def cmd(self) -> list[list[Substitution]]:
        """Program and arguments."""
        return self.__cmd

    @property
    def name(self) -> list[Substitution] | None:
        """Its name for people."""
        return self.__name

    @property
    def output(self) -> Any:
        """What of it is shown."""
        return self.__output

    @property
    def process_description(self) -> ExecuteProcess:
        """What is run."""
        return self

    @property
    def process_details(self) -> dict[str, Any] | None:
        """Its name, cmd, cwd, env and pid; None before it is started."""
        return self.__details

    @property
    def return_code(self) -> int | None:
        """Its exit code; None before it has ended."""
        return self.__return_code

    def get_sub_entities(self) -> list[LaunchDescriptionEntity]:
        """What is visited when it has ended, as far as that is known."""
        return self.__on_exit if isinstance(self.__on_exit, list) else []

    def get_stdout(self) -> str:
        """What it wrote to standard output, where that is kept."""
        return self.__kept('stdout')

    def get_stderr(self) -> str:
        """What it wrote to standard error, where that is kept."""
        return self.__kept('stderr')

    def __kept(self, stream: str) -> str:
        if self.__cached is None:
            raise RuntimeError(f'{self.final_name or "process"}: cached_output is not set')
        return ''.join(f'{line}\n' for line in self.__cached[stream])

    def _final_cmd(self, context: LaunchContext) -> list[str]:
        """Program and arguments as texts."""
        return [perform_substitutions(context, word) for word in self.__cmd]

    def _settings(self, context: LaunchContext) -> ProcessSettings:
        """What the supervisor needs to know."""
        cmd = self._final_cmd(context)
        name = (
            os.path.basename(cmd[0])
            if self.__name is None
            else perform_substitutions(context, self.__name)
        )

        def texts(names: Names) -> dict[str, str]:
            return {
                perform_substitutions(
                    context, normalize_to_list_of_substitutions(key)
                ): perform_substitutions(context, normalize_to_list_of_substitutions(value))
                for key, value in names.items()
            }

        env = dict(context.environment) if self.__env is None else texts(self.__env)
        if self.__emulate_tty or context.launch_configurations.get('emulate_tty') in ('true', '1'):
            env.setdefault('PYTHONUNBUFFERED', '1')
        env.update(texts(self.__additional_env))
        sigterm_timeout, sigkill_timeout = (
            perform_typed_substitution(context, parts, float) for parts in self.__timeouts
        )
        return ProcessSettings(
            name=f'{name}-{next(_numbers)}',
            cmd=[*shlex.split(perform_substitutions(context, self.__prefix)), *cmd],
            cwd=None if self.__cwd is None else perform_substitutions(context, self.__cwd),
            env=env,
            shell=self.__shell,
            respawn=perform_typed_substitution(context, self.__respawn, bool),
            respawn_delay=self.__respawn_delay or 0.0,
            respawn_max_retries=self.__respawn_max_retries,
            sigterm_timeout=sigterm_timeout,
            sigkill_timeout=sigkill_timeout,
        )

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Start the process.

        Raises:
            RuntimeError: It has been started before: an action is for one place in a description.
        """
        if self.__task is not None:
            raise RuntimeError(f"'{self.final_name}' is in the description more than once")
        settings = self._settings(context)
        self.final_name = settings.name
        if context.is_shutdown:
            return None
        shown = shown_streams(context, self.__output)
        log = logging.get_logger(settings.name)
        screen = logging.get_screen()
        if self.__log_cmd:
            log.info(f"process details: cmd='{shlex.join(settings.cmd)}', cwd='{settings.cwd}'")
        details: dict[str, Any] = {
            'action': self,
            'name': settings.name,
            'cmd': list(settings.cmd),
            'cwd': settings.cwd,
            'env': settings.env,
        }

        def on_line(stream: str, line: str) -> None:
            if self.__cached is not None:
                self.__cached[stream].append(line)
            if shown[stream]:
                screen.info(self.__output_format.format(this=self, line=line))
            kind = ProcessStdout if stream == 'stdout' else ProcessStderr
            context.emit_event_sync(kind(text=f'{line}\n'.encode(), **details))

        def on_started(pid: int) -> None:
            details['pid'] = pid
            self.__details = details
            context.emit_event_sync(ProcessStarted(**details))

        def on_exited(pid: int, code: int) -> None:
            self.__return_code = code
            context.emit_event_sync(ProcessExited(returncode=code, **{**details, 'pid': pid}))

        supervisor = Supervisor(settings, on_line, on_started, on_exited, log)
        self.__supervisor = supervisor
        self.__register(context, supervisor)
        self.__task = asyncio.ensure_future(supervisor.run())
        return None

    def __register(self, context: LaunchContext, supervisor: Supervisor) -> None:
        def meant(kind: type) -> Callable[[Event], bool]:
            return lambda event: isinstance(event, kind) and event.process_matcher(self)

        def send(context: LaunchContext) -> None:
            supervisor.send_signal(signal.Signals[context.locals.event.signal_name])

        def stop(*_: Any) -> None:
            supervisor.stop()

        if self.__on_exit is not None:
            context.register_event_handler(
                OnProcessExit(target_action=self, on_exit=self.__on_exit)
            )
        for handler in (
            OnShutdown(on_shutdown=stop),
            EventHandler(matcher=meant(ShutdownProcess), entities=OpaqueFunction(function=stop)),
            EventHandler(matcher=meant(SignalProcess), entities=OpaqueFunction(function=send)),
        ):
            context.register_event_handler(handler)

    def _hurry(self) -> None:
        """End the process at once with the next stronger signal."""
        if self.__supervisor is not None:
            self.__supervisor.hurry()

    def get_asyncio_future(self) -> asyncio.Future | None:
        """Done when the process has ended for good."""
        return self.__task
