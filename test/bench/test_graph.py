# SPDX-License-Identifier: Apache-2.0
"""Measures the graph, a server and the outputs in real processes; for `make test-faults`."""

import pytest

from robot_face_gen.bench import graph, outputs, server
from robot_face_gen.bench.report import print_part
from robot_face_gen.features.sound_file import read_audio

pytestmark = [pytest.mark.graph, pytest.mark.faults]


@pytest.fixture(autouse=True)
def settle_quickly(monkeypatch):
    monkeypatch.setattr(graph, 'SETTLE_S', 0.6)
    monkeypatch.setattr(server, 'SETTLE_S', 1.0)
    monkeypatch.setattr(outputs, 'SETTLE_S', 1.0)


def test_latency_cost_and_highest_rate_of_the_graph(capsys):
    found = graph.measure_graph(1.0)
    assert found['latency_ms'].keys() >= {'p50', 'p99', 'max'}
    assert 0 < found['answered'] <= found['frames_in']
    assert set(graph.NODES) <= {name.rpartition('/')[2] for name in found['processes']}
    assert 0.0 < found['pss_mb'] < found['rss_mb']
    found |= graph.measure_fastest(1.0, (1.0, 100.0))
    slow, *_ = tried = found['tried']  # a busy machine may lose frames at 25 Hz
    assert slow['rate'] == 1.0 and slow['frames'] >= 20 and slow['answered'] > 0
    assert len(tried) == (2 if slow['kept_up'] else 1) and not tried[-1]['kept_up']
    assert found['fastest_hz'] in (0.0, 25.0)
    print_part('graph', found)
    assert 'frames per second' in capsys.readouterr().out


def test_a_server_for_several_robots(capsys, monkeypatch):
    def three_seconds(path):
        samples, rate = read_audio(path)
        return samples[: 3 * rate], rate

    monkeypatch.setattr('robot_face_gen.features.sound_file.read_audio', three_seconds)
    found = server.measure_server(2, 1.0, 'eager')
    assert found['faces'] == 2 and 0 < found['answered'] <= found['frames']
    assert 0.0 < found['latency_ms']['p50'] <= found['latency_ms']['p99']
    print_part('server', [found])
    assert 'answered' in capsys.readouterr().out


def test_the_cost_of_the_outputs_with_one_page_open(capsys):
    pytest.importorskip('aiohttp')
    found = outputs.measure_outputs(2.0, inspect=True)
    assert found['messages_hz'] > 5.0
    assert tuple(found['processes']) == outputs.NODES
    for row in found['processes'].values():
        assert 0.0 < row['pss_mb'] < row['rss_mb']
    assert found['cpu_percent'] > 0.0
    assert found['pss_mb'] == pytest.approx(
        sum(row['pss_mb'] for row in found['processes'].values())
    )
    print_part('outputs', {'inspect': found})
    assert 'face_actuator_node' in capsys.readouterr().out
