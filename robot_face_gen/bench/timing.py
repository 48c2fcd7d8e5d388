# SPDX-License-Identifier: Apache-2.0
"""Measures the time of repeated calls, and the memory of this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil


def timed(
    call: Callable[[], Any],
    seconds: float,
    least: int = 20,
    warmup: int = 5,
    period_s: float = 0.0,
    before: Callable[[], Any] | None = None,
) -> dict[str, float]:
    """Measure repeated calls for `seconds`, at least `least` of them.

    Calls on a robot are periodic (`period_s` between their starts), and slower than calls without
    a pause, because of cold caches. `before` is called before each call, and is not measured.

    Returns:
        dict: median_ms, p95_ms, p99_ms, n, and cpu_ms, the median of the CPU time of all threads.
        On a busy machine, only cpu_ms does not include waiting.
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
    middle, p95, p99 = np.percentile(times, (50, 95, 99)).tolist()
    cpu_ms = float(np.median(cpu))
    return {'median_ms': middle, 'p95_ms': p95, 'p99_ms': p99, 'cpu_ms': cpu_ms, 'n': len(times)}


def rss_mb() -> float:
    """Resident memory of this process in MB (10^6 bytes)."""
    return psutil.Process().memory_info().rss / 1e6
