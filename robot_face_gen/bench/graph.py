# SPDX-License-Identifier: Apache-2.0
"""The whole graph in real processes: latency, CPU, memory, start, and its highest rate."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from robot_face_gen.demo.live import NODES
from robot_face_gen.demo.recorder import Recorder, own_domain
from robot_face_gen.demo.report import Record, percentiles, summarise
from robot_face_gen.demo.usage import Usage
from robot_face_gen.resources import demo_recording
from robot_face_gen.timing import FRAME_RATE_HZ, PERIOD_S, SECOND_NS
from robot_face_gen.tools.bringup import BringupProcess, start_bringup
from robot_face_gen.tools.ros import child_environment

RATES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
MAX_LOST = 0.001  # allowed share of frames without a reaction or without sound
CLOCK_PERIOD_S = 0.004  # of the simulated time, in real time
SETTLE_S = 2.0  # the first reactions are not measured: the playout delay is not stable yet
AFTER_S = 1.0
TIMEOUT_S = 90.0


@contextlib.contextmanager
def running(**arguments: str) -> Iterator[tuple[Recorder, BringupProcess]]:
    """Run the graph on the demo recording in a loop, and record its topics."""
    os.environ.update(child_environment())
    face, voice = demo_recording()
    with own_domain() as domain, tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(domain)
        shown = {'screen': 'false', **arguments}
        arguments = {'openface': str(face), 'audio': str(voice), 'loop': 'true', **shown}
        try:
            graph = start_bringup(arguments, log_file=Path(folder) / 'graph.log')
            try:
                yield recorder, graph
            finally:
                graph.stop()
        finally:
            recorder.close()


def wait_for_reactions(
    recorder: Recorder, graph: BringupProcess, nodes: Sequence[str] = NODES
) -> Record:
    """Wait for the diagnostics of all nodes, and for a first reaction."""
    record = recorder.record
    ready = lambda: all(name in record.diagnostics for name in nodes)  # noqa: E731
    graph.wait_until(ready, 'diagnostics of all nodes', TIMEOUT_S)
    graph.wait_until(lambda: record.reactions, 'a first reaction', TIMEOUT_S)
    return record


@contextlib.contextmanager
def _busy_process(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    with subprocess.Popen([sys.executable, '-c', 'while True: pass']) as process:
        try:
            yield
        finally:
            process.kill()


def measure_graph(seconds: float, *, busy: bool = False) -> dict[str, Any]:
    """Latency from the stamp of a camera frame to the publication of its reaction; CPU, memory.

    `busy`: another process keeps one core busy. The measurement begins when all nodes have
    started.

    Returns:
        dict: the figures of `demo.report.summarise`, with latency_ms p50, p99, max, and
        `period_jitter_ms`, the deviation of the output period from 40 ms.
    """
    with running(start_delay='5.0') as (recorder, graph), _busy_process(busy):
        record = wait_for_reactions(recorder, graph)
        time.sleep(SETTLE_S)
        usage = Usage(graph.processes)
        begin_ns = time.time_ns()
        end_ns = begin_ns + round(seconds * 1e9)
        usage.watch(seconds)
        record.end_playing()
        time.sleep(AFTER_S)
        graph.check()
        # Copies: the recorder still adds to its lists.
        measured = replace(
            record,
            frames=[f for f in record.frames if begin_ns <= f.stamp_ns < end_ns],
            reactions=[r for r in record.reactions if begin_ns <= r.source_ns < end_ns],
        )
        found = summarise(measured, seconds, usage)
    steps_ms = np.diff(sorted(r.published_ns for r in measured.reactions)) / 1e6
    found['period_jitter_ms'] = percentiles(np.abs(steps_ms - PERIOD_S * 1e3).tolist())
    found['busy_process'] = busy
    return found


def measure_start(times: int) -> dict[str, Any]:
    """Time from the start of the launch to the first reaction; recordings start immediately."""
    took: list[float] = []
    for _ in range(times):
        begin = time.monotonic()
        with running(start_delay='0.0') as (recorder, graph):
            graph.wait_until(
                lambda record=recorder.record: record.reactions,  # type: ignore[misc]
                'a first reaction',
                TIMEOUT_S,
            )
            took.append(time.monotonic() - begin)
    took.sort()
    return {'median_s': took[len(took) // 2], 'max_s': took[-1], 'n': times}


class SimulatedTime:
    """Publishes /clock at a variable rate."""

    def __init__(self, recorder: Recorder) -> None:
        from rosgraph_msgs.msg import Clock

        self.rate = 1.0
        self.now_ns = time.time_ns()
        self._publisher = recorder.node.create_publisher(Clock, '/clock', 10)
        self._message = Clock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='clock', daemon=True)
        self._thread.start()

    def _run(self) -> None:
        before = time.monotonic_ns()
        while not self._stop.wait(CLOCK_PERIOD_S):
            now = time.monotonic_ns()
            self.now_ns += round((now - before) * self.rate)
            before = now
            stamp = self._message.clock
            stamp.sec, stamp.nanosec = divmod(self.now_ns, SECOND_NS)
            self._publisher.publish(self._message)

    def stop(self) -> None:
        """Stop the clock."""
        self._stop.set()
        self._thread.join()


def measure_fastest(seconds: float, rates: tuple[float, ...] = RATES) -> dict[str, Any]:
    """Increase the rate of the simulated time until the graph loses frames; each takes `seconds`.

    Returns:
        dict: `fastest_hz`, frames per second at the highest rate without loss (every frame was
        answered with its sound, nothing was dropped; 0 if frames are lost at 25 Hz); `tried`,
        the figures of each rate.
    """
    tried: list[dict[str, Any]] = []
    with running(use_sim_time='true') as (recorder, graph):
        clock = SimulatedTime(recorder)
        try:
            record = wait_for_reactions(recorder, graph)
            for rate in rates:
                clock.rate = rate
                tried.append(_measure(record, clock, seconds))
                if not tried[-1]['kept_up']:
                    break
        finally:
            clock.stop()
    return {
        'fastest_hz': max((row['hz'] for row in tried if row['kept_up']), default=0.0),
        'tried': tried,
    }


def _measure(record: Record, clock: SimulatedTime, seconds: float) -> dict[str, Any]:
    time.sleep(SETTLE_S)
    before, begin_ns = _counters(record), clock.now_ns
    time.sleep(seconds)
    end_ns = clock.now_ns
    time.sleep(AFTER_S)
    frames = {f.stamp_ns for f in record.frames if begin_ns <= f.stamp_ns < end_ns}
    answered = len(frames & {r.source_ns for r in record.reactions})
    counted = {name: value - before[name] for name, value in _counters(record).items()}
    incomplete = counted['without_audio'] + counted['dropped']
    return {
        'rate': clock.rate,
        'hz': FRAME_RATE_HZ * clock.rate,
        'frames': len(frames),
        'answered': answered,
        **counted,
        'kept_up': len(frames) - answered + incomplete <= MAX_LOST * len(frames),
    }


def _counters(record: Record) -> dict[str, int]:
    """Sums of the counters of all nodes."""
    values = list(record.diagnostics.values())
    return {
        name: sum(int(part.get(name, 0)) for part in values)
        for name in ('dropped', 'without_audio', 'hops_at_once')
    }
