# SPDX-License-Identifier: Apache-2.0
"""Names of backends, and the devices that they run on."""

import pytest
import torch

from robot_face_gen.models.backends import CPU_BACKENDS, resolve_backend


def test_auto_is_the_fastest_backend_of_a_device():
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    assert resolve_backend('auto', 'cpu') == 'onnx'
    assert resolve_backend('auto', torch.device('cuda', 0)) == 'cuda-graph'
    assert resolve_backend('auto', torch.device('cuda', 0), CPU_BACKENDS) == 'eager'
    assert resolve_backend('onnx-int8', 'cpu') == 'onnx-int8'


@pytest.mark.parametrize(
    ('name', 'device', 'message'),
    [
        ('onxx', 'cpu', "backend = 'onxx': expected eager, onnx, onnx-int8, cuda-graph"),
        ('cuda-graph', 'cpu', "backend = 'cuda-graph' runs on cuda only: the model is on cpu"),
        ('onnx', 'cuda:0', "backend = 'onnx' runs on cpu only: the model is on cuda:0"),
        ('onnx-int8', torch.device('cuda', 1), 'runs on cpu only: the model is on cuda:1'),
    ],
)
def test_refused(name, device, message):
    with pytest.raises(ValueError, match=message):
        resolve_backend(name, device)


def test_a_network_without_this_backend():
    with pytest.raises(
        ValueError, match="backend = 'cuda-graph': expected eager, onnx, onnx-int8"
    ):
        resolve_backend('cuda-graph', 'cuda', CPU_BACKENDS)
