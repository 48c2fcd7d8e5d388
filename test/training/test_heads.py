# SPDX-License-Identifier: Apache-2.0
"""The last layers of the face heads are fitted in closed form to what holds for other people."""

import numpy as np
import pytest
import torch
from prepared_data import SMALL_MODEL

from robot_face_gen.facial_reaction_model import create_model
from robot_face_gen.layout import AU, BRANCH_SLICES, FACE_DIM, RX, RZ
from robot_face_gen.training import heads
from robot_face_gen.training.heads import SHARES, Decoded, fit_heads

PITCH, ROLL = (BRANCH_SLICES['pose'].start + x for x in (RX, RZ))
SMILE, FROWN, LID = (BRANCH_SLICES['au'].start + AU[name] for name in ('AU12', 'AU04', 'AU05'))
FRAMES = 400


def slow(rng, frames=FRAMES):
    """Motion without jumps, standard deviation 1."""
    x = np.convolve(rng.standard_normal(frames + 60), np.hanning(40), 'same')[30:-30]
    return (x - x.mean()) / x.std()


def clip(model, seed, missing=()):
    """A listener whose pitch and smile follow a signal.

    The features hold it with noise, and a little late without.
    """
    rng = np.random.default_rng(seed)
    signal, other = slow(rng), slow(rng)
    features = np.zeros((len(SHARES), FRAMES, model.config.feature_dim))
    features[..., 0] = signal + 0.2 * rng.standard_normal(FRAMES)
    features[..., 1] = np.concatenate((signal[:1].repeat(3), signal[:-3]))
    features[..., 2] = other
    face = np.zeros((FRAMES, FACE_DIM))
    face[:, PITCH] = 0.1 * signal
    face[:, ROLL] = 0.1 * other * rng.choice((-1, 1))  # does not hold for other people
    face[:, SMILE] = rng.uniform(0.1, 0.9) + np.maximum(0.0, 2 * signal)
    face[:, FROWN] = 0.7
    face += 0.01 * rng.standard_normal(face.shape)  # a tracker's noise
    face[:, list(missing)] = np.nan
    return Decoded(face, features.astype(np.float16), torch.zeros(1, 1))


def shown(model, x):
    last = model.decoder.heads
    with torch.no_grad():
        face = last.restore(last(torch.from_numpy(x.features[0]).float()))
    return {name: face[name].numpy() for name in face}


def fit():
    torch.manual_seed(3)
    model = create_model(SMALL_MODEL)
    last = model.decoder.heads.branches['au'][2]
    last.weight.data[AU['AU05']] *= 60.0
    last.bias.data[AU['AU05']] = 2.0
    before = shown(model, clip(model, 90))
    known, others = (
        [clip(model, seed, missing=(LID,)) for seed in seeds]
        for seeds in (range(12), range(20, 26))
    )
    fit_heads(model, known, others)
    return model, before


@pytest.fixture(scope='module')
def fitted():
    return fit()


def test_what_follows_the_speaker_is_shown_and_the_rest_is_constant(fitted):
    model, _ = fitted
    other = clip(model, 90)
    pose = shown(model, other)['pose']
    slope = np.polyfit(other.base[:, PITCH], pose[:, RX], 1)[0]
    assert 0.9 < slope < 1.1
    assert np.corrcoef(other.base[:, PITCH], pose[:, RX])[0, 1] > 0.95
    assert pose[:, RZ].std() < 1e-6


def test_action_units_rise_from_zero_at_rest(fitted):
    model, _ = fitted
    other = clip(model, 90)
    au, real = shown(model, other)['au'], other.base[:, SMILE] - np.median(other.base[:, SMILE])
    rest = real < 0.01
    assert np.median(au[rest, AU['AU12']]) == 0
    assert np.corrcoef(np.maximum(real, 0), au[:, AU['AU12']])[0, 1] > 0.9
    assert not au[:, AU['AU04']].any()  # its level is the residual's


def jitter(model):
    """Second differences of the pitch, relative to its standard deviation."""
    pitch = shown(model, clip(model, 90))['pose'][:, RX]
    return np.abs(np.diff(pitch, n=2)).mean() / pitch.std()


def test_the_face_is_calm_where_that_costs_little(fitted, monkeypatch):
    monkeypatch.setitem(heads._CALM, 'pose', 0.0)
    assert jitter(fitted[0]) < 0.5 * jitter(fit()[0])


def test_a_value_that_was_never_seen_still_moves_as_it_was_trained_to(fitted):
    model, before = fitted
    after = shown(model, clip(model, 90))['au'][:, AU['AU05']]
    old = before['au'][:, AU['AU05']]
    rise = np.maximum(old - np.median(old), 0)
    assert np.isfinite(after).all()
    assert np.corrcoef(rise, after)[0, 1] > 0.8
