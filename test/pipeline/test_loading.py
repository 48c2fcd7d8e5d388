# SPDX-License-Identifier: Apache-2.0
"""Device and backend of a network, and how it is loaded."""

import numpy as np
import pytest
import torch
from faces import make_frames
from speakers import SMALL

from robot_face_gen.facial_reaction_model import (
    ExportedModel,
    FacialReactionModel,
    save_checkpoint,
)
from robot_face_gen.features.whisper_cache import UNTRAINED
from robot_face_gen.features.whisper_exported import exported
from robot_face_gen.layout import BRANCHES, VALUE_MASK_WIDTH
from robot_face_gen.models.backends import CPU_BACKENDS
from robot_face_gen.pipeline import loading
from robot_face_gen.pipeline.timeline import Timeline


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


@pytest.mark.parametrize(
    ('error', 'failed'),
    [
        (RuntimeError('CUDA out of memory. Tried to allocate 2 GiB'), True),
        (RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED'), True),
        (RuntimeError('shape mismatch'), False),
        (ValueError('no CUDA device'), False),
    ],
)
def test_errors_of_a_gpu_are_known_by_their_text(error, failed):
    assert loading.is_device_error(error) is failed


def test_a_window_holds_all_frames_with_their_masks():
    frames = make_frames(3)
    frames[1].au[4] = np.nan
    timeline = Timeline(audio_dim=4)
    for frame in frames:
        timeline.push_face(frame, frame.stamp_ns)
    slots = timeline.flush()
    window = loading.stack(slots)
    assert {name: values.shape for name, values in window.items()} == {
        **{name: (1, 3, width) for name, width in BRANCHES.items()},
        'audio': (1, 3, 2, 4), 'face_valid': (1, 3), 'audio_valid': (1, 3),
        'face_mask': (1, 3, VALUE_MASK_WIDTH),
    }  # fmt: skip
    assert (~window['face_mask']).sum() == 1
    assert all((window['au'][0, i] == slots[i].au).all() for i in range(3))


def test_onnx_runtime_without_torch_is_for_one_face(tmp_path, monkeypatch, export_here):
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    path, said = tmp_path / 'small.safetensors', []
    save_checkpoint(FacialReactionModel(SMALL), path)
    place = {'device': 'cpu', 'backend': 'onnx', 'report': said.append}
    assert isinstance(loading.load_model(path, **place), ExportedModel)
    assert said == [f'{path}: exporting for ONNX Runtime (first start only)']
    loading.load_model(path, **place)
    assert len(said) == 1
    assert isinstance(loading.load_model(path, faces=2, **place), FacialReactionModel)
    assert isinstance(loading.load_model(path, device='cpu', backend='eager'), FacialReactionModel)


def test_without_a_checkpoint_the_weights_are_random_but_always_the_same():
    torch.manual_seed(5)
    one, drawn = loading.load_model(None, device='cpu', backend='onnx'), torch.rand(1)
    two = loading.load_model(None, device='cpu', backend='eager')
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    torch.manual_seed(5)
    assert torch.rand(1) == drawn  # the caller's random numbers are left alone


def test_the_encoder_is_exported_once_with_the_precision_that_is_asked_for(
    tmp_path, monkeypatch, export_here
):
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    said = []
    for _ in range(2):
        loading.load_encoder(UNTRAINED, 0.6, device='cpu', backend='onnx', report=said.append)
    assert len(said) == 1 and 'exporting for ONNX Runtime' in said[0]
    assert exported(UNTRAINED, 60, int8=False) is not None
    assert exported(UNTRAINED, 60, int8=True) is None
