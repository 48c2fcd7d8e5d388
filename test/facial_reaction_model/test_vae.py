# SPDX-License-Identifier: Apache-2.0
"""Latents: unit variance, correlated over windows, smooth within; what the posterior sees."""

import pytest
import torch
from speakers import SMALL, make_speaker
from torch.distributions import kl_divergence

from robot_face_gen.facial_reaction_model.vae import FacialVAE, blend_weight


@pytest.fixture(scope='module')
def vae():
    torch.manual_seed(2)
    return FacialVAE(SMALL)


def test_noise_keeps_unit_variance_and_has_its_correlation(vae):
    noise = vae.noise(range(400), 30)
    assert noise.shape == (400, 30, SMALL.latent_dim)
    assert noise.var(dim=(0, 2)).sub(1).abs().max() < 0.12  # at every window, the last too
    pairs = torch.stack((noise[:, 4:-1].flatten(), noise[:, 5:].flatten()))
    assert float(torch.corrcoef(pairs)[0, 1]) == pytest.approx(SMALL.latent_correlation, abs=0.02)


def test_blend_ends_at_the_windows_own_latent_and_is_continuous(vae):
    weights = blend_weight(torch.arange(16.0), 16)
    assert float(weights[-1]) == 1.0
    assert (weights.diff() > 0).all()
    latents = torch.randn(1, 5, SMALL.latent_dim)
    frames = vae.spread(latents, 20)[..., : SMALL.latent_dim]
    assert torch.allclose(frames[:, 3::4], latents)
    assert torch.allclose(
        frames[:, :4], latents[:, :1].expand(-1, 4, -1)
    )  # nothing before the first


def test_prior_of_a_window_does_not_see_it(model):
    speaker = make_speaker(20)
    changed = {name: value.clone() for name, value in speaker.items()}
    changed['audio'][:, 8:] += 1.0
    with torch.no_grad():
        (_, a, _), (_, b, _) = model(speaker, seed=0), model(changed, seed=0)
    same = (a.prior.mean == b.prior.mean).all(dim=-1)[0]
    assert same.tolist() == [True, True, True, False, False]


def test_posterior_sees_the_two_windows_of_its_latent(model):
    listener = torch.randn(1, 20, 160)
    valid = torch.ones(1, 20, dtype=torch.bool)
    encoded = torch.randn(1, 20, SMALL.feature_dim)
    q = model.vae.posterior(encoded, listener, valid)
    changed = listener.clone()
    changed[:, 8:12] += 1.0
    other = model.vae.posterior(encoded, changed, valid)
    differs = (q.mean != other.mean).any(dim=-1)[0]
    assert differs.tolist() == [False, True, True, False, False]
    unbelieved = valid.clone()
    unbelieved[:, 8:12] = False
    changed[:, 8:12] = float('nan')
    masked = model.vae.posterior(encoded, changed, unbelieved)
    assert torch.isfinite(masked.mean).all()
    assert float(kl_divergence(q, masked).sum().detach()) > 0


def test_a_last_window_that_is_cut_off(model):
    encoded, valid = torch.randn(2, 18, SMALL.feature_dim), torch.ones(2, 18, dtype=torch.bool)
    assert model.vae.posterior(encoded, torch.randn(2, 18, 160), valid).mean.shape[1] == 5
    assert model.vae.window_contexts(encoded).shape[1] == 5
