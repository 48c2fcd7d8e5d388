# SPDX-License-Identifier: Apache-2.0
"""Where a node's network runs."""

import pytest
import torch

from robot_face_gen.models.backends import CPU_BACKENDS
from robot_face_gen.nodes import compute_place as place


@pytest.fixture
def a_machine_with_cuda(monkeypatch):
    monkeypatch.setattr(place, 'cuda_is_possible', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)


AUTO = {'device': 'auto', 'backend': 'auto'}


def test_auto_takes_cuda_where_there_is_one(a_machine_with_cuda):
    assert place.compute_place(AUTO) == ('cuda', 'cuda-graph')
    assert place.compute_place(AUTO, CPU_BACKENDS) == ('cuda', 'eager')  # Whisper
    assert place.compute_place({**AUTO, 'backend': 'eager'}) == ('cuda', 'eager')
    # ONNX Runtime runs on the CPU here: who asks for it gets the CPU.
    assert place.compute_place({**AUTO, 'backend': 'onnx'}) == ('cpu', 'onnx')
    assert place.compute_place({**AUTO, 'device': 'cpu', 'backend': 'eager'}) == ('cpu', 'eager')


def test_auto_is_the_cpu_elsewhere(monkeypatch):
    monkeypatch.setattr(place, 'cuda_is_possible', lambda: False)
    assert place.compute_place(AUTO)[0] == 'cpu'


def test_what_does_not_fit_is_refused(a_machine_with_cuda):
    for device, backend in (('cuda', 'onnx'), ('cpu', 'cuda-graph')):
        with pytest.raises(ValueError, match=f"backend = '{backend}' runs on"):
            place.compute_place({'device': device, 'backend': backend})
