# SPDX-License-Identifier: Apache-2.0
"""CPU and memory of the graph's processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import psutil


class Usage:
    """Sums over processes (their ids, by name), from its making on."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {}
        for name, pid in pids.items():
            with contextlib.suppress(psutil.Error):
                self._processes[name] = psutil.Process(pid)
        self._begin = time.monotonic()
        self._cpu = {name: self._seconds(p) for name, p in self._processes.items()}
        self._last = dict(self._cpu)
        self._seen = self._begin
        self.rss_mb: dict[str, float] = {}
        self.pss_mb: dict[str, float] = {}

    @staticmethod
    def _seconds(process: psutil.Process) -> float:
        try:
            times = process.cpu_times()
        except psutil.Error:
            return 0.0
        return times.user + times.system

    def sample(self) -> None:
        """Look once: the largest memory and the newest CPU time of each process are kept."""
        self._seen = time.monotonic()
        for name, process in self._processes.items():
            with contextlib.suppress(psutil.Error):
                self._last[name] = self._seconds(process)
                memory = process.memory_full_info()
                self.rss_mb[name] = max(self.rss_mb.get(name, 0.0), memory.rss / 1e6)
                self.pss_mb[name] = max(
                    self.pss_mb.get(name, 0.0), getattr(memory, 'pss', 0) / 1e6
                )

    def watch(self, seconds: float) -> None:
        """Look twice a second, for so long."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.sample()
            time.sleep(0.5)

    def figures(self) -> dict[str, Any]:
        """CPU (100: one core) and largest memory (pss_mb: shared parts once) until the last look.

        `cpu_percent`, `rss_mb` and `pss_mb` of all; `processes` has them of each.
        """
        lasted = max(self._seen - self._begin, 1e-9)
        processes = {
            name: {
                'cpu_percent': round(100 * (self._last[name] - begin) / lasted, 1),
                'rss_mb': round(self.rss_mb.get(name, 0.0), 1),
                'pss_mb': round(self.pss_mb.get(name, 0.0), 1),
            }
            for name, begin in self._cpu.items()
        }
        sums = {
            key: round(sum(process[key] for process in processes.values()), 1)
            for key in ('cpu_percent', 'rss_mb', 'pss_mb')
        }
        return {**sums, 'processes': processes}
