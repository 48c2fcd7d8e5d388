# SPDX-License-Identifier: Apache-2.0
"""Clocks: simulated time that stands still, jumps back and forth; stamps that jump by an hour."""

import threading
import time

import numpy as np
import pytest
from fault_graph import STATES
from fault_lab import REACTION
from launching import own_ros_domain
from live_graph import Peer
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from robot_face_gen.nodes.messages import to_ns, to_time
from robot_face_gen.resources import demo_recording
from robot_face_gen.tools.bringup import start_bringup
from robot_face_gen_msgs.msg import FaceReaction

pytestmark = [pytest.mark.graph, pytest.mark.faults]
HOUR_NS = 3600 * 10**9


class SimulatedClock:
    """Publishes /clock 100 times a second; it can stand still and be set."""

    def __init__(self, peer, begin_ns):
        self.now_ns, self.speed = begin_ns, 1.0
        self._publisher = peer.node.create_publisher(Clock, '/clock', 10)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        before_s = time.monotonic()
        while not self._stop.wait(0.01):
            now_s = time.monotonic()
            self.now_ns += round((now_s - before_s) * self.speed * 1e9)
            before_s = now_s
            self._publisher.publish(Clock(clock=to_time(self.now_ns)))

    def close(self):
        self._stop.set()
        self._thread.join()


@pytest.fixture(scope='module')
def simulation(tmp_path_factory):
    """The graph on simulated time, with the recordings of the demo in a loop."""
    face, voice = demo_recording()
    log = tmp_path_factory.mktemp('simulation') / 'graph.log'
    with own_ros_domain():
        peer = Peer('simulator')
        peer.listen(FaceReaction, REACTION)
        peer.listen(JointState, STATES)
        clock = SimulatedClock(peer, 10 * HOUR_NS)
        graph = start_bringup(
            {'openface': str(face), 'audio': str(voice), 'loop': 'true', 'use_sim_time': 'true',
             'use_respawn': 'true', 'device': 'cpu', 'screen': 'false'},
            log_file=log,
        )  # fmt: skip
        yield peer, clock
        graph.stop()
        clock.close()
        peer.close()


def wait_for_even_output(peer, clock):
    """One second with at least 22 reactions, by the simulated clock; returns the time it took."""
    begin_s = time.monotonic()

    def even():
        stamps = [to_ns(m.header.stamp) for at, m in list(peer.heard[REACTION]) if at > begin_s]
        recent = [stamp for stamp in stamps if 0 <= clock.now_ns - stamp < 1.2e9]
        return len(recent) >= 22 and recent[-1] - recent[0] > 0.8e9

    peer.wait_for(even, 'an even output', 60.0)
    return time.monotonic() - begin_s


def test_a_simulation_that_is_paused(simulation, tries, note):
    peer, clock = simulation
    for _ in tries:
        wait_for_even_output(peer, clock)
        clock.speed = 0.0
        time.sleep(1.0)  # what was on its way has arrived
        before = peer.count(REACTION)
        time.sleep(1.5)
        assert peer.count(REACTION) - before <= 2, 'reactions while the time stands still'
        resumed_ns, clock.speed = clock.now_ns, 1.0
        took_s = wait_for_even_output(peer, clock)
        stamps = np.array([to_ns(m.header.stamp) for _, m in peer.heard[REACTION]])
        later = (stamps[stamps > resumed_ns] - resumed_ns) / 1e9
        in_first_s = int((later < 1.0).sum())
        note(
            'simulated time paused',
            f'{in_first_s} reactions in the first second',
            even_after_s=took_s,
        )
        assert in_first_s <= 30, 'a burst'  # 25 a second, and those that waited


@pytest.mark.parametrize('hours', [1, -1])
def test_a_simulation_that_jumps_by_an_hour(simulation, tries, note, hours):
    peer, clock = simulation
    for _ in tries:
        wait_for_even_output(peer, clock)
        before = peer.count(REACTION)
        clock.now_ns += hours * HOUR_NS
        took_s = wait_for_even_output(peer, clock)
        note(f'simulated time jumps by {hours:+d} h', even_after_s=took_s)
        assert took_s < 10.0
        values = np.array([m.action_units for _, m in peer.heard[REACTION][before:]])
        assert np.isfinite(values).all()
        assert len(values) < 25 * (took_s + 1.0) + 30, 'a burst'
        clock.now_ns += 10 * 10**9  # not back behind the last jump
