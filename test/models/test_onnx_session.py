# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime sessions: threads and cores."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from robot_face_gen.extras import require
from robot_face_gen.models.onnx_export import export
from robot_face_gen.models.onnx_session import open_session

pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')
linux = pytest.mark.skipif(sys.platform != 'linux', reason='cores of a thread are read in /proc')


@pytest.fixture
def product(tmp_path):
    """A file with one matrix product."""
    path = tmp_path / 'product.onnx'
    export(torch.nn.Linear(64, 32), {'x': torch.zeros(8, 64)}, ['y'], {}, path)
    return path


def cores_of_threads():
    tasks = Path('/proc/self/task')
    return {
        task.name: next(
            line.split()[1]
            for line in (task / 'status').read_text().splitlines()
            if line.startswith('Cpus_allowed_list')
        )
        for task in tasks.iterdir()
    }


@linux
@pytest.mark.skipif(os.cpu_count() == 1, reason='one core')
def test_a_second_thread_has_a_core_of_its_own(product):
    before = cores_of_threads()
    session = open_session(product, 2)
    last, deadline = str(max(os.sched_getaffinity(0))), time.monotonic() + 10
    new = set()
    while last not in new and time.monotonic() < deadline:  # a thread sets its own affinity
        new = {core for name, core in cores_of_threads().items() if name not in before}
    assert last in new
    assert cores_of_threads()[str(os.getpid())] == before[str(os.getpid())]  # ours goes anywhere
    del session


@linux
def test_only_cores_that_the_process_may_use(product):
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        session = open_session(product, 2)  # more threads than cores
        assert session.run(None, {'x': np.zeros((8, 64), np.float32)})[0].shape == (8, 32)
        assert set(cores_of_threads().values()) >= {str(min(allowed))}
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize('threads', [0, 1, 2, 5])
def test_threads_change_nothing_but_the_time(product, threads):
    x = np.random.default_rng(0).normal(size=(8, 64)).astype(np.float32)
    expected = open_session(product, 1).run(None, {'x': x})[0]
    np.testing.assert_allclose(
        open_session(product, threads).run(None, {'x': x})[0], expected, atol=1e-6
    )


def test_a_missing_package_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(ImportError, match=r"onnx .*: pip install 'robot_face_gen\[onnx\]'"):
        require('onnx', 'onnx')
