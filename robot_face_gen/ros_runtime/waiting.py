"""Waiting for DDS without using the processor."""

import ctypes
from collections.abc import Mapping
from threading import RLock
from typing import Any

from cyclonedds.core import GuardCondition, WaitSet

from .dds import INFINITE, Participant, delete


class Waiter:
    """Sleeps until one of some DDS entities has something to tell, or until `wake`."""

    def __init__(self, participant: Participant) -> None:
        self._set = WaitSet(participant.entity)
        self._guard = GuardCondition(participant.entity)
        self._attached: dict[int, tuple[int, Any]] = {}
        self._tokens = 0
        self._closed = False
        self._lock = RLock()
        self._set._waitset_attach(self._set._ref, self._guard._ref, 0)

    def attach(self, wanted: Mapping[int, Any]) -> None:
        """Say what to wait for: DDS entity (its handle) -> what `wait` returns for it."""
        for handle in self._attached.keys() - wanted.keys():
            # An entity that is gone already has left the set by itself.
            self._set._waitset_detach(self._set._ref, handle)
            del self._attached[handle]
        for handle, owner in wanted.items():
            if handle not in self._attached:
                self._tokens += 1
                if self._set._waitset_attach(self._set._ref, handle, self._tokens) < 0:
                    continue
                self._attached[handle] = self._tokens, owner

    def wait(self, timeout_ns: int | None) -> list[Any]:
        """Wait for at most that long (None: for ever) and return who has something to tell."""
        room = len(self._attached) + 1
        fired = (ctypes.c_void_p * room)()
        count = self._set._waitset_wait(
            self._set._ref, fired, room, INFINITE if timeout_ns is None else timeout_ns)
        tokens = set(fired[:max(0, min(count, room))])
        if None in tokens:
            self._guard.take()
        if not tokens:
            return []
        return [owner for token, owner in self._attached.values() if token in tokens]

    def wake(self) -> None:
        """End a wait now; or the next one, where none is going on."""
        with self._lock:
            if not self._closed:
                self._guard.set(True)

    def close(self) -> None:
        """Give up the entities."""
        with self._lock:
            if not self._closed:
                self._closed = True
                delete(self._set)
                delete(self._guard)
