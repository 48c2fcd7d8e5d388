# SPDX-License-Identifier: Apache-2.0
"""Values that the tracker did not deliver: the mean in their place, and the mask as an input."""

import pytest
import torch
from speakers import SMALL, largest_difference, make_mask, make_speaker

from robot_face_gen.facial_reaction_model import BRANCHES, OnlineInferenceManager, create_model
from robot_face_gen.layout import AU, VALUE_MASK_SLICES
from robot_face_gen.models.backends import resolve_backend

HAS_ONNX = resolve_backend('auto', 'cpu') == 'onnx'
BACKENDS = ['forward', 'eager', *(['onnx', 'onnx-int8'] if HAS_ONNX else [])]
COLUMN = {'landmarks': 0, 'au': 1 + AU['AU06'], 'pose': 20, 'gaze': 24}  # a flag of each branch
PLACE = {'landmarks': slice(0, 136), 'au': AU['AU06'], 'pose': 1, 'gaze': 1}  # its values


pytestmark = pytest.mark.usefixtures('cache')


@pytest.fixture(scope='module')
def managers(model):
    return {name: OnlineInferenceManager(model, backend=name) for name in BACKENDS[1:]}


@torch.no_grad()
def react(model, managers, backend, speaker):
    if backend == 'forward':
        return model(speaker, seed=3)[0]
    managers[backend].reset(3)
    return managers[backend].process_window(speaker)


def masked(speaker, column, frames=slice(4, 9)):
    mask = torch.ones(*speaker['au'].shape[:2], 25, dtype=torch.bool)
    mask[:, frames, column] = False
    return {**speaker, 'face_mask': mask}


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('branch', BRANCHES)
def test_a_masked_value_is_not_looked_at_whatever_it_is(model, managers, backend, branch):
    speaker = masked(make_speaker(14), COLUMN[branch])
    first = react(model, managers, backend, speaker)
    assert all(bool(torch.isfinite(part).all()) for part in first.values())
    for value in (7.0, torch.nan, torch.inf):
        other = {**speaker, branch: speaker[branch].clone()}
        other[branch][:, 4:9, PLACE[branch]] = value
        assert largest_difference(first, react(model, managers, backend, other)) == 0.0
    # Without the mask the same value counts.
    other[branch][:, 4:9, PLACE[branch]] = 7.0
    del other['face_mask']
    assert largest_difference(first, react(model, managers, backend, other)) > 1e-4


@pytest.mark.parametrize('backend', BACKENDS)
def test_a_mask_of_true_is_no_mask_and_an_invalid_face_has_none(model, managers, backend):
    speaker = make_speaker(12)
    usual = react(model, managers, backend, speaker)
    everything = {**speaker, 'face_mask': torch.ones(1, 12, 25, dtype=torch.bool)}
    assert largest_difference(usual, react(model, managers, backend, everything)) == 0.0
    blind = {**speaker, 'face_valid': (torch.arange(12) % 3 != 1)[None]}
    half = {**blind, 'face_mask': blind['face_valid'][..., None].repeat(1, 1, 25)}
    half['au'] = torch.where(half['face_mask'][..., :1], half['au'], torch.nan)
    found = react(model, managers, backend, half)
    # Rounding to 8 bits depends on all values of a layer's input, the ones that are unused too.
    limit = 0.05 if backend == 'onnx-int8' else 0.0
    assert largest_difference(react(model, managers, backend, blind), found) <= limit


@torch.no_grad()
@pytest.mark.parametrize('branch', BRANCHES)
def test_without_weights_of_the_mask_a_missing_value_is_the_mean(model, branch):
    old = create_model(SMALL)
    old.load_state_dict(model.state_dict())
    old.encoder.face.missing.zero_()
    speaker = make_speaker(14)
    average = {**speaker, branch: speaker[branch].clone()}
    mean = getattr(old.encoder.statistics, f'{branch}_mean')[PLACE[branch]]
    average[branch][:, 4:9, PLACE[branch]] = mean
    missing = masked(speaker, COLUMN[branch])
    expected = old(average, seed=1)[0]
    assert largest_difference(expected, old(missing, seed=1)[0]) < 1e-6
    # With weights the encoder knows that it is missing.
    assert largest_difference(model(average, seed=1)[0], model(missing, seed=1)[0]) > 1e-4


def test_each_flag_is_that_of_its_value(model):
    """The gradient of a value is 0 where its flag is off, and only there."""
    for branch, place in VALUE_MASK_SLICES.items():
        for column in range(place.start, place.stop):
            speaker = masked(make_speaker(2), column, slice(0, 1))
            faces = {name: speaker[name].requires_grad_() for name in BRANCHES}
            model(speaker, seed=1, temperature=0.0)[0]['landmarks'].sum().backward()
            for name, face in faces.items():
                off = (face.grad[0, 0] == 0).tolist()
                expected = [False] * BRANCHES[name]
                if name == branch == 'landmarks':
                    expected = [True] * 136
                elif name == branch:
                    expected[column - place.start] = True
                assert off == expected, (column, name)


def test_nan_in_masked_values_leaves_all_gradients_finite(model):
    speaker = {**make_speaker(9), 'face_mask': make_mask(9)}
    listener = {name: make_speaker(9, seed=1)[name] for name in BRANCHES}
    listener['face_valid'] = torch.ones(1, 9, dtype=torch.bool)
    listener['face_mask'] = make_mask(9, seed=1)
    for data in (speaker, listener):
        for name, place in VALUE_MASK_SLICES.items():
            data[name] = torch.where(data['face_mask'][..., place], data[name], torch.nan)
    faces, given, _ = model(speaker, listener, seed=1)
    for name, place in VALUE_MASK_SLICES.items():
        assert torch.equal(given.seen[name], listener['face_mask'][..., place])
        assert not given.listener[name][~given.seen[name].expand_as(given.listener[name])].any()
    loss = sum(face.square().mean() for face in faces.values())
    loss = loss + torch.distributions.kl_divergence(given.posterior, given.prior).mean()
    gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    assert all(bool(torch.isfinite(g).all()) for g in gradients if g is not None)
    assert float(gradients[[n for n, _ in model.named_parameters()].index(
        'encoder.face.missing')].abs().sum()) > 0  # fmt: skip
