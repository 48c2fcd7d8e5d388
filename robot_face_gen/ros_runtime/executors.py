"""The executors by rclpy's names: one thread, or several."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .context import Context
from .exceptions import ShutdownException
from .executor import Executor, Work
from .task import Future


class SingleThreadedExecutor(Executor):
    """Runs one callback after the other, in the thread that spins."""

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Do one piece of work, or wait that long for one (None or negative: without limit)."""
        self._spin_once(timeout_sec, lambda: False)

    def spin_once_until_future_complete(self, future: Future,
                                        timeout_sec: float | None = None) -> None:
        """As `spin_once`, and come back when the future is done."""
        future.add_done_callback(lambda _: self.wake())
        self._spin_once(timeout_sec, future.done)

    def _spin_once(self, timeout_sec: float | None, condition: Callable[[], bool]) -> None:
        try:
            work = self._next_work(timeout_sec, condition)
        except ShutdownException:
            return
        if work is not None:
            work()


class MultiThreadedExecutor(Executor):
    """Runs callbacks in a pool of threads, as far as their groups allow."""

    def __init__(self, num_threads: int | None = None, *, context: Context | None = None) -> None:
        super().__init__(context=context)
        threads = num_threads or os.cpu_count() or 2
        self._pool = ThreadPoolExecutor(max(2, threads))
        self._failures: deque[BaseException] = deque()

    def _busy_matters(self) -> bool:
        return True

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Start one piece of work, or wait that long for one (None or negative: without limit)."""
        self._spin_once(timeout_sec, lambda: False)

    def spin_once_until_future_complete(self, future: Future,
                                        timeout_sec: float | None = None) -> None:
        """As `spin_once`, and come back when the future is done."""
        future.add_done_callback(lambda _: self.wake())
        self._spin_once(timeout_sec, future.done)

    def _spin_once(self, timeout_sec: float | None, condition: Callable[[], bool]) -> None:
        try:
            work = self._next_work(timeout_sec, lambda: condition() or bool(self._failures))
        except ShutdownException:
            return
        if work is not None:
            self._pool.submit(self._guarded, work)
        if self._failures:
            raise self._failures.popleft()

    def _guarded(self, work: Work) -> None:
        try:
            work()
        except BaseException as error:
            self._failures.append(error)
            self.wake()

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Stop spinning, wait for what runs, and give up the nodes."""
        done = super().shutdown(timeout_sec)
        self._pool.shutdown(wait=timeout_sec is None, cancel_futures=True)
        return done
