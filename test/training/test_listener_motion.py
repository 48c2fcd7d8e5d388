# SPDX-License-Identifier: Apache-2.0
"""A listener is separated into a face without events, and events; the residual is fitted."""

import numpy as np
import pytest

from robot_face_gen.facial_reaction_model.events import (
    EVENTS,
    EXEMPLARS,
    MAX_AGE,
    POLES,
    UNKNOWN_AGE,
    check_weights,
    untrained_weights,
)
from robot_face_gen.layout import AU, BRANCH_SLICES, FACE_DIM, RX
from robot_face_gen.training.events import find_blinks, find_nods
from robot_face_gen.training.listener_motion import event_weights, separate
from robot_face_gen.training.residual import (
    correlation_factors,
    fit_variances,
    power_spectra,
    process_spectra,
)

BLINK, NOD = 0, 1
AU45 = BRANCH_SLICES['au'].start + AU['AU45']
PITCH = BRANCH_SLICES['pose'].start + RX


def listener(blinks=(100, 250, 400), nods=(180, 500), frames=750):
    """A face on a slow drift that blinks (7 frames) and nods (15 frames) at these frames."""
    face = np.tile(np.linspace(0.0, 0.2, frames)[:, None], (1, FACE_DIM))
    face[:, PITCH] = 0.0
    for at in blinks:
        face[at : at + 7, AU45] += 3 * np.sin(np.pi * (np.arange(7) + 1) / 8)
    for at in nods:
        face[at : at + 15, PITCH] += 0.12 * np.sin(np.pi * (np.arange(15) + 1) / 16) ** 2
    return face


def test_events_are_taken_out_and_nothing_else():
    face = listener()
    assert len(find_blinks(face[:, AU45])) == 3 and len(find_nods(face[:, PITCH])) == 2
    apart = separate(face)
    assert not len(find_blinks(apart.base[:, AU45]))
    assert not len(find_nods(apart.base[:, PITCH]))
    assert [len(found) for found in apart.exemplars] == [3, 2]
    others = np.delete(np.arange(FACE_DIM), [AU45, PITCH])
    np.testing.assert_allclose(apart.base[:, others], face[:, others], atol=1e-3)
    begin = np.flatnonzero(apart.onset[:, BLINK])
    assert np.abs(begin - np.array([100, 250, 400])).max() <= 2
    begin = np.flatnonzero(apart.onset[:, NOD])
    assert np.abs(begin - np.array([180, 500])).max() <= 3


def test_ages_count_from_the_end_of_an_event():
    age = separate(listener()).age[:, BLINK]
    assert (age[:95] == UNKNOWN_AGE).all()
    assert age[104] == -1  # within the blink
    end = int(np.flatnonzero(age[100:] == 0)[0]) + 100
    assert age[end : end + 50].tolist() == list(range(50))
    quiet = separate(listener(blinks=(20,), nods=())).age
    assert quiet[-1, BLINK] == MAX_AGE and (quiet[:, NOD] == UNKNOWN_AGE).all()


def test_what_was_not_seen_stays_so_and_has_no_event():
    face = listener()
    face[240:270, :136] = np.nan  # landmarks, over the second blink
    face[390:430, AU45] = np.nan
    apart = separate(face)
    assert np.array_equal(np.isnan(apart.base), np.isnan(face))
    assert apart.onset[:, BLINK].sum() == 2
    assert len(apart.exemplars[BLINK]) == 1  # the one whose values were all seen
    assert (apart.age[392:428, BLINK] == -1).all()


def test_exemplars_are_what_a_checkpoint_accepts():
    weights = untrained_weights() | event_weights([listener(), listener(nods=(300, 340, 600))])
    check_weights(weights)
    for event in EVENTS:
        assert weights[f'{event.name}_shapes'].shape == (
            EXEMPLARS, event.frames, len(event.columns)
        )  # fmt: skip
    nod = weights['nod_shapes'][0][:, EVENTS[NOD].columns == PITCH]
    assert nod.max() == pytest.approx(0.12, rel=0.15)
    assert np.exp(weights['bias'][BLINK]) == pytest.approx(6 / 1500, rel=0.2)


def test_the_residual_fills_what_is_missing_and_no_more():
    rng, frames = np.random.default_rng(0), 6000
    truth = np.zeros((len(POLES), FACE_DIM))
    truth[0, 0], truth[2, 1], truth[3, 2] = 0.02, 0.05, 0.1
    x = np.zeros((frames, FACE_DIM))
    for variance, a in zip(truth, POLES, strict=True):
        u = v = np.zeros(FACE_DIM)
        scale = np.sqrt(variance * (1 - a**2) ** 3 / (1 + a**2))
        for t in range(frames):
            v = a * v + scale * rng.standard_normal(FACE_DIM)
            u = a * u + v
            x[t] += u
    real = power_spectra([x])
    nothing, all_of_it = np.zeros_like(real), np.ones_like(real)
    found = fit_variances(real, nothing, all_of_it)
    total = found.sum(axis=0)
    np.testing.assert_allclose(total[:3], truth.sum(axis=0)[:3], rtol=0.2)
    np.testing.assert_allclose(total[3:], 0, atol=1e-6)
    # A face that already moves as the real ones needs nothing.
    enough = fit_variances(real, real, all_of_it)
    assert enough[:, :3].sum() < 0.05 * truth.sum()
    assert process_spectra().shape == (len(POLES), real.shape[0])


def test_channels_that_move_together_get_common_factors():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4000, FACE_DIM))
    x[:, PITCH] = 0.9 * x[:, AU45] + np.sqrt(1 - 0.81) * x[:, PITCH]
    for factors in correlation_factors([x]):
        np.testing.assert_allclose(np.square(factors).sum(axis=0), 1, rtol=1e-6)
        assert factors[:, PITCH] @ factors[:, AU45] == pytest.approx(0.9, abs=0.12)
