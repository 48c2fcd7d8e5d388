# SPDX-License-Identifier: Apache-2.0
"""One step function, run by torch and by ONNX Runtime: it equals `forward`, however it is cut."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from speakers import SMALL, cut, join, largest_difference, make_mask, make_speaker

from robot_face_gen.facial_reaction_model import (
    BRANCHES,
    OnlineInferenceManager,
    Sessions,
    create_model,
    make_runner,
)
from robot_face_gen.models.backends import resolve_backend

BACKENDS = ['eager', *(['onnx'] if resolve_backend('auto', 'cpu') == 'onnx' else [])]
CUDA = [pytest.param('cuda-graph', 'cuda'), pytest.param('eager', 'cuda')]
EVERYWHERE = [*((name, 'cpu') for name in BACKENDS), *(CUDA * torch.cuda.is_available())]


pytestmark = pytest.mark.usefixtures('cache')


@pytest.fixture(scope='module')
def managers(model):
    """A manager for each backend; their memory is bound once for all examples."""
    found = {}
    for backend, device in EVERYWHERE:
        other = create_model(SMALL, device=device)
        other.load_state_dict(model.state_dict())
        found[backend, device] = OnlineInferenceManager(other, backend=backend)
    return found


def tensors(face):
    return {name: torch.as_tensor(part).cpu() for name, part in face.items()}


def stream(manager, speaker, cuts, seed):
    manager.reset(seed)
    parts, begin = [], 0
    for length in cuts:
        parts.append(tensors(manager.process_window(cut(speaker, begin, begin + length))))
        begin += length
    return join(parts)


@pytest.mark.parametrize('place', EVERYWHERE)
@given(cuts=st.lists(st.integers(1, 33), min_size=1, max_size=12), seed=st.integers(0, 2**62))
@settings(deadline=None, max_examples=30)
def test_equals_the_whole_however_it_is_cut(model, managers, place, cuts, seed):
    speaker = make_speaker(sum(cuts), seed=seed % 1000)
    speaker['face_valid'] = (torch.arange(sum(cuts)) % 7 != 3)[None]
    speaker['audio_valid'] = (torch.arange(sum(cuts)) % 5 != 1)[None]
    speaker['face_mask'] = make_mask(sum(cuts), seed=seed % 1000)
    with torch.no_grad():
        whole, _, _ = model(speaker, seed=seed)
    assert largest_difference(whole, stream(managers[place], speaker, cuts, seed)) < 1e-4


@pytest.mark.parametrize('place', EVERYWHERE[1:])
def test_every_runner_keeps_the_same_state(managers, place):
    """One function: not only the answers are equal, but every number that is kept."""
    speaker = make_speaker(47)
    for manager in (managers[EVERYWHERE[0]], managers[place]):
        stream(manager, speaker, [5, 13, 1, 1, 20, 7], seed=3)
    one, other = (managers[key].state_dict() for key in (EVERYWHERE[0], place))
    assert one.keys() == other.keys()
    for name, part in one.items():
        np.testing.assert_allclose(np.asarray(other[name]), np.asarray(part), atol=1e-4)


@pytest.mark.parametrize('backend', BACKENDS)
@torch.no_grad()
def test_full_size_model_over_a_long_stream(backend):
    torch.manual_seed(0)
    model = create_model()
    for parameter in model.parameters():
        parameter.add_(0.01 * torch.randn_like(parameter))
    speaker = {**make_speaker(1600, audio_dim=384), 'face_mask': make_mask(1600)}
    cuts = [1, 16, 7, 100, 1, 1, 350, 64, 16, 16, 128, 99, 1, 300, 500]
    assert sum(cuts) == 1600
    whole, _, _ = model(speaker, seed=1)
    manager = OnlineInferenceManager(model, backend=backend)
    assert largest_difference(whole, stream(manager, speaker, cuts, 1)) < 1e-4


@pytest.mark.parametrize('backend', BACKENDS)
@torch.no_grad()
def test_several_speakers_that_begin_at_different_times(model, backend):
    two = {**make_speaker(30, batch=2), 'face_mask': make_mask(30, batch=2)}
    sessions = Sessions(make_runner(model, 2, backend=backend), [7, 8])
    parts = []
    for frame in range(30):
        if frame == 11:  # neither a window's border nor a ring's
            sessions.reset(1, seed=80)
        answers = sessions.step(
            {row: cut({n: x[row : row + 1] for n, x in two.items()}, frame, frame + 1)
             for row in range(2)}
        )  # fmt: skip
        parts.append([tensors(answers[row]) for row in range(2)])
    first, second = (join([part[row] for part in parts]) for row in range(2))
    kept, _, _ = model({n: v[:1] for n, v in two.items()}, seed=7)
    begun, _, _ = model(cut({n: v[1:] for n, v in two.items()}, 11, 30), seed=80)
    assert largest_difference(first, kept) < 1e-4
    assert largest_difference(cut(second, 11, 30), begun) < 1e-4


@pytest.mark.parametrize('backend', BACKENDS)
@torch.no_grad()
def test_one_speaker_and_several_seeds(model, backend):
    one = {**make_speaker(30), 'face_mask': make_mask(30)}
    whole, _, _ = model(one, seed=[1, 2, 3])
    many = OnlineInferenceManager(model, backend=backend)
    assert largest_difference(whole, stream(many, one, [5] * 6, [1, 2, 3])) < 1e-4


@pytest.mark.parametrize('backend', BACKENDS)
@torch.no_grad()
def test_nothing_is_bound_again_from_session_to_session(model, backend):
    speaker = make_speaker(20)
    manager = OnlineInferenceManager(model, seed=5, backend=backend)
    first = manager.process_window(cut(speaker, 0, 10))
    kept = first['au'].clone()
    sessions, call = manager.state, manager.state.runner.call(4)
    manager.reset()
    assert largest_difference(first, manager.process_window(cut(speaker, 0, 10))) == 0.0
    assert manager.state is sessions and sessions.runner.call(4) is call
    manager.process_window(cut(speaker, 10, 20))
    assert torch.equal(first['au'], kept)  # an answer is the caller's own


@torch.no_grad()
def test_8_bit_weights_are_near(model):
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    calm = copy.deepcopy(model)  # a small error moves an event by a frame
    calm.motion.bias.fill_(-30.0)
    speaker = make_speaker(64)
    whole, _, _ = calm(speaker, seed=1)
    near = OnlineInferenceManager(calm, seed=1, backend='onnx-int8').process_window(speaker)
    for name in BRANCHES:
        error = (whole[name] - near[name]).square().mean().sqrt()
        assert 0.0 < float(error) < 0.1 * float(whole[name].std())


@torch.no_grad()
def test_a_model_in_double_precision(model):
    double = create_model(SMALL).double()
    double.load_state_dict(model.state_dict())
    speaker = make_speaker(20)
    answer = OnlineInferenceManager(double, seed=4).process_window(speaker)
    whole, _, _ = double(speaker, seed=4)
    for name in BRANCHES:
        assert float((answer[name] - whole[name]).abs().max()) < 1e-5


@torch.no_grad()
def test_weights_that_change_are_used_from_the_next_session_on(model):
    changing, speaker = create_model(SMALL), make_speaker(9)
    manager = OnlineInferenceManager(changing, seed=1)
    manager.process_window(speaker)
    changing.load_state_dict(model.state_dict())
    manager.reset()
    whole, _, _ = model(speaker, seed=1)
    assert largest_difference(whole, manager.process_window(speaker)) < 1e-4
