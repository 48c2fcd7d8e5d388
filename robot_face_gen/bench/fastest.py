# SPDX-License-Identifier: Apache-2.0
"""How fast the graph can go: its time runs faster and faster, until frames are lost."""

from __future__ import annotations

import threading
import time
from typing import Any

from robot_face_gen.demo.recorder import Recorder
from robot_face_gen.demo.report import Record

from .graph import NODES, running, wait_until

RATES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
FRAMES_HZ = 25.0
TICK_S = 0.004  # of this machine's time
SETTLE_S = 2.0
AFTER_S = 1.0
LOST = 0.001  # share of frames that may stay without an answer, or be answered without the voice


class SimulatedTime:
    """Publishes /clock at a rate that can be changed.

    Args:
        recorder: whose node publishes.
    """

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
        while not self._stop.wait(TICK_S):
            now = time.monotonic_ns()
            self.now_ns += round((now - before) * self.rate)
            before = now
            stamp = self._message.clock
            stamp.sec, stamp.nanosec = divmod(self.now_ns, 1_000_000_000)
            self._publisher.publish(self._message)

    def stop(self) -> None:
        """Let time stand still."""
        self._stop.set()
        self._thread.join()


def measure_fastest(seconds: float, rates: tuple[float, ...] = RATES) -> dict[str, Any]:
    """Raise the rate of time until the graph does not keep up.

    Args:
        seconds: of this machine's time for each rate.
        rates: of simulated time, rising.

    Returns:
        dict: `fastest_hz`, frames a second at the highest rate at which every frame was answered
        with its voice and nothing was dropped (0 where not even 25 Hz were); `tried`, the figures
        of each rate.
    """
    tried: list[dict[str, Any]] = []
    with running(use_sim_time='true') as (recorder, graph, log):
        clock = SimulatedTime(recorder)
        try:
            record = recorder.record
            wait_until(
                graph, log, lambda: all(n in record.diagnostics for n in NODES), 'its diagnostics'
            )
            wait_until(graph, log, lambda: bool(record.reactions), 'a first reaction')
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
    before, begin_ns = _counted(record), clock.now_ns
    time.sleep(seconds)
    end_ns = clock.now_ns
    time.sleep(AFTER_S)
    frames = {f.stamp_ns for f in record.frames if begin_ns <= f.stamp_ns < end_ns}
    answered = len(frames & {r.source_ns for r in record.reactions})
    counted = {name: value - before[name] for name, value in _counted(record).items()}
    unheard = counted['without_audio'] + counted['dropped']
    return {
        'rate': clock.rate,
        'hz': FRAMES_HZ * clock.rate,
        'frames': len(frames),
        'answered': answered,
        **counted,
        'kept_up': len(frames) - answered + unheard <= LOST * len(frames),
    }


def _counted(record: Record) -> dict[str, int]:
    """What the nodes have counted in all."""
    values = list(record.diagnostics.values())
    return {
        name: sum(int(part.get(name, 0)) for part in values)
        for name in ('dropped', 'without_audio', 'hops_at_once')
    }
