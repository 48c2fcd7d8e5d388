# SPDX-License-Identifier: Apache-2.0
"""Measures the nodes that show and move the face, in real processes."""

import pytest

from robot_face_gen.bench import outputs
from robot_face_gen.bench.outputs import NODES, measure_outputs
from robot_face_gen.bench.report import print_part

pytestmark = pytest.mark.graph


def test_the_cost_of_the_outputs_with_one_page_open(capsys, monkeypatch):
    pytest.importorskip('aiohttp')
    monkeypatch.setattr(outputs, 'SETTLE_S', 1.0)
    found = measure_outputs(2.0, inspect=True)
    assert found['messages_hz'] > 5.0
    assert tuple(found['processes']) == NODES
    for row in found['processes'].values():
        assert 0.0 < row['pss_mb'] < row['rss_mb']
    assert found['cpu_percent'] > 0.0
    assert found['pss_mb'] == pytest.approx(
        sum(row['pss_mb'] for row in found['processes'].values())
    )
    print_part('outputs', {'inspect': found})
    assert 'face_actuator_node' in capsys.readouterr().out
