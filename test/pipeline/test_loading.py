# SPDX-License-Identifier: Apache-2.0
"""Device and backend of a network."""

import pytest
import torch

from robot_face_gen.models.backends import CPU_BACKENDS
from robot_face_gen.pipeline import loading


@pytest.fixture
def a_machine_with_cuda(monkeypatch):
    monkeypatch.setattr(loading, 'cuda_is_possible', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)


def test_auto_uses_cuda_if_there_is_one(a_machine_with_cuda):
    assert loading.resolve_place('auto', 'auto') == ('cuda', 'cuda-graph')
    assert loading.resolve_place('auto', 'auto', CPU_BACKENDS) == ('cuda', 'eager')  # Whisper
    assert loading.resolve_place('auto', 'eager') == ('cuda', 'eager')
    # ONNX Runtime runs on the CPU.
    assert loading.resolve_place('auto', 'onnx') == ('cpu', 'onnx')
    assert loading.resolve_place('cpu', 'eager') == ('cpu', 'eager')


def test_auto_is_the_cpu_without_cuda(monkeypatch):
    monkeypatch.setattr(loading, 'cuda_is_possible', lambda: False)
    assert loading.resolve_place('auto', 'auto')[0] == 'cpu'


def test_a_backend_that_does_not_run_on_the_device_is_refused(a_machine_with_cuda):
    for device, backend in (('cuda', 'onnx'), ('cpu', 'cuda-graph')):
        with pytest.raises(ValueError, match=f"backend = '{backend}' runs on"):
            loading.resolve_place(device, backend)
