# SPDX-License-Identifier: Apache-2.0
"""How long a process waits for a processor."""

import os
import sys
import threading
from subprocess import Popen

import pytest

from robot_face_gen.pipeline.processor_wait import ProcessorWait, waited_s


def test_the_share_is_of_the_last_seconds_and_of_all_threads():
    now, waited = [0.0], {}
    meter = ProcessorWait(lambda: dict(waited), lambda: now[0])
    assert meter.share() == 0.0
    for _ in range(5):
        now[0] += 1.0
        waited['1'] = waited.get('1', 10.0) + 0.5
        waited['2'] = waited.get('2', 0.0) + 1.0
        meter.share()
    assert meter.share() == pytest.approx(1.5)
    del waited['2']
    for _ in range(4):
        now[0] += 1.0
        meter.share()
    assert meter.share() == 0.0


def test_many_faults_in_a_moment_measure_once():
    now, reads = [0.0], []
    meter = ProcessorWait(lambda: reads.append(now[0]) or {'1': now[0]}, lambda: now[0])
    for step in range(100):
        now[0] = step / 50
        meter.share()
    assert reads == [0.0, 0.5, 1.0, 1.5]
    assert meter.share() == pytest.approx(1.0)


@pytest.mark.skipif(not os.path.exists('/proc/self/schedstat'), reason='Linux counts it')
def test_a_thread_that_shares_its_processor_waits():
    """Two threads of equal weight on one processor: each waits while the other one runs."""
    before, waiting = os.sched_getaffinity(0), []
    ready = threading.Event()

    def work():
        os.sched_setaffinity(0, {min(before)})
        me = str(threading.get_native_id())
        rival = Popen([sys.executable, '-c', 'print(flush=True)\nwhile True: pass'], stdout=-1)
        try:
            rival.stdout.readline()  # it has the processor of this thread
            begin = waited_s()[me]
            ready.set()
            while waited_s()[me] - begin < 0.2:
                pass
            waiting.append(waited_s()[me] - begin)
        finally:
            rival.kill()
            rival.communicate()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert ready.is_set() and waiting and waiting[0] >= 0.2
