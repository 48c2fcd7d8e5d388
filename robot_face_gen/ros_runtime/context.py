"""Contexts by rclpy's names: the state between `rclpy.init` and `rclpy.shutdown`."""

import atexit
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

from . import console, environment
from .arguments import Arguments, parse
from .dds import Participant
from .exceptions import NotInitializedException, RCLError
from .graph import Announcer, Observer

_live: 'weakref.WeakSet[Context]' = weakref.WeakSet()


class Context:
    """Everything between `init` and `shutdown`: arguments, and this process in one domain."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._initialized = self._valid = False
        self._callbacks: list[Any] = []
        self._wakers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._nodes: weakref.WeakSet[Any] = weakref.WeakSet()
        self._domain_id = 0
        self._participant: Participant | None = None
        self._announcer: Announcer | None = None
        self._observer: Observer | None = None
        self.arguments = Arguments()

    @property
    def handle(self) -> 'Context':
        """Itself: there is nothing below."""
        return self

    def destroy(self) -> None:
        """Leave the graph and give up everything."""
        self._valid = False
        self._wake()
        self._close()

    def init(self, args: list[str] | None = None, *, initialize_logging: bool = True,
             domain_id: int | None = None) -> None:
        """Begin.

        Args:
            args: Command line; None: the process' own.
            initialize_logging: Whether log levels in `args` count.
            domain_id: Domain to join; None: as ROS_DOMAIN_ID says.

        Raises:
            RuntimeError: It was begun before, or `domain_id` is not valid.
            RCLInvalidROSArgsError: The command line's ROS part is malformed.
        """
        with self._lock:
            if self._initialized:
                raise RuntimeError('Context.init() must only be called once')
            try:
                self._domain_id = environment.domain_id() if domain_id is None else domain_id
                environment.discovery_range()
            except ValueError as error:
                raise RCLError(str(error)) from error
            if not 0 <= self._domain_id <= 232:
                raise RuntimeError(f'Domain id ({domain_id}) must be from 0 to 232')
            self.arguments = parse(sys.argv if args is None else args)
            if initialize_logging:
                console.configure(self.arguments)
            self._initialized = self._valid = True
            _live.add(self)

    def ok(self) -> bool:
        """Whether it was begun and has not ended."""
        return self._valid

    def shutdown(self) -> None:
        """End; what spins comes back.

        Raises:
            RCLError: It has ended already, or never begun.
        """
        if not self._valid:
            raise RCLError('failed to shutdown: rcl_shutdown already called on the given context')
        self.try_shutdown()

    def try_shutdown(self) -> None:
        """End, if it has not ended yet."""
        with self._lock:
            was_valid, self._valid = self._valid, False
            callbacks, self._callbacks = self._callbacks, []
        if was_valid:
            for callback in callbacks:
                function = callback()
                if function is not None:
                    function()
        self._wake()
        self._node_destroyed()

    def _node_destroyed(self) -> None:
        """Leave the graph with the last node after the end."""
        if not self._valid and all(node._destroyed for node in self._nodes):
            self._close()

    def on_shutdown(self, callback: Callable[[], None]) -> None:
        """Call this when it is ended by `shutdown` or `try_shutdown`."""
        if not callable(callback):
            raise TypeError('callback should be a callable, got {}', type(callback))
        with self._lock:
            if isinstance(callback, type(self.on_shutdown)):
                # A bound method must not keep its object alive.
                self._callbacks.append(weakref.WeakMethod(callback))
            else:
                self._callbacks.append(lambda: callback)

    def get_domain_id(self) -> int:
        """Domain of the graph."""
        if not self._initialized:
            raise NotInitializedException()
        return self._domain_id

    def _interrupt(self) -> None:
        """End from a signal handler: nothing is called and nothing is given up yet."""
        self._valid = False

    def _wake(self) -> None:
        for waker in list(self._wakers):
            waker.wake()

    @property
    def participant(self) -> Participant:
        """This process in the domain, joined at the first use."""
        with self._lock:
            if self._participant is None:
                if not self._valid:
                    raise NotInitializedException('the context is not valid')
                self._participant = Participant(
                    self._domain_id, environment.cyclone_config(), '/')
            return self._participant

    @property
    def announcer(self) -> Announcer:
        """Tells others of our nodes."""
        with self._lock:
            if self._announcer is None:
                self._announcer = Announcer(self.participant)
            return self._announcer

    @property
    def observer(self) -> Observer:
        """Sees everybody's nodes."""
        with self._lock:
            if self._observer is None:
                self._observer = Observer(self.participant, self.announcer)
            return self._observer

    def _close(self) -> None:
        with self._lock:
            for waker in list(self._wakers):
                waker.close()
            for part in (self._observer, self._announcer, self._participant):
                if part is not None:
                    part.close()
            self._observer = self._announcer = self._participant = None


@atexit.register
def _close_all() -> None:
    """Leave the graph in order: at exit, DDS must be gone before the interpreter is."""
    for context in list(_live):
        context.destroy()


_default: Context | None = None
_default_lock = threading.RLock()


def get_default_context(*, shutting_down: bool = False) -> Context:
    """The context of those who name none; a fresh one after the last was shut down."""
    global _default
    with _default_lock:
        context = _default = _default or Context()
        if shutting_down:
            _default = None
        return context


def try_shutdown(*, context: Context | None = None) -> None:
    """End a context if it has not ended; afterwards `rclpy.init` can be called again."""
    global _default
    if context is not None:
        context.try_shutdown()
        return
    with _default_lock:
        get_default_context().try_shutdown()
        _default = None


