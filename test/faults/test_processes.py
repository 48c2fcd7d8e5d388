# SPDX-License-Identifier: Apache-2.0
"""Nodes that are killed, stopped or starved: the whole graph with its real sources and outputs."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from fault_graph import ALL, HEAD, OUTPUTS, SENSORS, STATES, Graph
from launching import own_ros_domain

from robot_face_gen.graph import RESPAWN_DELAY_S
from robot_face_gen.nodes.messages import to_ns

pytestmark = [pytest.mark.graph, pytest.mark.faults]
GAP_MS = 400.0
# After a node was killed: it has published a status (one a second), and the output is even.
WHOLE_S = 5.0


@pytest.fixture(scope='module')
def graph(tmp_path_factory):
    with own_ros_domain():
        graph = Graph(tmp_path_factory.mktemp('graph'))
        yield graph
        graph.close()


def whole_s(graph):
    """Allowed time until a killed node runs again: on a busy machine as long as its start took."""
    return max(WHOLE_S, RESPAWN_DELAY_S + graph.start_s)


@pytest.mark.parametrize('names', [(name,) for name in ALL] + [ALL], ids='+'.join)
def test_a_killed_node_is_whole_again(graph, attempt, names):
    limit_s = whole_s(graph)

    def disturb():
        graph.forget()
        begin_s = time.monotonic()
        with graph.fault(after_s=1.0) as found:
            for name in names:
                graph.peer.statuses.pop(name, None)
                os.kill(graph.pid(name), signal.SIGKILL)
            graph.peer.wait_for(
                lambda: all(name in graph.peer.statuses for name in names), f'{names}', 60.0
            )
            whole_s = time.monotonic() - begin_s
        if 'face_screen_node' not in names:
            graph.viewer.check(begin_s)
        graph.check_motion(begin_s, restarted='face_actuator_node' in names)
        return replace(found[0], recovery_s=whole_s + found[0].recovery_s)

    # Without the reactions' own node there is no output until it runs again; the motors and the
    # screen ease to a neutral face, and the first reactions come from a new session.
    if 'reaction_node' in names:
        attempt(graph, label('killed', names), disturb, limit_s * 1e3, limit_s, 0.0, np.inf)
    else:
        attempt(graph, label('killed', names), disturb, GAP_MS, limit_s)


def label(what, names):
    return f'{"all nodes" if len(names) > 1 else names[0]} {what}'


@pytest.mark.parametrize('name', ALL)
def test_a_node_that_stands_still_for_3_s_does_not_stop_the_others(graph, attempt, name):
    def disturb():
        graph.forget()
        begin_s = time.monotonic()
        with graph.fault() as found, graph.stopped(name):
            time.sleep(3.0)
        if name != 'face_screen_node':
            graph.viewer.check(begin_s)
        graph.check_motion(begin_s, restarted=name == 'face_actuator_node')
        # No burst: late reactions come at twice the rate, the older ones are dropped.
        late = [m for at, m in graph.since(begin_s)]
        stamps = np.array([to_ns(m.header.stamp) for m in late]) / 1e9
        assert np.histogram(stamps, np.arange(stamps[0], stamps[-1], 1.0))[0].max() <= 52
        return found[0]

    if name == 'reaction_node':
        attempt(graph, label('stopped for 3 s', (name,)), disturb, 5000.0, 3.0, 0.0, np.inf)
    else:
        attempt(graph, label('stopped for 3 s', (name,)), disturb, GAP_MS, 3.0)


def first_after(peer, topic, begin_s):
    """When the first message after a time was received."""
    try:
        return peer.wait_for(
            lambda: next((at for at, _ in peer.heard[topic] if at > begin_s), None), topic, 15.0
        )
    except AssertionError:
        now_s = time.monotonic()
        ages_s = {name: round(now_s - heard[-1][0], 1) for name, heard in peer.heard.items()}
        raise AssertionError(f'nothing on {topic}; newest of each, s ago: {ages_s}') from None


def test_sound_is_back_within_1_s_of_the_first_new_chunk(graph, note):
    """The sound of a microphone_node that was stopped, 50 times."""
    found = []
    for number in range(50 if 'FAULT_TRIES' in os.environ else 3):
        graph.forget()
        with graph.stopped('microphone_node'):
            time.sleep((0.3, 1.2, 2.5)[number % 3])
        over_s = time.monotonic()
        chunk_s, embedding_s = (
            first_after(graph.peer, topic, over_s) for topic in ('/audio', '/whisper/embedding')
        )
        found.append(embedding_s - chunk_s)
        note('microphone_node stopped and continued', sound_back_after_s=found[-1])
        time.sleep(0.5)
    assert np.percentile(found, 90) < 1.0, sorted(found)
    assert max(found) < 3.0, sorted(found)


def test_two_busy_loops_beside_it(graph, attempt):
    def disturb():
        graph.forget()
        begin_s = time.monotonic()
        with graph.fault() as found, contextlib.ExitStack() as stack:
            for _ in range(2):
                loop = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
                stack.callback(loop.wait)
                stack.callback(loop.kill)
            time.sleep(4.0)
        graph.check_motion(begin_s)
        return found[0]

    attempt(graph, 'two busy loops', disturb, 1000.0, 3.0, rate_hz=18.0)


def test_without_respawn_the_rest_goes_on_until_the_face_is_neutral(tmp_path_factory, note):
    with own_ros_domain():
        graph = Graph(tmp_path_factory.mktemp('alone'), use_respawn='false')
        try:
            for name in SENSORS:
                os.kill(graph.pid(name), signal.SIGKILL)
                time.sleep(2.5)
                graph.settle()
            graph.forget()
            begin_s = time.monotonic()
            os.kill(graph.pid('reaction_node'), signal.SIGKILL)
            graph.peer.wait_for(
                lambda: graph.peer.values('face_actuator_node').get('state') == 'eased', 'neutral'
            )
            eased_s = time.monotonic()
            time.sleep(9.0)  # longer than the longest time between two blinks
            graph.check_motion(begin_s)
            graph.viewer.check(begin_s)
            lids = [m.position[HEAD.names.index('lid_upper_left')]
                    for at, m in graph.peer.heard[STATES] if at > eased_s]  # fmt: skip
            assert np.ptp(lids) > 0.2, 'no blink'
            assert set(graph.graph.processes) == set(OUTPUTS)
            note('nodes killed without respawn', 'the others go on; after reaction_node, the '
                 'motors ease to neutral and the lids blink')  # fmt: skip
        finally:
            graph.close()
