"""What every executor does: wait for work of nodes and hand it out, by rclpy's names."""

import inspect
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from .context import Context, get_default_context
from .exceptions import ExternalShutdownException, ShutdownException
from .task import Future, Task
from .waiting import Waiter

Work = Callable[[], None]


class Executor(ABC):
    """Waits until a node has something to do, and does it."""

    def __init__(self, *, context: Context | None = None) -> None:
        self._context = get_default_context() if context is None else context
        self._nodes: list[Any] = []
        self._lock = threading.RLock()
        self._waiter: Waiter | None = None
        self._woken = False
        self._is_shutdown = False
        self._ready: deque[Any] = deque()
        self._tasks: list[Task] = []
        self._attached: tuple[Any, ...] | None = None
        self._context._wakers.add(self)

    @property
    def context(self) -> Context:
        """The context that it belongs to."""
        return self._context

    def create_task(self, callback: Any, *args: Any, **kwargs: Any) -> Task:
        """Run a function or coroutine as soon as possible; the task is its future."""
        task = Task(callback, args, kwargs, executor=self)
        with self._lock:
            self._tasks.append(task)
        self.wake()
        return task

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Stop spinning and give up the nodes; True when that is done."""
        self._is_shutdown = True
        self.wake()
        with self._lock:
            nodes, self._nodes = self._nodes, []
        for node in nodes:
            if node._executor is self:
                node._executor = None
        self._context._wakers.discard(self)
        self.close()
        return True

    def close(self) -> None:
        """Give up what the wait needs in DDS."""
        waiter, self._waiter = self._waiter, None
        self._attached = None
        if waiter is not None:
            waiter.close()

    def __enter__(self) -> 'Executor':
        return self

    def __exit__(self, *exc: Any) -> None:
        self.shutdown()

    def add_node(self, node: Any) -> bool:
        """Care for a node; False where it does so already."""
        with self._lock:
            if self._is_shutdown:
                raise ShutdownException()
            if node in self._nodes:
                return False
            self._nodes.append(node)
        node.executor = self
        self.wake()
        return True

    def remove_node(self, node: Any) -> None:
        """Care for a node no more."""
        with self._lock:
            if node not in self._nodes:
                return
            self._nodes.remove(node)
        if node._executor is self:
            node._executor = None
        self.wake()

    def get_nodes(self) -> list[Any]:
        """The nodes that it cares for."""
        with self._lock:
            return list(self._nodes)

    def wake(self) -> None:
        """End a wait: something has changed."""
        self._woken = True
        waiter = self._waiter
        if waiter is not None:
            waiter.wake()

    def spin(self) -> None:
        """Work until the context or the executor is shut down."""
        while self._context.ok() and not self._is_shutdown:
            self.spin_once()

    def spin_until_future_complete(self, future: Future, timeout_sec: float | None = None) -> None:
        """Work until the future is done, or for that long (None or negative: without limit)."""
        limit = None if timeout_sec is None or timeout_sec < 0 else time.monotonic() + timeout_sec
        future.add_done_callback(lambda _: self.wake())
        while self._context.ok() and not future.done() and not self._is_shutdown:
            left = None if limit is None else max(0.0, limit - time.monotonic())
            self.spin_once_until_future_complete(future, left)
            if limit is not None and time.monotonic() >= limit:
                return

    @abstractmethod
    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Do one piece of work, or wait that long for one (None or negative: without limit)."""

    @abstractmethod
    def spin_once_until_future_complete(self, future: Future,
                                        timeout_sec: float | None = None) -> None:
        """As `spin_once`, and come back when the future is done."""

    def can_execute(self, entity: Any) -> bool:
        """Whether the entity's callback group lets it run now."""
        return entity.callback_group is None or entity.callback_group.can_execute(entity)

    def _next_work(self, timeout_sec: float | None, condition: Callable[[], bool]) -> Work | None:
        """Wait for a piece of work; None when the time is over or `condition` holds.

        Raises:
            ShutdownException: The executor was shut down.
            ExternalShutdownException: The context was.
        """
        limit = (None if timeout_sec is None or timeout_sec < 0
                 else time.monotonic_ns() + int(timeout_sec * 1e9))
        while True:
            if self._is_shutdown:
                raise ShutdownException()
            if not self._context.ok():
                raise ExternalShutdownException()
            work = self._task_work() or self._queued_work()
            if work is not None or condition():
                return work
            left = None if limit is None else limit - time.monotonic_ns()
            self._gather(0 if left is not None and left < 0 else left)
            if not self._ready and left is not None and left <= 0 and not self._runnable_tasks():
                return None

    def _runnable_tasks(self) -> list[Task]:
        with self._lock:
            self._tasks = [task for task in self._tasks if not task.done()]
            return [task for task in self._tasks if not task.executing() and (
                task._waits_for is None or task._waits_for.done())]

    def _task_work(self) -> Work | None:
        if not self._tasks:
            return None
        for task in self._runnable_tasks():
            # To the end of the line: a coroutine that only yields must not starve the others.
            with self._lock:
                self._tasks.remove(task)
                self._tasks.append(task)
            if task._waits_for is not None:
                task._waits_for = None

            def run(task: Task = task) -> None:
                task()
                if task.done() and getattr(task, '_raise_in_spin', False):
                    task.result()
            return run
        return None

    def _queued_work(self) -> Work | None:
        while self._ready:
            entity = self._ready.popleft()
            group = entity.callback_group
            if group is not None and not group.beginning_execution(entity):
                continue
            callback = entity._take()
            if callback is None:
                if group is not None:
                    group.ending_execution(entity)
                continue
            return self._work_of(entity, group, callback)
        return None

    def _work_of(self, entity: Any, group: Any, callback: Callable[[], Any]) -> Work:
        def run() -> None:
            try:
                outcome = callback()
            except BaseException:
                finish()
                raise
            if inspect.iscoroutine(outcome):
                task = Task(None, executor=self)
                task._handler = outcome
                task._raise_in_spin = True  # type: ignore[attr-defined]
                task.add_done_callback(lambda _: finish())
                with self._lock:
                    self._tasks.append(task)
                self.wake()
            else:
                finish()

        def finish() -> None:
            if group is not None:
                group.ending_execution(entity)
                if self._busy_matters():
                    self.wake()

        return run

    def _busy_matters(self) -> bool:
        return False

    def _gather(self, timeout_ns: int | None) -> None:
        """Wait until entities have work, and queue those."""
        nodes = self.get_nodes()
        waiter = self._waiter
        if waiter is None:
            waiter = self._waiter = Waiter(self._context.participant)
            self._attached = None
        versions = tuple((id(node), node._version) for node in nodes)
        if self._busy_matters() or versions != self._attached:
            waiter.attach({
                handle: entity for node in nodes for entity in node._executables()
                if self.can_execute(entity) for handle in entity._handles()})
            self._attached = versions
        timers = [timer for node in nodes for timer in node._timer_list()
                  if self.can_execute(timer)]
        for timer in timers:
            due = timer._remaining_ns()
            if due is not None and (timeout_ns is None or due < timeout_ns):
                timeout_ns = due
        if self._woken or not self._context.ok():
            self._woken = False
            timeout_ns = 0
        # A list without doubles: an entity with two handles may fire twice.
        for entity in dict.fromkeys(waiter.wait(timeout_ns)):
            self._ready.append(entity)
        for timer in timers:
            if timer._remaining_ns() == 0:
                self._ready.append(timer)
