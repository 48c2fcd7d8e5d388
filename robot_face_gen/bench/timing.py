# SPDX-License-Identifier: Apache-2.0
"""Times one call again and again; what runs here runs in a process of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import psutil


def percentile(ordered: list[float], share: float) -> float:
    """The value below which a share of an ordered list lies (nearest rank)."""
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def timed(
    call: Callable[[], Any],
    seconds: float,
    least: int = 20,
    warmup: int = 5,
    period_s: float = 0.0,
    before: Callable[[], Any] | None = None,
) -> dict[str, float]:
    """Time a call for so many seconds, at least `least` times.

    Args:
        call: what is timed.
        seconds: how long to go on.
        least: calls at least.
        warmup: calls before, that do not count.
        period_s: between the beginnings of calls; 0 is back to back. A robot's calls are paced,
            and slower than back to back: caches have cooled down.
        before: done before each call, and not counted.

    Returns:
        dict: median_ms, p95_ms, p99_ms, n, and cpu_ms, the median of the CPU time of all threads:
        on a busy machine it says what a call costs, where the others say what it waited as well.
    """
    before = before or (lambda: None)
    for _ in range(warmup):
        before()
        call()
    times: list[float] = []
    cpu: list[float] = []
    end = time.perf_counter() + seconds
    due = time.perf_counter()
    while time.perf_counter() < end or len(times) < least:
        before()
        if period_s:
            due += period_s
            time.sleep(max(0.0, due - time.perf_counter()))
        begin, cpu_begin = time.perf_counter(), time.process_time()
        call()
        times.append((time.perf_counter() - begin) * 1e3)
        cpu.append((time.process_time() - cpu_begin) * 1e3)
    times.sort()
    cpu.sort()
    return {
        'median_ms': percentile(times, 0.5),
        'p95_ms': percentile(times, 0.95),
        'p99_ms': percentile(times, 0.99),
        'cpu_ms': percentile(cpu, 0.5),
        'n': len(times),
    }


def rss_mb() -> float:
    """Resident memory of this process in MB (10^6 bytes)."""
    return psutil.Process().memory_info().rss / 1e6
