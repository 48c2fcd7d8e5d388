# SPDX-License-Identifier: Apache-2.0
"""A bounded hand-off from the executor's thread to a worker: the newest win, drops are counted."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar('Item')


class Inbox(Generic[Item]):
    """Items in their order; when they weigh more than `limit`, the oldest go.

    Args:
        limit: greatest weight of all waiting items together; the newest stays in any case.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._items: deque[tuple[Item, float]] = deque()
        self._weight = 0.0
        self._filled = threading.Condition()

    def put(self, item: Item, weight: float = 1.0) -> int:
        """Add an item; never blocks.

        Returns:
            int: how many older items had to go.
        """
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
        """All waiting items, the oldest first; waits for the first one so long at most."""
        with self._filled:
            if not self._items:
                self._filled.wait(timeout_s)
            items = [item for item, _ in self._items]
            self._items.clear()
            self._weight = 0.0
        return items
