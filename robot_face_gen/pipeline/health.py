# SPDX-License-Identifier: Apache-2.0
"""What a node knows of its own health: rates, latencies, counters, what is wrong. No ROS."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

OK, WARN, ERROR = 0, 1, 2
RATE_WINDOW_S = 5.0
LATENCY_WINDOW = 3000  # newest values kept of each latency: two minutes at 25 Hz
TROUBLE_S = 3.0  # a counted trouble keeps the level up so long


@dataclass
class Flow:
    """Something that comes or goes again and again."""

    label: str
    stall_s: float | None
    times: deque[float] = field(default_factory=lambda: deque(maxlen=1024))
    total: int = 0


@dataclass(frozen=True)
class Report:
    """One look at the health: level, one line, keys and values in a fixed order."""

    level: int
    message: str
    values: dict[str, str]
    not_logged: str = ''  # the part of the message that nobody has put in the log yet


class Health:
    """Collects from any thread; `report` sums up.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._flows: dict[str, Flow] = {}
        self._counters: Counter[str] = Counter()
        self._latencies: dict[str, deque[float]] = {}
        self._troubles: dict[str, tuple[float, str, bool]] = {}
        self._failures: dict[str, tuple[str, bool]] = {}
        self._logged: dict[str, str] = {}  # what callers have put in the log last, by name
        self._facts: dict[str, str] = {}

    def add_flow(self, name: str, label: str = '', stall_s: float | None = None) -> None:
        """A flow to be counted.

        Args:
            name: of its keys, `<name>` (a count) and `<name>_hz`.
            label: what to say that the node waits for, a resolved topic; '' for outputs.
            stall_s: after so long without one the level rises; None is never.
        """
        with self._lock:
            self._flows[name] = Flow(label, stall_s)

    def tick(self, name: str, count: int = 1) -> None:
        """`count` of a flow have come or gone."""
        with self._lock:
            flow = self._flows[name]
            flow.times.extend([self._clock()] * count)
            flow.total += count

    def expect_silence(self, name: str) -> None:
        """A flow has ended on purpose: no stall."""
        with self._lock:
            self._flows[name].stall_s = None

    def count(
        self, name: str, amount: int = 1, trouble: str = '', *, logged: bool = False
    ) -> None:
        """Add to a counter; with `trouble` the level rises for a while and says it.

        `{total}` in it stands for what has been counted in all. `logged`: the caller has put it
        in the log himself, and need not do so again for the same text.
        """
        with self._lock:
            self._counters[name] += amount
            if trouble and amount:
                said = trouble.replace('{total}', str(self._counters[name]))
                logged = self._is_logged(name, trouble, logged)
                self._troubles[name] = (self._clock(), said, logged)

    def set_counters(
        self, values: Mapping[str, int], troubles: Mapping[str, str] | None = None
    ) -> None:
        """Take over counters that are kept elsewhere, by name.

        Where one that `troubles` names has grown, the level rises, as in `count`.
        """
        for name, trouble in (troubles or {}).items():
            with self._lock:
                grown = values.get(name, 0) - self._counters[name]
            if grown > 0:
                self.count(name, grown, trouble)
        with self._lock:
            self._counters.update(
                {name: value - self._counters[name] for name, value in values.items()}
            )

    def latency(self, name: str, seconds: float) -> None:
        """One measured latency; reported as `<name>_p50_ms`, `<name>_p99_ms`."""
        with self._lock:
            self._latencies.setdefault(name, deque(maxlen=LATENCY_WINDOW)).append(seconds)

    def fail(self, name: str, text: str, *, logged: bool = False) -> None:
        """An error that lasts until `mend`; `logged` as in `count`."""
        with self._lock:
            self._failures[name] = (text, self._is_logged(name, text, logged))

    def _is_logged(self, name: str, text: str, now: bool) -> bool:
        if now:
            self._logged[name] = text
        return self._logged.get(name) == text

    def mend(self, name: str) -> None:
        """The error is over."""
        with self._lock:
            self._failures.pop(name, None)

    def fact(self, name: str, value: object) -> None:
        """A value to show as it is (a device, the id of an encoder)."""
        with self._lock:
            self._facts[name] = str(value)

    def waiting_for(self) -> list[str]:
        """Labels of the flows that have not begun."""
        with self._lock:
            return [flow.label for flow in self._flows.values() if flow.label and not flow.total]

    def report(self) -> Report:
        """Sum up; the worst thing decides the level and comes first in the message."""
        with self._lock:
            now = self._clock()
            troubles = [
                (text, logged)
                for since, text, logged in self._troubles.values()
                if now - since < TROUBLE_S
            ]
            warnings = []
            values = dict(self._facts)
            for name, flow in self._flows.items():
                values[name] = str(flow.total)
                values[f'{name}_hz'] = f'{_rate(flow.times, now):.2f}'
                if flow.label and not flow.total:
                    warnings.append(f'waiting for {flow.label}')
                elif flow.stall_s is not None and flow.total:
                    silence = now - flow.times[-1]
                    if silence > flow.stall_s:
                        warnings.append(f'nothing on {flow.label or name} for {silence:.1f} s')
            values.update((name, str(value)) for name, value in self._counters.items())
            for name, seconds in self._latencies.items():
                p50, p99 = np.percentile(np.array(seconds), (50, 99)) * 1e3
                values[f'{name}_p50_ms'], values[f'{name}_p99_ms'] = f'{p50:.2f}', f'{p99:.2f}'
            told = [*self._failures.values(), *troubles, *((text, False) for text in warnings)]
            level = ERROR if self._failures else WARN if told else OK
            return Report(
                level,
                '; '.join(text for text, _ in told) or 'OK',
                values,
                '; '.join(text for text, logged in told if not logged),
            )


def _rate(times: deque[float], now: float) -> float:
    """Events a second over the last seconds; 0.0 where there were less than two."""
    recent = [t for t in times if now - t <= RATE_WINDOW_S]
    if len(recent) < 2 or recent[-1] <= recent[0]:
        return 0.0
    # While events come, between the first and the last of them; once they stop, it sinks.
    return (len(recent) - 1) / max(recent[-1] - recent[0], now - recent[0] - 1.0)
