# SPDX-License-Identifier: Apache-2.0
"""The ONNX backend is the same function of the same state."""

import json
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from speakers import SMALL, cut, join, largest_difference, make_speaker

from robot_face_gen.facial_reaction_model import BRANCHES, OnlineInferenceManager, create_model
from robot_face_gen.facial_reaction_model.inputs import check_speaker

pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')

from robot_face_gen.facial_reaction_model.onnx_backend import OnnxStep, exported


@pytest.fixture(scope='module', autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp('cache')
        patch.setenv('XDG_CACHE_HOME', str(folder))
        yield folder / 'robot_face_gen'


@pytest.fixture(scope='module')
def step(model, cache):
    return OnnxStep(model, threads=1)


def stream(model, step, speaker, cuts, seed):
    """As OnlineInferenceManager does it, with one exported graph for all examples."""
    manager = OnlineInferenceManager(model, seed=seed)
    manager._step = step
    parts, begin = [], 0
    for length in cuts:
        parts.append(manager.process_window(cut(speaker, begin, begin + length)))
        begin += length
    return join(parts)


@given(cuts=st.lists(st.integers(1, 13), min_size=1, max_size=20), seed=st.integers(0, 2**62))
@settings(deadline=None, max_examples=30)
def test_equals_the_whole_however_it_is_cut(model, step, cuts, seed):
    speaker = make_speaker(sum(cuts), seed=seed % 1000)
    speaker['face_valid'] = (torch.arange(sum(cuts)) % 7 != 3)[None]
    speaker['audio_valid'] = (torch.arange(sum(cuts)) % 5 != 1)[None]
    with torch.no_grad():
        whole, _, _ = model(speaker, seed=seed)
    assert largest_difference(whole, stream(model, step, speaker, cuts, seed)) < 1e-4


@torch.no_grad()
def test_full_size_model_over_a_long_stream():
    torch.manual_seed(0)
    model = create_model()
    for parameter in model.parameters():
        parameter.add_(0.01 * torch.randn_like(parameter))
    speaker = make_speaker(1600, audio_dim=384)
    cuts = [1, 16, 7, 100, 1, 1, 350, 64, 16, 16, 128, 99, 1, 300, 500]
    assert sum(cuts) == 1600
    whole, _, _ = model(speaker, seed=1)
    manager = OnlineInferenceManager(model, seed=1, backend='onnx')
    parts, begin = [], 0
    for length in cuts:
        parts.append(manager.process_window(cut(speaker, begin, begin + length)))
        begin += length
    assert largest_difference(whole, join(parts)) < 1e-4


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


@torch.no_grad()
def test_a_saved_session_is_not_changed_by_what_comes_later(model):
    speaker = make_speaker(60)
    manager = OnlineInferenceManager(model, seed=3, backend='onnx')
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


@torch.no_grad()
def test_several_speakers_and_several_seeds(model):
    two = make_speaker(30, batch=2)
    eager = model.make_state(2, seed=[7, 8])
    state, step = model.make_state(2, seed=[7, 8]), OnnxStep(model)
    checked = check_speaker(two, SMALL, model.device)
    for frame in range(30):
        if frame == 11:  # sessions of a batch that begin at different times
            state.reset([1], seeds=[80])
            eager.reset([1], seeds=[80])
        window = cut(checked, frame, frame + 1)
        assert largest_difference(model.step(window, eager, 1.0), step(window, state, 1.0)) < 1e-4
    one = make_speaker(30)
    usual, _, _ = model(one, seed=[1, 2, 3])
    many = OnlineInferenceManager(model, seed=[1, 2, 3], backend='onnx')
    parts = [many.process_window(cut(one, begin, begin + 5)) for begin in range(0, 30, 5)]
    assert largest_difference(usual, join(parts)) < 1e-4


@torch.no_grad()
def test_8_bit_weights_are_near_and_smaller(model, cache):
    speaker = make_speaker(64)
    whole, _, _ = model(speaker, seed=1)
    near = OnlineInferenceManager(model, seed=1, backend='onnx-int8').process_window(speaker)
    for name in BRANCHES:
        error = (whole[name] - near[name]).square().mean().sqrt()
        assert 0.0 < float(error) < 0.1 * float(whole[name].std())


def test_exported_once_and_again_for_other_weights(model, cache):
    path = exported(model)
    written = path.stat().st_mtime_ns
    assert exported(model) == path
    assert path.stat().st_mtime_ns == written
    other = create_model(SMALL)
    assert exported(other) != path
    assert not list(cache.glob('.export-*'))


def test_what_is_wrong_is_said(model):
    with pytest.raises(ValueError, match="backend = 'tvm': expected eager, onnx, onnx-int8"):
        OnlineInferenceManager(model, backend='tvm')
    with pytest.raises(ValueError, match=r'the model is on cpu, torch\.float64'):
        OnlineInferenceManager(create_model(SMALL).double(), backend='onnx')


def test_onnxruntime_is_not_imported_unless_asked_for_and_its_absence_is_told():
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
    assert 'pip install robot_face_gen[onnx]' in error
