# SPDX-License-Identifier: Apache-2.0
"""The limits of the motion, for any limits and any targets."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.face.limits import MotionLimiter, MotionLimits

ROUNDING = 1e-9
positive = st.floats(0.01, 100.0)
anything = st.one_of(
    st.floats(-3.0, 3.0), st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, 1e300])
)


@st.composite
def motions(draw):
    """Limits, period, start and targets (None: brake) of two actuators."""
    low = np.array([draw(st.floats(-2.0, 1.0)) for _ in range(2)])
    span = np.array([draw(st.floats(0.001, 3.0)) for _ in range(2)])
    speed, acceleration = (np.array([draw(positive) for _ in range(2)]) for _ in range(2))
    jerk = np.array([draw(st.one_of(st.just(math.inf), st.floats(10.0, 1e4))) for _ in range(2)])
    period_s = draw(st.sampled_from([0.01, 0.02, 0.04, 0.1]))
    jerk = np.maximum(jerk, 2.0 * acceleration / min(period_s * 40, 1.99))
    start = low + span * draw(st.floats(0.0, 1.0))
    held = st.tuples(
        st.one_of(st.none(), st.tuples(anything, anything)), st.integers(1, 30)
    )  # a target and for how many periods
    targets = draw(st.lists(held, min_size=1, max_size=20))
    limits = MotionLimits(low, low + span, speed, acceleration, jerk)
    return limits, period_s, start, targets


def run(limits, period_s, start, targets):
    """All commands: positions and velocities, the start included."""
    limiter = MotionLimiter(limits, period_s, start)
    commands = [(limiter.position, limiter.velocity)]
    for target, count in targets:
        for _ in range(count):
            limiter.step(None if target is None else np.array(target))
            commands.append((limiter.position, limiter.velocity))
    return limiter, *map(np.array, zip(*commands, strict=True))


def check(limits, period_s, positions, velocities):
    """The limits hold at and between all commands, and the motion is continuous."""
    assert np.isfinite(positions).all() and np.isfinite(velocities).all()
    assert (positions >= limits.low - ROUNDING).all()
    assert (positions <= limits.high + ROUNDING).all()
    assert (np.abs(velocities) <= limits.max_speed * (1.0 + ROUNDING)).all()
    means = (velocities[1:] + velocities[:-1]) / 2.0
    np.testing.assert_allclose(np.diff(positions, axis=0), means * period_s, atol=ROUNDING)
    accelerations = np.diff(velocities, axis=0) / period_s
    assert (np.abs(accelerations) <= limits.max_acceleration * (1.0 + 1e-6) + ROUNDING).all()
    jerks = np.diff(accelerations, axis=0, prepend=np.zeros((1, 2))) / period_s
    assert (np.abs(jerks) <= limits.max_jerk * (1.0 + 1e-6) + 1e-6).all()
    # Where it turns within a period: the extreme position between two commands.
    before, after = velocities[:-1], velocities[1:]
    turns = before * after < 0.0
    with np.errstate(divide='ignore', invalid='ignore'):
        extremes = positions[:-1] + np.where(turns, before**2 / (2.0 * -accelerations), 0.0)
    assert (extremes >= limits.low - 1e-6).all() and (extremes <= limits.high + 1e-6).all()


@settings(max_examples=150, deadline=None)
@given(motions())
def test_no_input_breaks_a_limit(motion):
    limits, period_s, *_ = motion
    limiter, positions, velocities = run(*motion)
    check(limits, period_s, positions, velocities)
    # From any command, braking keeps all limits too, and ends at rest.
    more_positions, more_velocities = limiter.braking()
    if len(more_positions):
        assert not more_velocities[-1].any()
        check(
            limits,
            period_s,
            np.concatenate((positions, more_positions)),
            np.concatenate((velocities, more_velocities)),
        )
    # It is what the limiter does if it is told to.
    for position, velocity in zip(more_positions, more_velocities, strict=True):
        limiter.step(None)
        np.testing.assert_allclose(limiter.position, position, atol=1e-6)
        np.testing.assert_allclose(limiter.velocity, velocity, atol=1e-6)
    assert limiter.at_rest


@settings(max_examples=50, deadline=None)
@given(motions(), st.floats(0.0, 1.0))
def test_a_constant_target_is_reached_without_overshoot(motion, share):
    limits, period_s, start, _ = motion
    target = limits.low + share * (limits.high - limits.low)
    way = np.abs(target - start)
    # The time at the limits: accelerate, cruise, brake, and the moving average.
    time_s = way / limits.max_speed + 2.0 * limits.max_speed / limits.max_acceleration
    time_s = np.maximum(time_s, 2.0 * np.sqrt(way / limits.max_acceleration)).max()
    count = math.ceil(time_s / period_s) + limits.average_counts(period_s).max() + 5
    _, positions, _ = run(limits, period_s, start, [(target, min(count, 3000))])
    if count <= 3000:
        np.testing.assert_allclose(positions[-1], target, atol=1e-6)
    passed = (positions - target) * np.sign(target - start)
    assert (passed <= 1e-6).all()


def one(**changed):
    """Limits of one actuator."""
    values = {'low': -1.0, 'high': 1.0, 'max_speed': 2.0, 'max_acceleration': 20.0}
    values = {**values, 'max_jerk': math.inf, **changed}
    return MotionLimits(*(np.array([values[name]]) for name in MotionLimits.__annotations__))


def test_a_ramp_is_followed_with_its_speed():
    """No stop at each target: targets are followed like the samples of a motion."""
    limiter = MotionLimiter(one(), 0.02, np.zeros(1))
    speeds = []
    for index in range(50):
        limiter.step(np.array([0.5 * index * 0.02]))
        speeds.append(limiter.velocity[0])
    np.testing.assert_allclose(speeds[10:], 0.5, atol=1e-6)


def test_a_start_outside_of_the_limits_is_left_slowly_and_never_entered_again():
    limits = one()
    limiter = MotionLimiter(limits, 0.02, np.array([1.5]))
    positions = [limiter.position[0]]
    for _ in range(100):
        limiter.step(np.array([5.0]))
        positions.append(limiter.position[0])
        assert abs(limiter.velocity[0]) <= 2.0
    assert (np.diff(positions) <= ROUNDING).all()
    assert positions[-1] == pytest.approx(1.0)


def test_what_was_limited_is_counted():
    limiter = MotionLimiter(one(), 0.02, np.zeros(1))
    limiter.step(np.array([7.0]))
    assert dict(limiter.counters) == {
        'limited_position': 1,
        'limited_speed': 1,
        'limited_acceleration': 0,
    }
    limiter.step(np.array([-0.01]))
    assert limiter.counters['limited_acceleration'] == 1
    quiet = MotionLimiter(one(), 0.02, np.zeros(1))
    quiet.step(np.array([0.001]))
    quiet.step(None)
    assert not any(quiet.counters.values())


def test_a_start_must_be_finite():
    with pytest.raises(ValueError, match='finite'):
        MotionLimiter(one(), 0.02, np.array([math.nan]))


@pytest.mark.parametrize(
    'changed',
    [
        {'low': 2.0},
        {'high': math.nan},
        {'high': math.inf},
        {'max_speed': 0.0},
        {'max_speed': math.inf},
        {'max_acceleration': 1e-300},
        {'max_acceleration': math.nan},
        {'max_jerk': 1.0},
        {'max_jerk': math.nan},
    ],
)
def test_limits_must_be_possible(changed):
    with pytest.raises(ValueError, match='expected'):
        one(**changed)
