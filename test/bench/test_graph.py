# SPDX-License-Identifier: Apache-2.0
"""The graph is measured in real processes, and driven until it loses frames."""

from robot_face_gen.bench.fastest import measure_fastest
from robot_face_gen.bench.graph import NODES, measure_graph
from robot_face_gen.bench.server import measure_server
from robot_face_gen.bench.tables import print_part


def test_the_graph_is_measured_and_found_to_have_an_end(capsys):
    found = measure_graph(1.0)
    assert found['latency_ms'].keys() >= {'p50', 'p99', 'max'}
    assert 0 < found['answered'] <= found['frames_in'] <= 26
    assert set(NODES) <= {name.rpartition('/')[2] for name in found['processes']}
    assert 0.0 < found['pss_mb'] < found['rss_mb']
    found |= measure_fastest(1.0, (1.0, 100.0))
    slow, *_ = tried = found['tried']  # a busy machine may not keep up at 25 Hz either
    assert slow['rate'] == 1.0 and slow['frames'] >= 20 and slow['answered'] > 0
    assert len(tried) == (2 if slow['kept_up'] else 1) and not tried[-1]['kept_up']
    assert found['fastest_hz'] in (0.0, 25.0)
    print_part('graph', found)
    assert 'frames a second' in capsys.readouterr().out


def test_many_robots_are_served_over_dds(capsys):
    found = measure_server(2, 1.0, 'eager')
    assert found['faces'] == 2 and 0 < found['answered'] <= found['frames'] <= 54
    assert 0.0 < found['latency_ms']['p50'] <= found['latency_ms']['p99']
    print_part('server', [found])
    assert 'answered' in capsys.readouterr().out
