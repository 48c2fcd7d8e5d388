# SPDX-License-Identifier: Apache-2.0
"""The whole graph in real processes: latency, CPU, memory, and how soon it answers."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from robot_face_gen.demo.recorder import Recorder, own_domain
from robot_face_gen.demo.report import percentiles, summarise
from robot_face_gen.demo.usage import Usage
from robot_face_gen.resources import demo_recording
from robot_face_gen.tools.bringup import BringupError, BringupProcess, start_bringup
from robot_face_gen.tools.ros import child_environment

NODES = ('openface_node', 'microphone_node', 'whisper_node', 'reaction_node')
SETTLE_S = 2.0  # the first answers are not counted: the playout finds its place
AFTER_S = 1.0
PATIENCE_S = 90.0
HOP_MS = 40.0


@contextlib.contextmanager
def running(**arguments: str) -> Iterator[tuple[Recorder, BringupProcess, Path]]:
    """The graph on the shipped recording, over and over, and somebody who listens."""
    os.environ.update(child_environment())
    face, voice = demo_recording()
    with own_domain() as domain, tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(domain)
        log = Path(folder) / 'graph.log'
        given = {'openface': str(face), 'audio': str(voice), 'loop': 'true', **arguments}
        try:
            graph = start_bringup(given, log_file=log)
            try:
                yield recorder, graph, log
            finally:
                graph.stop()
        finally:
            recorder.close()


def wait_until(graph: BringupProcess, log: Path, ready: Callable[[], bool], what: str) -> None:
    """Wait for a condition as long as the graph lives.

    Raises:
        BringupError: a node has ended, or it takes too long; its last words are told.
    """
    end = time.monotonic() + PATIENCE_S
    while not ready():
        if graph.exits or time.monotonic() > end:
            words = log.read_text(errors='replace').strip().splitlines()[-3:]
            raise BringupError(f'the graph did not come to {what}: {" | ".join(words)}')
        time.sleep(0.005)


@contextlib.contextmanager
def _busy_process(wanted: bool) -> Iterator[None]:
    process = multiprocessing.get_context('spawn').Process(target=_count, daemon=True)
    if wanted:
        process.start()
    try:
        yield
    finally:
        if wanted:
            process.kill()
            process.join()


def _count() -> None:
    while True:
        np.linalg.norm(np.ones((200, 200)))


def measure_graph(seconds: float, *, busy: bool = False) -> dict[str, Any]:
    """Latency from a camera frame's stamp to its reaction's publication, and what it costs.

    Args:
        seconds: how long to measure, once all nodes run.
        busy: let one other process keep a core busy meanwhile.

    Returns:
        dict: the figures of `demo.report.summarise`, with latency_ms p50, p99, max, and
        `period_jitter_ms`, how far the output's periods are from 40 ms.
    """
    with running(start_delay='5.0') as (recorder, graph, log), _busy_process(busy):
        record = recorder.record
        wait_until(
            graph, log, lambda: all(n in record.diagnostics for n in NODES), 'its diagnostics'
        )
        wait_until(graph, log, lambda: bool(record.reactions), 'a first reaction')
        time.sleep(SETTLE_S)
        usage = Usage(graph.processes)
        begin_ns = time.time_ns()
        end_ns = begin_ns + round(seconds * 1e9)
        while time.time_ns() < end_ns:
            usage.sample()
            time.sleep(0.5)
        cpu = usage.cpu_percent()
        record.end_playing()
        time.sleep(AFTER_S)
        if graph.exits:
            raise BringupError(f'nodes ended while they were measured: {graph.exits}')
        record.frames = [f for f in record.frames if begin_ns <= f.stamp_ns < end_ns]
        record.reactions = [r for r in record.reactions if begin_ns <= r.source_ns < end_ns]
        found = summarise(record, seconds, cpu, usage.rss_mb, usage.pss_mb)
    steps_ms = np.diff(sorted(r.published_ns for r in record.reactions)) / 1e6
    found['period_jitter_ms'] = percentiles(np.abs(steps_ms - HOP_MS).tolist())
    found['busy_process'] = busy
    return found


def measure_start(times: int) -> dict[str, Any]:
    """From the start of the launch to the first reaction, with recordings that begin at once."""
    took: list[float] = []
    for _ in range(times):
        begin = time.monotonic()
        with running(start_delay='0.0') as (recorder, graph, log):
            reactions = recorder.record.reactions
            wait_until(graph, log, lambda r=reactions: bool(r), 'a first reaction')  # type: ignore[misc]
            took.append(time.monotonic() - begin)
    took.sort()
    return {'median_s': took[len(took) // 2], 'max_s': took[-1], 'n': times}
