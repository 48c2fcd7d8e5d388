"""Runs a description: visits it, handles events, and ends when nothing is left to do."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from . import logging
from .event import Event
from .event_handler import EventHandler, as_entities
from .event_handlers import OnShutdown
from .events import IncludeLaunchDescription, Shutdown
from .launch_context import LaunchContext
from .launch_description import LaunchDescription
from .launch_description_entity import LaunchDescriptionEntity

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LaunchService:
    """Runs descriptions in the main thread until all they started has ended.

    Ctrl-C, SIGTERM and SIGHUP end everything; a second one at once sends each process the next
    stronger signal.
    """

    def __init__(
        self,
        *,
        argv: Iterable[str] | None = None,
        noninteractive: bool = False,
        debug: bool = False,
    ) -> None:
        self.__context = LaunchContext(argv=argv, noninteractive=noninteractive)
        self.__log = logging.get_logger('launch')
        self.__debug = debug
        self.__futures: list[tuple[LaunchDescriptionEntity, asyncio.Future]] = []
        self.__task: asyncio.Task | None = None
        self.__shutting_down = False

        def description(event: Event, context: LaunchContext) -> Any:
            assert isinstance(event, IncludeLaunchDescription)
            return event.launch_description

        self.__context.register_event_handler(_Include(description))
        self.__context.register_event_handler(OnShutdown(on_shutdown=self.__on_shutdown))

    @property
    def context(self) -> LaunchContext:
        """What is known while launching."""
        return self.__context

    @property
    def event_loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop while it runs."""
        return self.__context.asyncio_loop

    @property
    def task(self) -> asyncio.Task | None:
        """The task that runs the launch."""
        return self.__task

    def emit_event(self, event: Event) -> None:
        """Say that something happened; from any thread."""
        loop = self.event_loop
        if loop is None:
            self.__context.emit_event_sync(event)
        else:
            loop.call_soon_threadsafe(self.__context.emit_event_sync, event)

    def include_launch_description(self, launch_description: LaunchDescription) -> None:
        """Have a description visited; from any thread."""
        self.emit_event(IncludeLaunchDescription(launch_description))

    def shutdown(self, force_sync: bool = False) -> None:
        """End everything; from any thread."""
        if self.event_loop is not None:
            self.emit_event(Shutdown(reason='LaunchService.shutdown() called'))

    def run(self, *, shutdown_when_idle: bool = True) -> int:
        """Run until everything has ended.

        Returns:
            int: 0, or 1 after an error of the launch itself; a process' death is none.
        """
        return asyncio.run(
            self.run_async(shutdown_when_idle=shutdown_when_idle), debug=self.__debug
        )

    async def run_async(self, *, shutdown_when_idle: bool = True) -> int:
        """As `run`, inside a loop.

        Raises:
            RuntimeError: This is not the main thread, which alone gets signals.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError('LaunchService can only be run in the main thread.')
        self.__task = asyncio.current_task()
        context = self.__context
        context._set_asyncio_loop(asyncio.get_running_loop())
        code = 0
        try:
            with self.__signals():
                while True:
                    try:
                        if not await self.__step(shutdown_when_idle):
                            return code
                    except Exception as error:
                        self.__log.error(f'Caught exception in launch: {error}')
                        if self.__debug:
                            self.__log.exception('traceback')
                        code = 1
                        self.__begin_shutdown(f'error: {error}')
        finally:
            context._set_asyncio_loop(None)
            self.__shutting_down = False
            context._set_is_shutdown(False)

    async def __step(self, shutdown_when_idle: bool) -> bool:
        """Handle what happened and wait for more; False when all is done."""
        context = self.__context
        assert context._wake is not None
        while context._events:
            self.__handle(context._events.popleft())
        self.__futures = [pair for pair in self.__futures if not self.__is_over(pair[1])]
        context._completion_futures = [
            future for future in context._completion_futures if not future.done()
        ]
        pending = [future for _, future in self.__futures] + context._completion_futures
        if not pending and not context._events:
            if self.__shutting_down:
                return False
            if shutdown_when_idle:
                self.__begin_shutdown('idle')
                return True
        context._wake.clear()
        if context._events:
            return True
        waker = asyncio.ensure_future(context._wake.wait())
        await asyncio.wait([waker, *pending], return_when=asyncio.FIRST_COMPLETED)
        waker.cancel()
        return True

    @staticmethod
    def __is_over(future: asyncio.Future) -> bool:
        if not future.done():
            return False
        if not future.cancelled():
            future.result()  # an action's own error is the launch's error
        return True

    def __handle(self, event: Event) -> None:
        context = self.__context
        for handler in tuple(context._event_handlers):
            if not handler.matches(event):
                continue
            context._push_locals()
            try:
                for entity in as_entities(handler.handle(event, context)):
                    self.__visit(entity)
            finally:
                context._pop_locals()

    def __visit(self, entity: LaunchDescriptionEntity) -> None:
        """Visit an entity and all that comes of it, depth first."""
        inside = entity.visit(self.__context)
        future = entity.get_asyncio_future()
        if future is not None:
            self.__futures.append((entity, future))
        for one in as_entities(inside):
            self.__visit(one)

    def __on_shutdown(self, event: Event, context: LaunchContext) -> None:
        self.__shutting_down = True
        context._set_is_shutdown(True)

    def __begin_shutdown(self, reason: str, *, due_to_sigint: bool = False) -> None:
        if not self.__shutting_down:
            self.__shutting_down = True
            self.__context._set_is_shutdown(True)
            self.__context.emit_event_sync(Shutdown(reason=reason, due_to_sigint=due_to_sigint))

    def __on_signal(self, number: signal.Signals) -> None:
        what = 'ctrl-c (SIGINT)' if number is signal.SIGINT else number.name
        if not self.__shutting_down:
            self.__log.warning(f'user interrupted with {what}')
            self.__begin_shutdown(what, due_to_sigint=number is signal.SIGINT)
            return
        self.__log.warning(f'user interrupted with {what} again: ending processes at once')
        from .actions import ExecuteLocal

        for entity, _ in self.__futures:
            if isinstance(entity, ExecuteLocal):
                entity._hurry()

    @contextlib.contextmanager
    def __signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in _ENDING}
        for number in _ENDING:
            loop.add_signal_handler(number, partial(self.__on_signal, number))
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                if handler is not None:
                    signal.signal(number, handler)


class _Include(EventHandler):
    """Visits the description that an event brings."""

    def __init__(self, description: Any) -> None:
        super().__init__(matcher=lambda event: isinstance(event, IncludeLaunchDescription))
        self.__description = description

    def handle(self, event: Event, context: LaunchContext) -> Any:
        super().handle(event, context)
        return self.__description(event, context)
