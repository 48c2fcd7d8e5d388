# SPDX-License-Identifier: Apache-2.0
"""Diagnostics of a node: rates, latencies, counters, warnings and errors; without ROS."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .processor_wait import OVERLOAD, of_this_process

OK, WARN, ERROR = 0, 1, 2
RATE_WINDOW_S = 5.0
LATENCY_WINDOW = 3000  # newest values kept for each latency: two minutes at 25 Hz
TROUBLE_S = 3.0  # how long a warning of a counter lasts
PAUSE_S = 0.4  # without any input: more is no delay of a busy machine
_OVERLOADED = 'overload: the processor is busy (this process waits {:.1f} s per second for it)'
BURST_S = 0.5  # after a pause: in this time, the input that has waited is received


@dataclass
class Flow:
    """A sequence of events: messages received, messages published, ..."""

    label: str
    stall_s: float | None
    times: deque[float] = field(default_factory=lambda: deque(maxlen=1024))
    total: int = 0


@dataclass(frozen=True)
class Fault:
    """Something that is wrong at present."""

    text: str  # for people
    level: int = WARN  # or ERROR
    waiting: bool = False  # an input that has not received anything yet


@dataclass(frozen=True)
class Report:
    """Status at one time: level, one line of text, keys and values in a fixed order.

    `faults` are by name, errors first; a name stays the same while its fault stands.
    """

    level: int
    message: str
    values: dict[str, str]
    faults: dict[str, Fault] = field(default_factory=dict)


class Health:
    """Collects measurements from any thread; `report` returns the status.

    `waited` returns for how long this process waits for a processor, in seconds per second.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        waited: Callable[[], float] = of_this_process.share,
    ) -> None:
        self._clock, self._waited = clock, waited
        self._lock = threading.Lock()
        self._flows: dict[str, Flow] = {}
        self._counters: Counter[str] = Counter()
        self._latencies: dict[str, deque[float]] = {}
        self._troubles: dict[str, tuple[float, str]] = {}
        self._failures: dict[str, str] = {}
        self._facts: dict[str, str] = {}
        self._note = ''
        self._last_input_s = math.inf
        self._pause_s, self._pause_end_s = 0.0, -math.inf  # the last pause of all inputs

    def add_flow(self, name: str, label: str = '', stall_s: float | None = None) -> None:
        """Add a sequence of events with the keys `<name>` (a count) and `<name>_hz`.

        `label` is the resolved topic of an input, for warnings, '' for outputs. It warns if there
        is no event for longer than `stall_s`; None: never.
        """
        with self._lock:
            self._flows[name] = Flow(label, stall_s)

    def remove_flow(self, name: str) -> None:
        """Forget a sequence of events that has ended."""
        with self._lock:
            self._flows.pop(name, None)

    def tick(self, name: str, count: int = 1) -> None:
        """Count `count` events of a flow."""
        with self._lock:
            flow, now = self._flows[name], self._clock()
            if flow.label:
                if now - self._last_input_s > PAUSE_S:
                    self._pause_s, self._pause_end_s = now - self._last_input_s, now
                self._last_input_s = now
            flow.times.extend([now] * count)
            flow.total += count

    def expect_silence(self, name: str) -> None:
        """Stop warning about a flow that has ended as intended."""
        with self._lock:
            self._flows[name].stall_s = None

    def count(self, name: str, amount: int = 1, trouble: str = '', *, about: str = '') -> None:
        """Increase a counter; a text in `trouble` is a warning for `TROUBLE_S`.

        `{total}` in the text is replaced by the value of the counter. `about`: what has the
        trouble, where several things share a counter: each is a fault of its own.
        """
        with self._lock:
            self._counters[name] += amount
            if trouble and amount:
                text = trouble.replace('{total}', str(self._counters[name]))
                self._troubles[f'{name} {about}'.rstrip()] = (self._clock(), text)

    def drop(self, amount: int, what: str, reason: str) -> None:
        """Count input that was dropped because a queue was full; `what` it is, in plural.

        `reason` is reported if the machine is not overloaded, and if the input has not come all at
        once after a pause: then this process was stopped, or the one that sends.
        """
        waited = self._waited()
        with self._lock:
            now = self._clock()
            after_pause = now - self._pause_end_s < BURST_S
            pause_s = self._pause_s
            if now - self._last_input_s > PAUSE_S:  # nothing has been received since
                after_pause, pause_s = True, now - self._last_input_s
        if waited >= OVERLOAD:
            reason = _OVERLOADED.format(waited)
        elif after_pause:
            reason = f'input of {pause_s:.1f} s came at once (a process was stopped)'
        else:
            reason = f'overload: {reason}'
        self.count('dropped', amount, f'{reason}; {{total}} {what} dropped in total')

    def set_counters(
        self, values: Mapping[str, int], troubles: Mapping[str, str] | None = None
    ) -> None:
        """Set counters that are counted elsewhere, by name.

        If a counter in `troubles` has increased, its text is a warning, as in `count`.
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
        """Add a measured latency; reported as `<name>_p50_ms` and `<name>_p99_ms`."""
        with self._lock:
            self._latencies.setdefault(name, deque(maxlen=LATENCY_WINDOW)).append(seconds)

    def fail(self, name: str, text: str) -> None:
        """Report an error until `mend` is called."""
        with self._lock:
            self._failures[name] = text

    def warn(self, name: str, text: str) -> None:
        """Report a warning until `mend` is called."""
        with self._lock:
            self._troubles[name] = (math.inf, text)

    def mend(self, name: str) -> None:
        """End an error or a warning."""
        with self._lock:
            self._failures.pop(name, None)
            self._troubles.pop(name, None)

    def fact(self, name: str, value: object) -> None:
        """Set a constant value (a device, the id of an encoder)."""
        with self._lock:
            self._facts[name] = str(value)

    def note(self, text: str) -> None:
        """Set the message that the status has while all is well; '' is 'OK'."""
        with self._lock:
            self._note = text

    def waiting_for(self) -> list[str]:
        """Labels of the inputs that have not received anything."""
        with self._lock:
            return [flow.label for flow in self._flows.values() if flow.label and not flow.total]

    def report(self) -> Report:
        """Current status; errors are first in the message and set the level."""
        waited = self._waited()
        with self._lock:
            now = self._clock()
            faults = {name: Fault(text, ERROR) for name, text in self._failures.items()}
            for name, (since, text) in self._troubles.items():
                if now - since < TROUBLE_S:
                    faults.setdefault(name, Fault(text))
            values = dict(self._facts)
            for name, flow in self._flows.items():
                values[name] = str(flow.total)
                values[f'{name}_hz'] = f'{_rate(flow.times, now):.2f}'
                if flow.label and not flow.total:
                    faults[f'{name} missing'] = Fault(f'waiting for {flow.label}', waiting=True)
                elif flow.stall_s is not None and flow.total:
                    silence = now - flow.times[-1]
                    if silence > flow.stall_s:
                        text = f'no input for {silence:.1f} s: {flow.label or name}'
                        if waited >= OVERLOAD:
                            text += f'; {_OVERLOADED.format(waited)}'
                        faults[f'{name} silent'] = Fault(text)
            values.update((name, str(value)) for name, value in self._counters.items())
            if waited >= OVERLOAD:
                values['processor_wait_s_per_s'] = f'{waited:.1f}'
            for name, seconds in self._latencies.items():
                p50, p99 = np.percentile(np.array(seconds), (50, 99)) * 1e3
                values[f'{name}_p50_ms'], values[f'{name}_p99_ms'] = f'{p50:.2f}', f'{p99:.2f}'
            level = ERROR if self._failures else WARN if faults else OK
            message = '; '.join(fault.text for fault in faults.values()) or self._note or 'OK'
            return Report(level, message, values, faults)


def _rate(times: deque[float], now: float) -> float:
    """Events per second in the last `RATE_WINDOW_S`; 0.0 if there were less than two."""
    recent = [t for t in times if now - t <= RATE_WINDOW_S]
    if len(recent) < 2 or recent[-1] <= recent[0]:
        return 0.0
    # Between the first and the last event; the rate falls if there was no event for a second.
    return (len(recent) - 1) / max(recent[-1] - recent[0], now - recent[0] - 1.0)
