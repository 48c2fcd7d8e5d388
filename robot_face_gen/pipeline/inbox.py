# SPDX-License-Identifier: Apache-2.0
"""A bounded queue from the executor's thread to a worker thread; drops the oldest items."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar('Item')


class Inbox(Generic[Item]):
    """A queue that drops its oldest items if the sum of the weights is above `limit`.

    The newest item is always kept.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._items: deque[tuple[Item, float]] = deque()
        self._weight = 0.0
        self._filled = threading.Condition()

    def put(self, item: Item, weight: float = 1.0) -> int:
        """Add an item; never blocks. Returns how many older ones were dropped."""
        dropped = 0
        with self._filled:
            self._items.append((item, weight))
            self._weight += weight
            while self._weight > self._limit and len(self._items) > 1:
                self._weight -= self._items.popleft()[1]
                dropped += 1
            self._filled.notify()
        return dropped

    def take_all(self, timeout_s: float) -> list[Item]:
        """Remove and return all items, oldest first; wait at most `timeout_s` for the first."""
        with self._filled:
            if not self._items:
                self._filled.wait(timeout_s)
            items = [item for item, _ in self._items]
            self._items.clear()
            self._weight = 0.0
        return items
