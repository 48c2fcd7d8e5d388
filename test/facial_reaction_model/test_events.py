# SPDX-License-Identifier: Apache-2.0
"""Events as point processes with known answers, and the residual motion."""

import numpy as np
import pytest

from robot_face_gen.facial_reaction_model import events
from robot_face_gen.facial_reaction_model.events import (
    COMPONENTS,
    EVENTS,
    EXEMPLARS,
    FADE_FRAMES,
    MAX_AGE,
    SEGMENT_FRAMES,
    SEGMENTS,
    LiveMotion,
    Motion,
    _generator,
    check_weights,
    untrained_weights,
)
from robot_face_gen.layout import AU, BRANCH_SLICES, BRANCHES, RX
from robot_face_gen.timing import FRAME_RATE_HZ

BLINK, NOD = 0, 1
WINDOW = 16


def still(sessions, frames):
    return {name: np.zeros((sessions, frames, width), 'f') for name, width in BRANCHES.items()}


def logit(probability):
    return float(np.log(probability / (1 - probability)))


def run(weights, probability, frames, *, seeds=(0,), temperature=1.0, cuts=None):
    """Faces (S, frames, ...) with constant hazards of blinks, nothing else; and the sessions."""
    live = LiveMotion(Motion(weights, WINDOW), len(seeds))
    begin, parts = 0, []
    for count in cuts or [WINDOW] * (frames // WINDOW):
        logits = np.full((len(seeds), count, len(EVENTS)), -30.0, 'f')
        logits[..., BLINK] = logit(probability)
        parts.append(
            live.add(
                still(len(seeds), count), logits, range(len(seeds)), seeds,
                [begin] * len(seeds), temperature,
            )
        )  # fmt: skip
        begin += count
    return {n: np.concatenate([part[n] for part in parts], axis=1) for n in BRANCHES}, live


def onsets(face):
    """Frames (n,) in which a blink of an untrained model begins, of one face."""
    closing = face['au'][0, :, AU['AU45']]
    first = untrained_weights()['blink_shapes'][0, 0, -1]
    return np.flatnonzero((closing[:-1] == first) & (closing[1:] > first))


def test_the_rate_and_the_intervals_are_those_of_the_hazard():
    """At p a frame, an event follows the end of the last one after a geometric time."""
    weights, p = untrained_weights(), 0.05
    face, live = run(weights, p, 60_000)
    begin = onsets(face)
    frames = weights['blink_frames'][0]
    gaps = np.diff(begin) - frames
    assert len(begin) == live.state['events.number'][0, BLINK]
    assert gaps.min() >= 0  # never within another
    # A geometric distribution: mean and standard deviation are known.
    mean, std = (1 - p) / p, np.sqrt(1 - p) / p
    assert abs(gaps.mean() - mean) < 4 * std / np.sqrt(len(gaps))
    assert abs(gaps.std() / std - 1) < 0.1
    assert live.state['events.number'][0, NOD] == 0


def test_an_untrained_model_has_the_typical_rates():
    rates_per_min = 60 * FRAME_RATE_HZ * np.logaddexp(0, untrained_weights()['bias'])
    assert np.allclose(rates_per_min, (15, 10, 3, 2), rtol=0.01)


def test_what_is_drawn_has_a_generator_of_its_own(monkeypatch):
    """Events of each type and segments are independent: no two share seed, number and stream."""
    made = []

    def generator(*key):
        made.append(key)
        return _generator(*key)

    monkeypatch.setattr(events, '_generator', generator)
    motion, drawn = Motion(untrained_weights(), WINDOW), []
    for number in range(5):
        for kind in range(len(EVENTS)):
            motion.draw_event(7, kind, number, 1.0)
    drawn.append(set(made))
    made.clear()
    for window in range(5 * SEGMENT_FRAMES // WINDOW):
        motion.draw_residual(7, window)
    drawn.append(set(made))
    assert {seed for part in drawn for seed, _, _ in part} == {7}
    assert len(drawn[0]) == 5 * len(EVENTS) and not drawn[0] & drawn[1]


def test_the_table_of_ages_makes_a_refractory_time():
    weights = untrained_weights()
    weights['ages'][BLINK, :6] = -20.0  # up to 31 frames; the knot of 63 has its full rate
    begin = onsets(run(weights, 0.3, 16_000)[0])
    gaps = np.diff(begin) - weights['blink_frames'][0]
    assert gaps.min() > 31 and np.median(gaps) < 70


def test_without_temperature_the_intensity_decides():
    """An event begins where the accumulated hazard reaches 1, for every seed."""
    face, _ = run(untrained_weights(), 0.05, 3200, seeds=(1, 2), temperature=0.0)
    assert all(np.array_equal(x[0], x[1]) for x in face.values())
    begin = onsets(face)
    wait = np.ceil(1 / -np.log(1 - 0.05)) - 1
    assert begin[0] == wait
    assert np.all(np.diff(begin) == wait + untrained_weights()['blink_frames'][0])


def test_seeds_differ_and_repeat():
    one, _ = run(untrained_weights(), 0.05, 1600, seeds=(1,))
    again, _ = run(untrained_weights(), 0.05, 1600, seeds=(1,))
    other, _ = run(untrained_weights(), 0.05, 1600, seeds=(2,))
    assert np.array_equal(one['au'], again['au'])
    assert not np.array_equal(onsets(one), onsets(other))


def lively_weights():
    rng, weights = np.random.default_rng(0), untrained_weights()
    for event in EVENTS:
        weights[f'{event.name}_frames'][:] = rng.integers(3, event.frames + 1, EXEMPLARS)
        weights[f'{event.name}_shapes'][:] = rng.normal(
            0, 0.3, weights[f'{event.name}_shapes'].shape
        )
    weights['residual'] = rng.normal(0, 0.01, weights['residual'].shape).astype('f')
    weights['components'] = rng.uniform(-1, 1, weights['components'].shape).astype('f')
    weights['offset'] = rng.normal(0, 0.01, weights['offset'].shape).astype('f')
    return weights


@pytest.mark.parametrize('cuts', [[1] * 320, [7, 13, 100, 3, 197], [320]])
def test_however_it_is_cut_it_is_the_same_to_the_last_bit(cuts):
    weights = lively_weights()
    whole, one = run(weights, 0.1, 320, seeds=(3, 9))
    parts, other = run(weights, 0.1, 320, seeds=(3, 9), cuts=cuts)
    for name in BRANCHES:
        assert np.array_equal(whole[name], parts[name]), name
    for name, part in one.state.items():
        assert np.array_equal(part, other.state[name]), name
    assert one.state['events.number'][:, BLINK].min() > 3


def test_a_saved_state_continues_anywhere():
    weights = lively_weights()
    whole, _ = run(weights, 0.1, 160, seeds=(3,))
    for at in (1, 16, 77):
        _, first = run(weights, 0.1, at, seeds=(3,), cuts=[at])
        second = LiveMotion(Motion(weights, WINDOW), 1)
        second.load({name: part.copy() for name, part in first.state.items()})
        logits = np.full((1, 160 - at, len(EVENTS)), -30.0, 'f')
        logits[..., BLINK] = logit(0.1)
        rest = second.add(still(1, 160 - at), logits, [0], [3], [at], 1.0)
        for name in BRANCHES:
            assert np.array_equal(rest[name], whole[name][:, at:])


def test_an_impossible_state_is_refused():
    live = LiveMotion(Motion(untrained_weights(), WINDOW), 1)
    for name, value in (('events.shape', EXEMPLARS + 1), ('events.age', -1)):
        state = {key: part.copy() for key, part in live.state.items()}
        state[name][0, 0] = value
        with pytest.raises(ValueError, match=name):
            live.load(state)


def test_the_marks_are_drawn_from_all_exemplars():
    motion = Motion(untrained_weights(), WINDOW)
    drawn = [motion.draw_event(5, BLINK, n, 1.0) for n in range(4000)]
    thresholds, shapes = np.array(drawn).T
    assert abs(thresholds.mean() - 1) < 0.06 and abs(thresholds.std() - 1) < 0.08
    counts = np.bincount(shapes.astype(int), minlength=EXEMPLARS + 1)
    assert counts[0] == 0 and counts[1:].min() > 40
    assert motion.draw_event(5, BLINK, 7, 0.0) == (1.0, 1)
    calm = [motion.draw_event(5, BLINK, n, 0.2) for n in range(500)]
    assert np.std([threshold for threshold, _ in calm]) < 0.3
    assert np.mean([shape <= 4 for _, shape in calm]) > 0.5


def test_the_residual_is_segments_that_fade_into_each_other():
    weights, hop = untrained_weights(), SEGMENT_FRAMES - FADE_FRAMES
    # Each value names its segment, and its place in it.
    numbers = np.arange(SEGMENTS)[:, None, None] + np.arange(SEGMENT_FRAMES)[:, None] / 1000
    weights['residual'][:] = numbers
    x = run(weights, 1e-9, 15 * hop)[0]['pose'][0, :, 0].astype(np.float64).reshape(15, hop)
    segment = np.floor(x[:, -1])
    assert len(np.unique(segment)) > 10
    places = np.arange(FADE_FRAMES, hop) / 1000
    np.testing.assert_allclose(x[:, FADE_FRAMES:], segment[:, None] + places, atol=1e-4)
    np.testing.assert_allclose(x[0], segment[0] + np.arange(hop) / 1000, atol=1e-4)
    # A fade begins near the end of the last segment.
    begins = x[1:, 0] - segment[:-1] - hop / 1000
    assert abs(begins).max() < 0.1 * SEGMENTS
    assert not run(weights, 1e-9, 32, temperature=0.0)[0]['landmarks'].any()


def test_a_fade_keeps_the_power_of_motion_and_the_level_of_action_units():
    weights, hop = untrained_weights(), SEGMENT_FRAMES - FADE_FRAMES
    weights['residual'][:] = np.random.default_rng(0).normal(0, 1, weights['residual'].shape)
    weights['residual'][..., COMPONENTS : COMPONENTS + BRANCHES['au']] = 0.5
    face, _ = run(weights, 1e-9, 8 * hop, seeds=range(8))
    pose = face['pose'].reshape(8, 8, hop, -1)[:, 1:]
    middle = FADE_FRAMES // 2
    fading, alone = pose[:, :, middle - 8 : middle + 8], pose[:, :, FADE_FRAMES:]
    assert fading.std() == pytest.approx(alone.std(), rel=0.05)
    np.testing.assert_allclose(face['au'], 0.5, atol=1e-6)


def test_eyes_move_to_the_next_segment_faster_than_the_head():
    weights, hop = untrained_weights(), SEGMENT_FRAMES - FADE_FRAMES
    weights['residual'][:] = np.arange(SEGMENTS)[:, None, None]
    face = run(weights, 1e-9, 4 * hop)[0]
    gaze, head = (face[name][0, hop : hop + FADE_FRAMES, 0] for name in ('gaze', 'pose'))
    after = face['pose'][0, hop + FADE_FRAMES, 0]
    assert np.sum(gaze != after) <= 2 < 10 < np.sum(head != after)


def test_landmarks_are_the_components_times_their_part_of_the_residual():
    weights = lively_weights()
    face, _ = run(weights, 1e-9, WINDOW)
    motion = Motion(weights, WINDOW)
    segment = motion._segment(0, 0)
    expected = weights['residual'][segment, :WINDOW, :COMPONENTS] @ weights['components']
    moved = face['landmarks'][0] - face['landmarks'][0, :1]
    np.testing.assert_allclose(moved, expected - expected[:1], atol=1e-5)
    assert moved.std() > 0.01


def test_a_session_has_the_offset_of_one_person():
    weights = untrained_weights()
    weights['offset'][:] = np.arange(len(weights['offset']))[:, None]
    face, _ = run(weights, 1e-9, 320, seeds=range(40))
    offset = face['pose'][:, :, 0]
    assert (offset == offset[:, :1]).all() and len(np.unique(offset[:, 0])) > 15
    half, _ = run(weights, 1e-9, 320, seeds=range(40), temperature=0.5)
    np.testing.assert_allclose(half['pose'][:, 0, 0], offset[:, 0] / 2)


def test_action_units_stay_in_their_range():
    weights = lively_weights()
    weights['residual'] *= 100
    face, _ = run(weights, 0.1, 320)
    assert face['au'].min() >= 0 and face['au'][..., :17].max() <= 5
    assert face['au'][..., 17].max() <= 1
    assert face['pose'].min() < 0


def test_each_event_moves_its_part_of_the_face():
    live = LiveMotion(Motion(untrained_weights(), WINDOW), 1)
    logits = np.full((1, 40, len(EVENTS)), 30.0, 'f')
    face = live.add(still(1, 40), logits, [0], [0], [0], 1.0)
    assert face['pose'][0, :, RX].max() > np.radians(3)
    assert face['au'][0, :, AU['AU45']].max() > 1.5
    assert face['au'][0, :, AU['AU12']].max() > 1 and face['au'][0, :, AU['AU01']].max() > 1
    moved = [AU[name] for name in ('AU45', 'AU12', 'AU01')]
    assert not np.delete(face['au'], moved, axis=2).any()


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('bias', 31.0),
        ('ages', -40.0),
        ('nod_frames', 61.0),
        ('blink_frames', 0.0),
        ('blink_frames', 2.5),
        ('nod_shapes', 11.0),
        ('residual', 20.0),
        ('components', 1.5),
        ('offset', -20.0),
    ],
)
def test_weights_that_could_run_away_are_refused(name, value):
    weights = untrained_weights()
    check_weights(weights)
    weights[name].flat[0] = value
    with pytest.raises(ValueError, match=name):
        check_weights(weights)


def test_ages_beyond_the_table_are_those_at_its_end():
    weights = untrained_weights()
    motion = Motion(weights, WINDOW)
    live = LiveMotion(motion, 1)
    live.state['events.age'][:] = 10 * MAX_AGE
    live.add(still(1, 5), np.full((1, 5, len(EVENTS)), -30.0, 'f'), [0], [0], [0], 1.0)
    assert (live.state['events.age'] == 10 * MAX_AGE + 5).all()
    assert BRANCH_SLICES['gaze'].stop == motion.offset.shape[1]
