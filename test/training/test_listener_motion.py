# SPDX-License-Identifier: Apache-2.0
"""A listener is separated into a face without events, and events; the residual is cut."""

import numpy as np
import pytest

from robot_face_gen.facial_reaction_model import FacialReactionModel
from robot_face_gen.facial_reaction_model.events import (
    COMPONENTS,
    EVENTS,
    EXEMPLARS,
    MAX_AGE,
    PEOPLE,
    SEGMENT_FRAMES,
    SEGMENTS,
    UNKNOWN_AGE,
    check_weights,
    untrained_weights,
)
from robot_face_gen.layout import AU, BRANCH_SLICES, FACE_DIM, RX
from robot_face_gen.training.calibration import correct_rates
from robot_face_gen.training.events import find_blinks, find_nods
from robot_face_gen.training.listener_motion import choose_exemplars, event_weights, separate
from robot_face_gen.training.residual import residual_of, residual_weights

BLINK, NOD, SMILE, BROWS = range(4)
AU01, AU12, AU45 = (BRANCH_SLICES['au'].start + AU[name] for name in ('AU01', 'AU12', 'AU45'))
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
    assert [len(found) for found in apart.exemplars] == [3, 2, 0, 0]
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
    weights = untrained_weights() | event_weights(
        map(separate, [listener(), listener(nods=(300, 340, 600))])
    )
    check_weights(weights)
    for event in EVENTS:
        assert weights[f'{event.name}_shapes'].shape == (
            EXEMPLARS, event.frames, len(event.columns)
        )  # fmt: skip
    nod = weights['nod_shapes'][0][:, EVENTS[NOD].columns == PITCH]
    assert nod.max() == pytest.approx(0.12, rel=0.15)
    assert np.exp(weights['bias'][BLINK]) == pytest.approx(6 / 1500, rel=0.2)


def test_smiles_and_brow_raises_are_taken_out_but_not_the_noise():
    face, rng = listener(blinks=(), nods=()), np.random.default_rng(0)
    noise = rng.normal(0, 0.03, face.shape)
    noise[:, PITCH] = 0  # it would be nods
    hold = np.interp(np.arange(750), [300, 312, 370, 385], [0, 2, 2, 0])
    face[:, AU12] += hold
    face[:, AU01] += np.roll(1.2 * (hold > 1.9), 200)
    apart = separate(face + noise)
    assert [len(found) for found in apart.exemplars] == [0, 0, 1, 1]
    smile = apart.exemplars[SMILE][0][:, EVENTS[SMILE].columns == AU12]
    assert smile.max() == pytest.approx(2, rel=0.1) and 75 <= len(smile) <= 95
    assert abs(np.flatnonzero(apart.onset[:, SMILE])[0] - 300) < 6
    assert (apart.age[320:365, SMILE] == -1).all() and (apart.age[320:365, BROWS] >= 0).all()
    within = apart.base[310:370, AU12] - listener(blinks=(), nods=())[310:370, AU12]
    assert abs(within).max() < 0.15 and within.std() == pytest.approx(0.03, rel=0.3)


def test_the_residual_is_cut_from_what_is_left():
    rng = np.random.default_rng(0)
    left = [i + rng.normal(0, 0.1, (750, FACE_DIM)) for i in range(11)]
    left[0][:] = np.nan  # a person who was never seen
    left[1][:, PITCH] = np.nan
    residual, offset = residual_of(left)
    check_weights(untrained_weights() | residual_weights(residual, offset))
    assert residual.shape == (SEGMENTS, SEGMENT_FRAMES, FACE_DIM) and len(offset) == PEOPLE
    assert residual[..., PITCH].std() == pytest.approx(0.1, rel=0.05)
    assert abs(residual[..., PITCH].mean(axis=1)).max() < 0.1
    assert set(np.round(offset[:, PITCH + 1] / 0.15).astype(int)) == set(range(11))
    # Action units keep their level: 0 is the lowest value of everybody.
    assert residual[..., AU12].mean(axis=1).max() > 5 and not offset[:, AU12].any()
    # The network expected less of one smile, and another that did not happen: neither is a smile
    # at another time. The noise of the tracker is kept.
    wrong = np.interp(np.arange(750), [200, 225, 375, 400, 500, 525, 575, 600], [0, 3, 3, 0] * 2)
    wrong[450:] *= -1
    smiling = rng.normal(0, 0.1, (4, 750, FACE_DIM))
    smiling[..., AU12] = 0.1 + wrong + rng.normal(0, 0.05, (4, 750))
    rest = residual_of(list(smiling))[0][..., AU12]
    assert rest.max() < 0.8 and rest.min() > -0.6
    assert np.diff(rest).std() == pytest.approx(0.05 * 2**0.5, rel=0.1)
    jolted = [x.copy() for x in left[2:6]]
    jolted[0][::8, PITCH] += 3.0
    assert residual_of(jolted)[0][..., PITCH].max() < 1
    short = residual_of([left[3][:64]])[0]
    assert np.isfinite(short).all() and short[..., PITCH].std() == pytest.approx(0.1, rel=0.2)
    nobody = residual_weights(*residual_of([]))
    assert not nobody['residual'].any() and np.isfinite(nobody['components']).all()


def test_landmarks_become_the_components_that_carry_most():
    rng = np.random.default_rng(0)
    residual = rng.normal(0, 0.001, (SEGMENTS, SEGMENT_FRAMES, FACE_DIM))
    few = rng.normal(0, 1, (COMPONENTS, 136))
    residual[..., :136] += rng.normal(0, 0.1, (*residual.shape[:2], COMPONENTS)) @ few
    weights = residual_weights(residual, np.zeros((PEOPLE, FACE_DIM)))
    landmarks = weights['residual'][..., :COMPONENTS] @ weights['components']
    np.testing.assert_allclose(landmarks, residual[..., :136], atol=0.01)
    np.testing.assert_array_equal(
        weights['residual'][..., COMPONENTS:], residual[..., 136:].astype('f')
    )


def test_rates_of_events_become_those_of_real_listeners():
    model = FacialReactionModel()
    before = model.motion.bias.detach().clone()
    ours = [listener(blinks=(100, 400)), listener(blinks=(100, 400))]
    correct_rates(model, ours, [listener(blinks=(100, 200, 300, 400))])
    change = (model.motion.bias.detach() - before).exp().tolist()
    # Blinks doubled, nods were right, and what never happens stays as it is.
    assert change == pytest.approx([2, 1, 1, 1], rel=1e-5)


@pytest.mark.parametrize('kind', [SMILE, NOD])
def test_the_most_abrupt_smiles_are_no_exemplars(kind):
    event = EVENTS[kind]
    signal = event.columns == event.signal
    found = []
    for rise in (*[10] * 8, 1, 1):
        change = np.zeros((40, len(event.columns)))
        change[:, signal] = np.minimum(1.0, np.arange(40)[:, None] / rise)
        found.append(change)
    weights = choose_exemplars(event, found, np.random.default_rng(0))
    steps = np.abs(np.diff(weights[f'{event.name}_shapes'][:, :40, signal], axis=1)).max(axis=1)
    assert steps.max() == pytest.approx(1.0 if kind == NOD else 0.1)
