# SPDX-License-Identifier: Apache-2.0
"""The step that a GPU records is the same function; without a GPU it runs unrecorded."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from speakers import SMALL, cut, join, largest_difference, make_speaker

from robot_face_gen.facial_reaction_model import OnlineInferenceManager, create_model
from robot_face_gen.facial_reaction_model.cuda_step import CudaStep
from robot_face_gen.facial_reaction_model.inputs import check_speaker

DEVICES = ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]


def managed(model, seed, **options):
    manager = OnlineInferenceManager(model, seed=seed, **options)
    manager._step, manager._inputs_on = CudaStep(model), torch.device('cpu')
    return manager


@pytest.mark.parametrize('device', DEVICES)
@given(cuts=st.lists(st.integers(1, 13), min_size=1, max_size=20), seed=st.integers(0, 2**62))
@settings(deadline=None, max_examples=30)
def test_equals_the_whole_however_it_is_cut(model, device, cuts, seed):
    speaker = make_speaker(sum(cuts), seed=seed % 1000)
    speaker['face_valid'] = (torch.arange(sum(cuts)) % 7 != 3)[None]
    speaker['audio_valid'] = (torch.arange(sum(cuts)) % 5 != 1)[None]
    with torch.no_grad():
        whole, _, _ = model(speaker, seed=seed)
    manager = managed(create_model(SMALL, device=device), seed)
    manager.model.load_state_dict(model.state_dict())
    parts, begin = [], 0
    for length in cuts:
        parts.append(manager.process_window(cut(speaker, begin, begin + length)))
        begin += length
    assert largest_difference(whole, join(parts)) < 1e-4


@torch.no_grad()
def test_several_speakers_that_begin_at_different_times(model):
    speaker = check_speaker(make_speaker(40, batch=3), SMALL, model.device)
    state, eager = (model.make_state(3, seed=[7, 8, 9]) for _ in range(2))
    step = CudaStep(model)
    for frame in range(40):
        if frame == 11:
            state.reset([1], seeds=[80])
            eager.reset([1], seeds=[80])
        window = cut(speaker, frame, frame + 1)
        expected = model.step(window, eager, 1.0)
        assert largest_difference(expected, step(window, state, 1.0)) < 1e-4


@torch.no_grad()
def test_one_speaker_and_several_seeds(model):
    one = make_speaker(30)
    whole, _, _ = model(one, seed=[1, 2, 3])
    many = managed(model, [1, 2, 3])
    parts = [many.process_window(cut(one, begin, begin + 5)) for begin in range(0, 30, 5)]
    assert largest_difference(whole, join(parts)) < 1e-4


@torch.no_grad()
def test_nothing_is_bound_anew_from_session_to_session(model):
    speaker = make_speaker(20)
    manager = managed(model, 5)
    first = manager.process_window(cut(speaker, 0, 10))
    kept = first['au'].clone()
    state, calls = manager.state, manager._step._calls
    manager.reset()
    assert largest_difference(first, manager.process_window(cut(speaker, 0, 10))) == 0.0
    assert manager.state is state and manager._step._calls is calls
    manager.process_window(cut(speaker, 10, 20))
    assert torch.equal(first['au'], kept)  # an answer is the caller's own


def test_without_a_gpu_it_is_refused(model):
    with pytest.raises(ValueError, match='the backend cuda-graph expects a CUDA device'):
        OnlineInferenceManager(model, backend='cuda-graph')
