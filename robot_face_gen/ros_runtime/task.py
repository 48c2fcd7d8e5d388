"""Futures and tasks by rclpy's names: results that come later, and what waits for them."""

import inspect
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Generator
from typing import Any


class Future:
    """A result that comes later."""

    def __init__(self, *, executor: Any = None) -> None:
        self._lock = threading.RLock()
        self._done = self._cancelled = self._exception_fetched = False
        self._result: Any = None
        self._exception: BaseException | None = None
        self._callbacks: list[Callable[[Any], Any]] = []
        self._executor: Callable[[], Any] = lambda: None
        self._set_executor(executor)

    def __del__(self) -> None:
        if getattr(self, '_exception', None) is not None and not self._exception_fetched:
            print(f'The following exception was never retrieved: {self._exception}',
                  file=sys.stderr)

    def __await__(self) -> Generator[Any, None, Any]:
        while not self._done:
            yield self
        return self.result()

    def cancel(self) -> None:
        """Give the result up."""
        with self._lock:
            if not self._done:
                self._cancelled = self._done = True
        self._schedule_or_invoke_done_callbacks()

    def cancelled(self) -> bool:
        """Whether it was given up."""
        return self._cancelled

    def done(self) -> bool:
        """Whether there is a result, an exception, or nothing to wait for any more."""
        return self._done

    def result(self) -> Any:
        """The result; None while there is none. Raises the exception where there is one."""
        if self._exception is not None:
            raise self.exception()  # type: ignore[misc]
        return self._result

    def exception(self) -> BaseException | None:
        """The exception that came instead of a result."""
        self._exception_fetched = True
        return self._exception

    def set_result(self, result: Any) -> None:
        """Set the result."""
        with self._lock:
            self._result = result
            self._done, self._cancelled = True, False
        self._schedule_or_invoke_done_callbacks()

    def set_exception(self, exception: BaseException) -> None:
        """Set the exception that came instead."""
        with self._lock:
            self._exception = exception
            self._exception_fetched = False
            self._done, self._cancelled = True, False
        self._schedule_or_invoke_done_callbacks()

    def _schedule_or_invoke_done_callbacks(self) -> None:
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._call(callback)

    def _call(self, callback: Callable[[Any], Any]) -> None:
        executor = self._executor()
        if executor is not None:
            executor.create_task(callback, self)
            return
        try:
            callback(self)
        except Exception as error:
            warnings.warn(f'Unhandled exception in done callback: {error}', RuntimeWarning,
                          stacklevel=2)

    def _set_executor(self, executor: Any) -> None:
        self._executor = (lambda: None) if executor is None else weakref.ref(executor)

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        """Call this with the future when it is done; at once where it is."""
        with self._lock:
            if not self._done:
                self._callbacks.append(callback)
                return
        self._call(callback)


class Task(Future):
    """A function or coroutine that an executor runs; its result is the future's."""

    def __init__(self, handler: Any, args: Any = None, kwargs: Any = None,
                 executor: Any = None) -> None:
        super().__init__(executor=executor)
        self._handler: Any = (handler(*(args or ()), **(kwargs or {}))
                              if inspect.iscoroutinefunction(handler) else handler)
        self._args, self._kwargs = args or (), kwargs or {}
        self._running = threading.Lock()
        #: The future that the coroutine waits for.
        self._waits_for: Future | None = None

    def __call__(self) -> None:
        """Run until the end, or until the coroutine waits for something."""
        if self._done or not self._running.acquire(blocking=False):
            return
        try:
            if inspect.iscoroutine(self._handler):
                waits_for = self._handler.send(None)
                self._waits_for = waits_for if isinstance(waits_for, Future) else None
                return
            result = self._handler(*self._args, **self._kwargs)
        except StopIteration as end:
            self._complete_task()
            self.set_result(end.value)
        except Exception as error:
            self._complete_task()
            self.set_exception(error)
        else:
            self._complete_task()
            self.set_result(result)
        finally:
            self._running.release()

    def _complete_task(self) -> None:
        self._handler, self._args, self._kwargs = None, (), {}
        self._waits_for = None

    def executing(self) -> bool:
        """Whether it runs in this moment."""
        return self._running.locked()
