# SPDX-License-Identifier: Apache-2.0
"""A session can be saved, restored and moved between backends, at any frame."""

import json
import subprocess
import sys

import pytest
import torch
from speakers import SMALL, cut, join, largest_difference, make_speaker

from robot_face_gen.facial_reaction_model import OnlineInferenceManager, create_model
from robot_face_gen.models.backends import resolve_backend

ONNX = resolve_backend('auto', 'cpu') == 'onnx'
BACKENDS = ['eager', *(['onnx'] * ONNX)]
needs_onnx = pytest.mark.skipif(not ONNX, reason='onnx and onnxruntime are not installed')


pytestmark = pytest.mark.usefixtures('cache')


@needs_onnx
@torch.no_grad()
def test_a_session_goes_from_one_backend_to_the_other(model):
    speaker = make_speaker(90)
    usual = OnlineInferenceManager(model, seed=3)
    eager, onnx = (
        OnlineInferenceManager(model, seed=3),
        OnlineInferenceManager(model, seed=9, backend='onnx'),
    )
    for begin, end in ((0, 11), (11, 30), (30, 31), (31, 60), (60, 90)):
        window = cut(speaker, begin, end)
        expected = usual.process_window(window)
        assert largest_difference(expected, eager.process_window(window)) < 1e-4
        onnx.load_state_dict(eager.state_dict())
        eager, onnx = onnx, eager


@pytest.mark.parametrize('backend', BACKENDS)
@torch.no_grad()
def test_a_saved_session_is_not_changed_by_what_comes_later(model, backend):
    speaker = make_speaker(60)
    manager = OnlineInferenceManager(model, seed=3, backend=backend)
    manager.process_window(cut(speaker, 0, 33))
    saved = manager.state_dict()
    first = manager.process_window(cut(speaker, 33, 60))
    manager.load_state_dict(saved)
    assert largest_difference(first, manager.process_window(cut(speaker, 33, 60))) == 0.0
    manager.reset()
    fresh = OnlineInferenceManager(model, seed=3)
    assert (
        largest_difference(fresh.process_window(speaker), manager.process_window(speaker)) < 1e-4
    )


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('other', BACKENDS)
@torch.no_grad()
def test_a_session_that_has_not_begun_can_be_saved_and_restored(model, backend, other):
    speaker = make_speaker(9)
    manager = OnlineInferenceManager(model, seed=4, temperature=0.6, backend=backend)
    saved = manager.state_dict()
    restored = OnlineInferenceManager(model, seed=1, backend=other)
    restored.process_window(speaker)
    restored.load_state_dict(saved)
    assert restored.state is None and restored.temperature == 0.6
    expected, _, _ = model(speaker, seed=4, temperature=0.6)
    assert largest_difference(expected, restored.process_window(speaker)) < 1e-4
    assert largest_difference(expected, manager.process_window(speaker)) < 1e-4  # not disturbed
    restored.load_state_dict({})  # as `reset`
    assert restored.state is None


@torch.no_grad()
def test_saving_before_the_first_window_does_not_fix_the_number_of_speakers(model):
    manager = OnlineInferenceManager(model, seed=4)
    manager.state_dict()
    assert manager.process_window(make_speaker(2, batch=3))['au'].shape[0] == 3


@torch.no_grad()
def test_a_seed_that_was_not_chosen_is_another_for_each_session(model):
    speaker = make_speaker(5)
    torch.manual_seed(1)
    manager = OnlineInferenceManager(model)
    first = manager.process_window(speaker)
    manager.reset()
    assert largest_difference(first, manager.process_window(speaker)) > 1e-3
    torch.manual_seed(1)  # they are drawn from torch's generator
    again = OnlineInferenceManager(model).process_window(speaker)
    assert largest_difference(first, again) == 0.0


@pytest.mark.parametrize('backend', BACKENDS)
@torch.no_grad()
def test_temperature_takes_effect_with_the_next_window(model, backend):
    speaker = make_speaker(24)
    usual, changed = (OnlineInferenceManager(model, seed=2, backend=backend) for _ in range(2))
    parts = []
    for manager in (usual, changed):
        parts.append([manager.process_window(cut(speaker, 0, 10))])
        if manager is changed:
            manager.temperature = 0.0
        parts[-1].append(manager.process_window(cut(speaker, 10, 24)))
    usual, changed = (join(part) for part in parts)
    assert torch.equal(usual['pose'][:, :12], changed['pose'][:, :12])  # windows of 4 frames
    assert not torch.allclose(usual['pose'][:, 12], changed['pose'][:, 12])


def test_backends_and_devices_that_do_not_fit_are_refused(model):
    with pytest.raises(ValueError, match="backend = 'tvm': expected eager, onnx, onnx-int8"):
        OnlineInferenceManager(model, backend='tvm')
    with pytest.raises(ValueError, match="'cuda-graph' runs on cuda only: the model is on cpu"):
        OnlineInferenceManager(model, backend='cuda-graph')


@needs_onnx
def test_another_precision_is_refused_by_onnx():
    with pytest.raises(ValueError, match=r'the model is on cpu, torch\.float64'):
        OnlineInferenceManager(create_model(SMALL).double(), backend='onnx')


def test_onnxruntime_is_not_imported_unless_asked_for_and_its_absence_is_reported():
    code = """
import json, sys
from robot_face_gen.facial_reaction_model import OnlineInferenceManager, create_model
model = create_model({'feature_dim': 16, 'num_heads': 2})
OnlineInferenceManager(model)
found = [name for name in ('onnx', 'onnxruntime') if name in sys.modules]
sys.modules['onnxruntime'] = sys.modules['onnx'] = None
try:
    OnlineInferenceManager(model, backend='onnx')
except ImportError as error:
    print(json.dumps([found, str(error)]))
"""
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, timeout=60
    )
    found, error = json.loads(done.stdout.splitlines()[-1])
    assert found == []
    assert "pip install 'robot_face_gen[onnx]'" in error
