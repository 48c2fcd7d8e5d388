# SPDX-License-Identifier: Apache-2.0
"""The model's contract: causal, the same however it is cut, unbounded, repeatable."""

import copy
import dataclasses

import pytest
import torch
from speakers import SMALL, cut, join, largest_difference, make_mask, make_speaker

from robot_face_gen.facial_reaction_model import BRANCHES, OnlineInferenceManager, create_model
from robot_face_gen.facial_reaction_model.events import EVENTS, UNKNOWN_AGE


def stream(model, speaker, cuts, **options):
    manager = OnlineInferenceManager(model, **options)
    parts, begin = [], 0
    for length in cuts:
        parts.append(manager.process_window(cut(speaker, begin, begin + length)))
        begin += length
    return join(parts)


def test_quick_start_as_written():
    model = create_model(device='cpu')
    speaker = {
        'landmarks': torch.randn(1, 100, 136),
        'au': torch.randn(1, 100, 18),
        'pose': torch.randn(1, 100, 4),
        'gaze': torch.randn(1, 100, 2),
        'audio': torch.randn(1, 100, 384),
    }
    predictions, distributions, _ = model(speaker)
    assert {name: tuple(p.shape) for name, p in predictions.items()} == {
        name: (1, 100, width) for name, width in BRANCHES.items()
    }
    assert distributions.prior.mean.shape == (1, 7, model.config.latent_dim)
    manager = OnlineInferenceManager(model, 'cpu')
    listener = manager.process_window(cut(speaker, 0, 16))
    assert listener['landmarks'].shape == (1, 16, 136)


@pytest.mark.parametrize('frame', [0, 3, 4, 19, 20, 45])
@pytest.mark.parametrize('changed', ['landmarks', 'audio', 'face_valid', 'face_mask'])
@torch.no_grad()
def test_the_future_does_not_change_the_past(model, frame, changed):
    speaker = make_speaker(60)
    before, _, _ = model(speaker, seed=5)
    other = dict(speaker)
    if changed == 'face_valid':
        other['face_valid'] = (torch.arange(60) < frame)[None]
    elif changed == 'face_mask':
        other['face_mask'] = (torch.arange(60) < frame)[None, :, None].expand(1, 60, 25)
    else:
        other[changed] = speaker[changed].clone()
        other[changed][:, frame:] += 3.0
    after, _, _ = model(other, seed=5)
    for name in BRANCHES:
        assert torch.equal(before[name][:, :frame], after[name][:, :frame])  # bit for bit
        assert not torch.equal(before[name][:, frame:], after[name][:, frame:])
    assert not torch.equal(before['pose'][:, frame], after['pose'][:, frame])  # answered at once


def test_attention_reaches_max_seq_len_and_no_farther(model):
    """Each layer adds a window of attention; the latents of two windows look back once more."""
    layers = SMALL.encoder_layers + SMALL.decoder_layers
    reach = layers * (SMALL.max_seq_len - 1) + 2 * SMALL.window_size
    speaker = make_speaker(reach + 10)
    speaker['audio'].requires_grad_()
    predictions, _, _ = model(speaker, seed=0, temperature=0.0)
    predictions['pose'][:, -1].sum().backward()
    seen = speaker['audio'].grad.abs().sum(dim=(0, 2, 3)) > 0
    assert not seen[:9].any()
    assert seen[9 + 2 * SMALL.window_size :].all()
    assert seen[-SMALL.max_seq_len :].all()


@torch.no_grad()
def test_cost_and_memory_stay_the_same_over_300_frames(model):
    from torch.utils.flop_counter import FlopCounterMode  # imports triton

    manager = OnlineInferenceManager(model, seed=0)
    speaker = make_speaker(300)
    outputs, flops, sizes = [], {}, {}
    for frame in range(300):
        window = cut(speaker, frame, frame + 1)
        if frame in (100, 104, 200, 280, 284):
            with FlopCounterMode(display=False) as counter:
                outputs.append(manager.process_window(window))
            flops[frame] = counter.get_total_flops()
            sizes[frame] = manager.state.nbytes()
        else:
            outputs.append(manager.process_window(window))
    assert len({flops[100], flops[104], flops[200], flops[280], flops[284]}) == 1
    assert len(set(sizes.values())) == 1
    whole, _, _ = model(speaker, seed=0)
    assert largest_difference(whole, join(outputs)) < 1e-4


@torch.no_grad()
def test_positions_stay_exact_over_a_day(model):
    """A session that has run for a day longer gives the same reactions to the same frames."""
    speaker = make_speaker(80)
    young, old = (OnlineInferenceManager(model, seed=0, temperature=0.0) for _ in range(2))
    for manager in (young, old):
        manager.process_window(cut(speaker, 0, 50))  # more than attention sees
    saved = old.state_dict()
    late = 24 * 3600 * 25  # a day of frames ...
    late -= late % (model.geometry.ring_size * SMALL.window_size)  # ... that keeps slots and phase
    assert late % model.geometry.cycle != 0
    saved['clock'] += late
    # Keys carry their own positions: rotate them to where they would be after so many frames.
    shift = model.geometry.rotary(late, 1)
    from robot_face_gen.facial_reaction_model.components import rotate

    for name in saved:
        if name.endswith('.keys'):
            saved[name] = rotate(saved[name], shift)
    old.load_state_dict(saved)
    rest = cut(speaker, 50, 80)
    assert largest_difference(young.process_window(rest), old.process_window(rest)) < 1e-4


@torch.no_grad()
def test_save_and_restore_in_mid_stream(model):
    speaker = make_speaker(50)
    manager = OnlineInferenceManager(model, seed=9)
    manager.process_window(cut(speaker, 0, 23))
    saved = manager.state_dict()
    first = manager.process_window(cut(speaker, 23, 50))
    other = OnlineInferenceManager(model)
    other.load_state_dict(saved)
    second = other.process_window(cut(speaker, 23, 50))
    assert all(torch.equal(first[name], second[name]) for name in BRANCHES)
    manager.load_state_dict(saved)  # what was saved has not moved on with the session
    again = manager.process_window(cut(speaker, 23, 50))
    assert all(torch.equal(first[name], again[name]) for name in BRANCHES)


def test_a_session_of_another_model_is_refused(model):
    manager = OnlineInferenceManager(model, seed=0)
    manager.process_window(make_speaker(3))
    before = manager.state_dict()
    for damage, said in (
        ({'context': torch.zeros(1, 7)}, r"'context' has shape \(1, 7\)"),
        ({'noise': 'lost'}, r"'noise' has shape \(\)"),
        ({'temperature': 'warm'}, 'warm'),
        ({'seeds': None}, 'damaged'),
    ):
        with pytest.raises(ValueError, match=said):
            manager.load_state_dict({**before, 'clock': before['clock'] + 700, **damage})
    after = manager.state_dict()
    assert after.keys() == before.keys() and int(after['clock']) == int(before['clock']) == 3
    assert all(
        torch.equal(after[name], part)
        for name, part in before.items()
        if isinstance(part, torch.Tensor)
    )
    sessions = manager.state
    manager.load_state_dict(before)
    assert manager.state is sessions  # a backend has bound its memory


@torch.no_grad()
def test_seeds_temperature_and_reset(model):
    speaker = make_speaker(30)
    many, distributions, _ = model(speaker, seed=[1, 2, 3])
    assert many['au'].shape[0] == 3
    assert distributions.latents.shape[0] == 3
    assert not torch.allclose(many['pose'][0], many['pose'][1])
    for row, seed in enumerate([1, 2, 3]):
        alone, _, _ = model(speaker, seed=seed)
        assert float((alone['pose'][0] - many['pose'][row]).abs().max()) < 1e-5
    assert largest_difference(many, stream(model, speaker, [5, 25], seed=[1, 2, 3])) < 1e-4
    cold = [model(speaker, seed=seed, temperature=0.0)[0] for seed in (1, 2)]
    assert largest_difference(*cold) == 0.0
    manager = OnlineInferenceManager(model, seed=4)
    first = manager.process_window(speaker)
    manager.reset()
    assert largest_difference(first, manager.process_window(speaker)) == 0.0
    manager.reset(seed=5)
    assert largest_difference(first, manager.process_window(speaker)) > 1e-3


@torch.no_grad()
def test_missing_face_or_voice_is_no_zero_face_or_silence(model):
    speaker = make_speaker(12)
    usual, _, _ = model(speaker, seed=0)
    no_audio = {name: value for name, value in speaker.items() if name != 'audio'}
    silent, _, _ = model(no_audio, seed=0)
    assert largest_difference(usual, silent) > 1e-3
    blind = {**speaker, 'face_valid': torch.zeros(1, 12, dtype=torch.bool)}
    blind_a, _, _ = model(blind, seed=0)
    blind_b, _, _ = model({**blind, 'au': speaker['au'] + 1.0}, seed=0)  # nobody looks at it
    assert largest_difference(blind_a, blind_b) == 0.0


@torch.no_grad()
def test_the_three_forms_of_audio(model):
    speaker = make_speaker(10)
    speaker['audio'][:, :, 1] = speaker['audio'][:, :, 0]
    a, _, _ = model(speaker, seed=0)
    b, _, _ = model({**speaker, 'audio': speaker['audio'].reshape(1, 20, -1)}, seed=0)
    c, _, _ = model({**speaker, 'audio': speaker['audio'][:, :, 0]}, seed=0)
    assert largest_difference(a, b) == 0.0
    assert largest_difference(a, c) == 0.0


@torch.no_grad()
def test_action_units_stay_in_their_range(model):
    predictions, _, _ = model(make_speaker(50), seed=0, temperature=5.0)
    au = predictions['au']
    assert float(au.min()) >= 0.0
    assert float(au[..., :17].max()) <= 5.0
    assert float(au[..., 17].max()) <= 1.0


def test_output_has_no_more_of_a_jump_at_borders_than_within(model):
    """Noise alone drives the face here: the steps at borders are as large as the others."""
    still = {
        name: value[:, :1].expand(-1, 1200, *value.shape[2:])
        for name, value in make_speaker(1).items()
    }
    with torch.no_grad():
        predictions, _, _ = model(still, seed=list(range(8)))
    steps = predictions['pose'].diff(dim=1).square().mean(dim=(0, 2))[40:]
    border = (torch.arange(41, 1200) % SMALL.window_size) == 0
    assert float(steps[border].mean()) < 1.5 * float(steps[~border].mean())


def without_motion(model):
    """The same model without events and residual: the network's own face."""
    other = copy.deepcopy(model)
    other.motion.bias.data.fill_(-30.0)
    other.motion.residual.zero_()
    other.motion.offset.zero_()
    return other


def training_batch(frames=22, clips=2, seed=0):
    speaker = make_speaker(frames, clips, seed=seed)
    listener = {name: make_speaker(frames, clips, seed=seed + 1)[name] for name in BRANCHES}
    listener['face_valid'] = torch.arange(clips * frames).view(clips, frames) % 6 != 2
    speaker['face_mask'] = make_mask(frames, clips, seed=seed)
    return speaker, listener


@torch.no_grad()
def test_forward_with_a_listener_is_what_training_needs(model):
    speaker, listener = training_batch()
    seeds = [11, 12, 13, 21, 22, 23]  # for each clip: the posterior's, and two samples
    faces, given, _ = model(speaker, listener, seed=seeds)
    assert {name: tuple(x.shape) for name, x in faces.items()} == {
        name: (2, 2 + 2, 22, width) for name, width in BRANCHES.items()
    }
    assert given.prior.mean.shape == given.posterior.mean.shape == (2, 6, SMALL.latent_dim)
    assert given.latents.shape == (2, 4, 6, SMALL.latent_dim)
    statistics = model.decoder.heads.statistics
    for name in BRANCHES:
        target = statistics.standardise(name, listener[name])
        assert torch.allclose(given.listener[name], target)
    # Each sample of the prior is what a robot would show, standardised.
    for clip in range(2):
        alone = {name: x[clip : clip + 1] for name, x in speaker.items()}
        for row, seed in ((2, seeds[3 * clip + 1]), (3, seeds[3 * clip + 2])):
            shown, plain, _ = without_motion(model)(alone, seed=seed)
            assert plain.posterior is None and plain.listener is None
            found = model.decoder.heads.restore({n: x[clip, row][None] for n, x in faces.items()})
            assert largest_difference(shown, found) < 1e-5
        mean, _, _ = without_motion(model)(alone, seed=0, temperature=0.0)
        found = model.decoder.heads.restore({n: x[clip, 1][None] for n, x in faces.items()})
        assert largest_difference(mean, found) < 1e-5
    # The first is drawn from the posterior: it follows the listener, the others do not.
    other = {**listener, 'au': listener['au'] + 1.0}
    changed, _, _ = model(speaker, other, seed=seeds)
    for name in BRANCHES:
        assert torch.equal(faces[name][:, 1:], changed[name][:, 1:])
        assert not torch.allclose(faces[name][:, 0], changed[name][:, 0])
    masked = {
        **listener,
        'au': torch.where(listener['face_valid'][..., None], listener['au'], 9.0),
    }
    again, _, _ = model(speaker, masked, seed=seeds)
    assert torch.equal(faces['pose'][:, 0], again['pose'][:, 0])


def test_gradients_of_training_reach_every_weight(model):
    speaker, listener = training_batch()
    faces, given, _ = model(speaker, listener, seed=[1, 2, 3, 4])
    loss = sum(x.square().mean() for x in faces.values())
    loss = loss + torch.distributions.kl_divergence(given.posterior, given.prior).mean()
    age = torch.arange(22)[:, None].expand(2, 22, len(EVENTS)).clone()
    age[:, :5] = UNKNOWN_AGE
    loss = loss + model.motion.log_likelihood(given.events, age, age == 9).mean()
    gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    for (name, _), gradient in zip(model.named_parameters(), gradients, strict=True):
        if name not in ('encoder.fusion.no_face', 'encoder.fusion.no_audio'):  # nothing is missing
            assert gradient is not None and float(gradient.abs().sum()) > 0, name


@pytest.mark.parametrize(
    ('change', 'options', 'message'),
    [
        (
            {'au': torch.zeros(2, 21, 18)},
            {},
            "listener\\['au'\\] has shape .*expected 2 x 22 frames",
        ),
        ({'face_valid': torch.ones(2, 21, dtype=torch.bool)}, {}, r'face_valid \(2, 21\)'),
        ({'pose': torch.full((2, 22, 4), torch.nan)}, {}, "listener\\['pose'\\]"),
        ({'face_mask': torch.ones(2, 22)}, {}, "listener\\['face_mask'\\] is .*float32: expected"),
        (
            {},
            {'seed': [1, 2, 3]},
            'seed holds 3 seeds: expected the same number for each of the 2',
        ),
    ],
)
def test_a_listener_that_does_not_fit_is_refused(model, change, options, message):
    speaker, listener = training_batch()
    with pytest.raises(ValueError, match=message):
        model(speaker, {**listener, **change}, **options)


def test_the_speakers_face_is_reconstructed_where_the_model_is_made_for_it():
    model = create_model(dataclasses.replace(SMALL, speaker_reconstruction=True))
    speaker, listener = training_batch()
    with torch.no_grad():
        _, _, face = model(speaker, seed=0)
        _, _, standardised = model(speaker, listener, seed=0)
    assert face['landmarks'].shape == (2, 22, 136)
    assert float(face['au'].min()) >= 0.0
    assert largest_difference(face, model.reconstruction.restore(standardised)) < 1e-5
