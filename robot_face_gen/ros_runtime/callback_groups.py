"""Callback groups by rclpy's names: which callbacks may run at the same time."""

import weakref
from abc import ABC, abstractmethod
from threading import Lock
from typing import Any


class CallbackGroup(ABC):
    """Some entities' callbacks."""

    def __init__(self) -> None:
        self.entities: weakref.WeakSet[Any] = weakref.WeakSet()

    def add_entity(self, entity: Any) -> None:
        """Put an entity into the group."""
        self.entities.add(entity)

    def has_entity(self, entity: Any) -> bool:
        """Whether an entity is in the group."""
        return entity in self.entities

    @abstractmethod
    def can_execute(self, entity: Any) -> bool:
        """Whether its callback may begin now."""

    @abstractmethod
    def beginning_execution(self, entity: Any) -> bool:
        """Note that its callback begins; False where it may not."""

    @abstractmethod
    def ending_execution(self, entity: Any) -> None:
        """Note that its callback has ended."""


class ReentrantCallbackGroup(CallbackGroup):
    """Callbacks that may run at the same time."""

    def can_execute(self, entity: Any) -> bool:
        """True."""
        return True

    def beginning_execution(self, entity: Any) -> bool:
        """True."""
        return True

    def ending_execution(self, entity: Any) -> None:
        """Nothing to note."""


class MutuallyExclusiveCallbackGroup(CallbackGroup):
    """Callbacks of which one runs at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._active: Any = None
        self._lock = Lock()

    def can_execute(self, entity: Any) -> bool:
        """Whether none runs."""
        return self._active is None

    def beginning_execution(self, entity: Any) -> bool:
        """Note that its callback begins; False where another runs."""
        with self._lock:
            if self._active is not None:
                return False
            self._active = entity
            return True

    def ending_execution(self, entity: Any) -> None:
        """Note that its callback has ended."""
        with self._lock:
            if self._active is entity:
                self._active = None
