# SPDX-License-Identifier: Apache-2.0
"""A face whose reactions stop eases to a neutral one that blinks, and never jumps or freezes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.face.easing import BLINK_S, FACE_RANGE, NEUTRAL, FaceEaser
from robot_face_gen.layout import AU, BRANCH_SLICES, BRANCHES, FACE_DIM

BLINKING = np.zeros(FACE_DIM, bool)  # values that a blink moves
BLINKING[BRANCH_SLICES['au'].start + AU['AU45']] = True
BLINKING[68 + np.array([37, 38, 43, 44])] = True
SPAN = FACE_RANGE[1] - FACE_RANGE[0]
STEP_S = 0.02
# Largest slope of a smoothstep is 1.5: the share of the way in one step, with a little margin.
EASE_SHARE = 1.5 * STEP_S / 1.0 + 1e-5
RESUME_SHARE = 1.5 * STEP_S / 0.3 + 1e-5


def branches(values):
    return {name: values[columns] for name, columns in BRANCH_SLICES.items()}


def joined(face):
    values = (face.landmarks, face.action_units, face.pose, face.gaze)
    return np.concatenate([np.asarray(v, np.float64) for v in values])


def random_face(seed):
    rng = np.random.default_rng(seed)
    return FACE_RANGE[0] + rng.uniform(size=FACE_DIM) * SPAN


def blink_starts(easer, begin_s, length_s):
    closed, starts = False, []
    for step in range(round(length_s / STEP_S)):
        now = begin_s + step * STEP_S
        closed_before, closed = closed, easer.at(now).action_units[AU['AU45']] > 1.0
        if closed and not closed_before:
            starts.append(now)
    return np.array(starts)


def test_shows_the_last_reaction_while_it_is_fresh():
    easer = FaceEaser()
    easer.at(0.0)
    for step in range(50):
        wanted = random_face(step)
        easer.update(branches(wanted), 0.04 * step)
    for later_s in (0.1, 0.2, 0.29):
        face = easer.at(0.04 * 49 + later_s)
    assert face.fresh
    np.testing.assert_allclose(joined(face), wanted, rtol=1e-5, atol=1e-5)
    assert not easer.at(0.04 * 49 + 0.31).fresh


def test_starts_neutral_and_blinks_before_the_first_reaction():
    easer = FaceEaser()
    face = easer.at(100.0)
    assert not face.fresh
    np.testing.assert_allclose(joined(face), NEUTRAL, rtol=1e-6)
    assert len(blink_starts(easer, 100.0, 20.0)) >= 3


@pytest.mark.parametrize('every_s', [0.01, 0.02, 0.04, 0.09])
def test_neutral_in_time_and_without_jump(every_s):
    easer = FaceEaser()
    last = random_face(1)
    for step in range(25):
        easer.update(branches(last), 0.04 * step)
    stop_s = now = 0.96
    before = joined(easer.at(now))
    largest = 0.0
    while now < stop_s + 1.3 + every_s:
        now += every_s
        face = joined(easer.at(now))
        largest = max(largest, (np.abs(face - before) / SPAN)[~BLINKING].max())
        before = face
    np.testing.assert_allclose(before[~BLINKING], NEUTRAL[~BLINKING], atol=1e-6)
    assert 0.0 < largest <= 1.5 * every_s + 1e-5


def test_blinks_vary_and_have_the_mean_of_people():
    easer = FaceEaser(seed=3)
    starts = blink_starts(easer, 0.0, 700.0)
    intervals = np.diff(starts)
    assert 3.2 < intervals.mean() < 3.8
    assert intervals.std() > 0.8
    assert intervals.min() >= 1.0 and intervals.max() <= 8.0 + 2 * BLINK_S


def test_a_blink_closes_the_lids_and_opens_them_again():
    easer = FaceEaser()
    gaps, blinks = [], []
    for step in range(1500):
        face = easer.at(0.02 * step)
        y = face.landmarks[68:]
        gaps.append(y[41] - y[37])
        blinks.append(face.action_units[AU['AU45']])
    gaps, blinks = np.array(gaps), np.array(blinks)
    assert gaps[blinks > 3.4].max() < 0.1 * gaps.max()
    assert gaps[blinks == 0].min() > 0.99 * gaps.max()
    assert gaps.min() >= 0.0


def test_a_blink_closes_each_lid_on_the_one_below_it():
    easer = FaceEaser(timeout_s=0.1, ease_s=1000.0)  # the last face stays, but for blinks
    values = random_face(5)
    values[BRANCH_SLICES['au'].start + AU['AU45']] = 0.0
    easer.update(branches(values), 0.0)
    faces = [easer.at(0.01 * step) for step in range(1000)]
    closed = max(faces, key=lambda face: face.action_units[AU['AU45']])
    assert closed.action_units[AU['AU45']] == pytest.approx(3.5, abs=0.1)
    y = closed.landmarks[68:]
    assert y[[37, 38, 43, 44]] == pytest.approx(y[[41, 40, 47, 46]], abs=0.1)


def test_own_blinks_only_without_reactions():
    easer = FaceEaser()
    calm = NEUTRAL.copy()
    for step in range(1000):
        easer.update(branches(calm), 0.04 * step)
        assert easer.at(0.04 * step).action_units[AU['AU45']] == 0.0
    assert len(blink_starts(easer, 40.0, 5.0)) >= 1


def test_resumes_without_jump():
    easer = FaceEaser()
    now = 0.0
    for stop_s in (0.35, 0.8, 5.0):  # resumed at different moments of the transition
        wanted = random_face(round(10 * stop_s))
        before = joined(easer.at(now))
        end_s = now + 0.6
        while now < end_s:
            easer.update(branches(wanted), now)
            face = joined(easer.at(now))
            assert (np.abs(face - before) / SPAN)[~BLINKING].max() <= RESUME_SHARE
            before, now = face, now + STEP_S
        np.testing.assert_allclose(before[~BLINKING], wanted[~BLINKING], atol=1e-5)
        for _ in range(round(stop_s / STEP_S)):
            easer.at(now)
            now += STEP_S


def test_a_missing_value_eases_alone():
    easer = FaceEaser()
    whole = random_face(5)
    partial = whole.copy()
    partial[BRANCH_SLICES['pose']] = np.nan
    now = 0.0
    for step in range(100):
        now = 0.04 * step
        easer.update(branches(whole if step < 50 else partial), now)
    face = easer.at(now)
    assert face.fresh
    np.testing.assert_allclose(face.pose, NEUTRAL[BRANCH_SLICES['pose']], atol=1e-6)
    np.testing.assert_allclose(face.action_units, whole[BRANCH_SLICES['au']], rtol=1e-5, atol=1e-5)


def test_a_reaction_without_any_value_is_not_fresh():
    easer = FaceEaser()
    now = 0.0
    for step in range(100):
        now = 0.04 * step
        easer.update(branches(random_face(1) if step < 50 else np.full(FACE_DIM, np.nan)), now)
    face = easer.at(now)
    assert not face.fresh
    np.testing.assert_allclose(joined(face)[~BLINKING], NEUTRAL[~BLINKING], atol=1e-6)


def test_a_stopped_process_and_a_clock_that_jumps_do_not_make_the_face_jump():
    easer = FaceEaser()
    last = random_face(2)
    easer.update(branches(last), 0.0)
    for step in range(60):
        easer.update(branches(last), 0.02 * step)
        before = joined(easer.at(0.02 * step))
    for jump_s in (3600.0, -7200.0, 1e9):
        face = joined(easer.at(jump_s))
        assert (np.abs(face - before) / SPAN)[~BLINKING].max() <= 0.16
        before = face
    # The first reaction after the interruption is another face.
    easer = FaceEaser()
    for step in range(60):
        easer.update(branches(last), 0.02 * step)
        before = joined(easer.at(0.02 * step))
    easer.update(branches(random_face(3)), 100.0)
    face = joined(easer.at(100.0))
    assert (np.abs(face - before) / SPAN)[~BLINKING].max() <= 1e-5


@pytest.mark.parametrize(
    ('wrong', 'text'),
    [({'gaze': np.zeros(3)}, r'gaze: found \(3,\)'), ({'pose': None}, r'pose: found \(\)')],
)
def test_refuses_a_wrong_shape(wrong, text):
    with pytest.raises(ValueError, match=text):
        FaceEaser().update({**branches(NEUTRAL), **wrong}, 0.0)
    with pytest.raises(ValueError, match='au: found nothing'):
        face = branches(NEUTRAL)
        del face['au']
        FaceEaser().update(face, 0.0)


@pytest.mark.parametrize('bad', [0.0, -1.0, math.nan, math.inf])
def test_refuses_a_wrong_duration(bad):
    with pytest.raises(ValueError, match='ease_s'):
        FaceEaser(ease_s=bad)


ABSURD = st.sampled_from([math.nan, math.inf, -math.inf, 1e30, -1e30, 1e300, 0.0, 7.0, -3.0])
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just('wait'), st.integers(1, 60)),  # steps without a reaction
        st.tuples(st.just('face'), st.integers(0, 50)),  # reactions of one face, for 10 steps
        st.tuples(st.just('absurd'), ABSURD, st.sampled_from([*BRANCHES, 'all'])),
        st.tuples(st.just('twice'), st.integers(0, 50)),  # two reactions with one time
        st.tuples(st.just('clock'), st.sampled_from([-1e9, -5.0, -0.01, 0.5, 7.0, 1e6, math.nan])),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_whatever_comes(events):
    """Always finite and in range; jumps are bounded; afterwards neutral in time, and blinking."""
    easer = FaceEaser()
    now, before = 0.0, joined(easer.at(0.0))
    largest_input = 0.0  # while reactions are fresh, the face moves as they do
    newest = NEUTRAL

    def look(at_s, share):
        nonlocal before
        values = joined(easer.at(at_s))
        assert np.isfinite(values).all()
        assert (values >= FACE_RANGE[0] - 1e-6).all() and (values <= FACE_RANGE[1] + 1e-6).all()
        moved = (np.abs(values - before) / SPAN)[~BLINKING].max()
        assert moved <= share + largest_input
        before = values

    def send(values, at_s):
        nonlocal newest, largest_input
        easer.update(branches(values), at_s)
        known = np.where(np.abs(values) < 10.0, np.clip(values, *FACE_RANGE), newest)
        largest_input = (np.abs(known - newest) / SPAN).max()
        newest = known

    for kind, *what in events:
        largest_input = 0.0
        if kind == 'wait':
            for _ in range(what[0]):
                now += STEP_S
                look(now, RESUME_SHARE)
        elif kind in ('face', 'twice'):
            for _ in range(10 if kind == 'face' else 2):
                now += STEP_S * (kind == 'face')
                send(random_face(what[0]), now)
                look(now, RESUME_SHARE)
        elif kind == 'absurd':
            values = random_face(0)
            values[BRANCH_SLICES[what[1]] if what[1] != 'all' else slice(None)] = what[0]
            now += STEP_S
            send(values, now)
            look(now, RESUME_SHARE)
        else:
            look(now + what[0], 0.5 + 1e-5)  # a jump counts as 0.1 s
            now += what[0] if math.isfinite(what[0]) else 0.0
    largest_input = 0.0
    for _ in range(round(1.3 / STEP_S) + 2):
        now += STEP_S
        look(now, RESUME_SHARE)
    np.testing.assert_allclose(before[~BLINKING], NEUTRAL[~BLINKING], atol=1e-5)
    assert len(blink_starts(easer, now, 10.0)) >= 1
