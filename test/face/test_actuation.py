# SPDX-License-Identifier: Apache-2.0
"""Commands respect all limits whatever comes in; the watchdog, stop and enable."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from robot_face_gen.face.actuation import (
    DISABLED,
    EASED,
    FRESH,
    GAP_S,
    STOPPED,
    WAITING,
    FaceActuation,
)
from robot_face_gen.face.actuator_file import read_actuators
from robot_face_gen.face.easing import NEUTRAL
from robot_face_gen.face.limits import MotionLimiter
from robot_face_gen.layout import AU, BRANCH_SLICES, BRANCHES

CONFIG = Path(__file__).resolve().parents[2] / 'config'
HEAD = read_actuators(CONFIG / 'actuators.yaml')
LIMITS = HEAD.limits
PERIOD_S = 0.02
LIDS = [HEAD.names.index('lid_upper_left'), HEAD.names.index('lid_upper_right')]


def face(**values):
    """The attentive neutral face with other values: face(AU12=3.0, pose=(...))."""
    branches = {name: NEUTRAL[columns].copy() for name, columns in BRANCH_SLICES.items()}
    for name, value in values.items():
        if name in AU:
            branches['au'][AU[name]] = value
        else:
            branches[name] = np.asarray(value, np.float64)
    return branches


SMILE = face(AU12=4.0, AU01=3.0, pose=(0.3, 0.4, 0.0, 0.6))
numbers = st.one_of(
    st.floats(-2.0, 2.0), st.sampled_from([math.nan, math.inf, -math.inf, 1e30, -5.0, 5.0])
)
events = st.one_of(
    st.tuples(st.just('tick'), st.integers(1, 30)),
    st.tuples(st.just('react'), st.integers(0, 2**32 - 1), numbers),
    st.tuples(st.just('stop'), st.booleans()),
    st.tuples(st.just('enable'), st.booleans()),
    st.tuples(st.just('measure'), st.floats(0.0, 1.0)),
    st.tuples(
        st.just('jump'),
        st.one_of(st.floats(-100.0, 100.0), st.floats(0.0, 0.1), st.just(math.nan)),
    ),
)


def random_face(seed, odd):
    """A face with any values; one of them is `odd`."""
    rng = np.random.default_rng(seed)
    values = {name: rng.normal(0.0, 2.0, width) for name, width in BRANCHES.items()}
    branch = values[rng.choice(list(BRANCHES))]
    branch[rng.integers(len(branch))] = odd
    return values


class Motors:
    """What motors experience of commands: checks each against the one before."""

    def __init__(self):
        self.last = None
        self.velocity = np.zeros(len(HEAD.names))

    def receive(self, command, *, rested=False):
        assert np.isfinite(command.position).all() and np.isfinite(command.velocity).all()
        assert (command.position >= LIMITS.low - 1e-9).all()
        assert (command.position <= LIMITS.high + 1e-9).all()
        if rested:
            self.velocity = np.zeros(len(HEAD.names))
        if self.last is not None:
            step = np.abs(command.position - self.last)
            assert (step <= LIMITS.max_speed * PERIOD_S + 1e-9).all()
            change = np.abs(command.velocity - self.velocity)
            assert (change <= LIMITS.max_acceleration * PERIOD_S + 1e-9).all()
        self.last, self.velocity = command.position, command.velocity


@settings(max_examples=150, deadline=None)
@example(
    [('measure', 0.0), ('tick', 1), ('jump', math.nan), ('jump', math.nan), ('tick', 1)],
    True,
    True,
)
@given(st.lists(events, min_size=1, max_size=40), st.booleans(), st.booleans())
def test_no_order_of_events_breaks_a_limit(happenings, enabled, wait_for_joints):
    actuation = FaceActuation(HEAD, enabled=enabled, wait_for_joints=wait_for_joints)
    motors, now_s, last_s, before = Motors(), 100.0, math.nan, None
    for kind, *values in happenings:
        if kind == 'react':
            actuation.react(random_face(*values), now_s)
        elif kind == 'stop':
            actuation.stop(*values)
        elif kind == 'enable':
            actuation.enable(*values)
        elif kind == 'measure':
            actuation.measure(LIMITS.low + values[0] * (LIMITS.high - LIMITS.low))
        elif kind == 'jump' and not math.isnan(values[0]):
            now_s += values[0]
        count = values[0] if kind == 'tick' else 0
        times = [now_s := now_s + PERIOD_S for _ in range(count)]
        if kind == 'jump' and math.isnan(values[0]):
            times = [math.nan]  # once without a time
            now_s = now_s if math.isnan(last_s) else last_s
        for time_s in times:
            command = actuation.tick(time_s)
            if command is before:
                continue
            if command.is_published:
                motors.receive(command, rested=time_s - last_s > GAP_S)
            else:  # the joints may be anywhere when the commands come back
                assert command.state in (DISABLED, STOPPED, WAITING)
                assert not command.velocity.any()
                motors = Motors()
            # It goes on by one period where it is told none.
            last_s, before = last_s + PERIOD_S if math.isnan(time_s) else time_s, command


def ticks(actuation, count, now_s, **faces):
    """Call tick `count` times, with a reaction each 40 ms if one is given; all commands."""
    commands = []
    for index in range(count):
        now_s += PERIOD_S
        if 'reaction' in faces and index % 2 == 0:
            actuation.react(faces['reaction'], now_s)
        commands.append(actuation.tick(now_s))
    return commands, now_s


def test_it_starts_at_the_neutral_position_and_follows_the_face():
    actuation = FaceActuation(HEAD)
    commands, _ = ticks(actuation, 100, 0.0, reaction=SMILE)
    # The first command is at most one period away from rest.
    assert np.abs(commands[0].velocity).max() <= (LIMITS.max_acceleration * PERIOD_S).max()
    assert np.abs(commands[0].position - HEAD.neutral).max() <= 0.04
    assert {command.state for command in commands[1:]} == {FRESH}
    at = dict(zip(HEAD.names, commands[-1].position, strict=True))
    assert at['neck_tilt'] == pytest.approx(0.3, abs=1e-3)
    assert at['neck_pan'] == pytest.approx(-0.4, abs=1e-3)
    assert at['lip_corner_left'] == pytest.approx(4.0 * 0.12, abs=1e-3)


def test_without_reactions_it_is_neutral_within_a_second_and_blinks_on():
    actuation = FaceActuation(HEAD)
    _, now_s = ticks(actuation, 100, 0.0, reaction=SMILE)
    commands, now_s = ticks(actuation, round(1.3 / PERIOD_S), now_s)
    assert commands[0].state == FRESH and commands[-1].state == EASED
    others = np.ones(len(HEAD.names), bool)
    others[LIDS] = False
    neutral = HEAD.targets(commands[-1].face)
    np.testing.assert_allclose(commands[-1].position[others], neutral[others], atol=0.02)
    commands, _ = ticks(actuation, round(20.0 / PERIOD_S), now_s)
    lids = np.array([command.position[LIDS[0]] for command in commands])
    closed = lids < LIMITS.low[LIDS[0]] + 0.1
    assert np.count_nonzero(np.diff(closed.astype(int)) == 1) >= 3
    lid = HEAD.limits.high[LIDS[0]]
    assert lids.max() <= lid and np.ptp(lids) > 0.5


def test_stop_brakes_holds_and_has_priority():
    actuation = FaceActuation(HEAD)
    ticks(actuation, 5, 0.0, reaction=SMILE)
    actuation.stop(True)
    commands, now_s = ticks(actuation, 60, 0.1, reaction=SMILE)
    assert all(command.state == STOPPED and command.is_published for command in commands)
    held = commands[-1].position
    assert not commands[-1].velocity.any()
    np.testing.assert_array_equal(commands[-20].position, held)
    # Shorter than the full move: it did brake.
    assert (np.abs(held - HEAD.neutral) < np.abs(HEAD.targets(commands[-1].face))).any()
    actuation.enable(False)
    actuation.enable(True)
    commands, now_s = ticks(actuation, 20, now_s, reaction=SMILE)
    assert {command.state for command in commands} == {STOPPED}
    np.testing.assert_array_equal(commands[-1].position, held)
    actuation.stop(False)
    commands, _ = ticks(actuation, 100, now_s, reaction=SMILE)
    assert commands[-1].state == FRESH
    assert np.abs(commands[-1].position - held).max() > 0.1


def test_disabled_it_brakes_then_sends_nothing_and_goes_on_from_there():
    actuation = FaceActuation(HEAD)
    _, now_s = ticks(actuation, 5, 0.0, reaction=SMILE)
    actuation.enable(False)
    commands, now_s = ticks(actuation, 60, now_s, reaction=SMILE)
    published = [command.is_published for command in commands]
    assert published[0] and not published[-1]
    assert published == sorted(published, reverse=True)
    assert {command.state for command in commands} == {DISABLED}
    held = commands[-1].position
    actuation.enable(True)
    commands, _ = ticks(actuation, 2, now_s, reaction=SMILE)
    assert commands[0].is_published
    assert (np.abs(commands[0].position - held) <= LIMITS.max_speed * PERIOD_S).all()


def test_it_starts_disabled_if_asked_to():
    commands, _ = ticks(FaceActuation(HEAD, enabled=False), 10, 0.0, reaction=SMILE)
    assert not any(command.is_published for command in commands)


def test_it_starts_from_the_measured_positions():
    actuation = FaceActuation(HEAD, wait_for_joints=True)
    commands, now_s = ticks(actuation, 10, 0.0, reaction=SMILE)
    assert {command.state for command in commands} == {WAITING}
    assert not any(command.is_published for command in commands)
    actuation.measure(np.full(len(HEAD.names), math.nan))  # no position at all
    commands, now_s = ticks(actuation, 1, now_s, reaction=SMILE)
    assert commands[0].state == WAITING
    measured = LIMITS.low + 0.25 * (LIMITS.high - LIMITS.low)
    actuation.measure(measured)
    commands, now_s = ticks(actuation, 1, now_s, reaction=SMILE)
    assert commands[0].is_published
    assert (np.abs(commands[0].position - measured) <= LIMITS.max_speed * PERIOD_S).all()
    # While it was disabled, somebody moved the joints: only a new measurement counts.
    actuation.enable(False)
    _, now_s = ticks(actuation, 60, now_s)
    actuation.enable(True)
    commands, now_s = ticks(actuation, 5, now_s)
    assert {command.state for command in commands} == {WAITING}
    actuation.measure(HEAD.neutral)
    commands, _ = ticks(actuation, 1, now_s)
    assert (np.abs(commands[0].position - HEAD.neutral) <= LIMITS.max_speed * PERIOD_S).all()


def test_after_an_interruption_it_starts_from_rest():
    actuation = FaceActuation(HEAD)
    commands, now_s = ticks(actuation, 5, 0.0, reaction=SMILE)
    assert np.abs(commands[-1].velocity).max() > 1.0
    resumed, _ = ticks(actuation, 1, now_s + 5.0, reaction=SMILE)
    assert actuation.counters['gaps'] == 1
    limit = LIMITS.max_acceleration * PERIOD_S * PERIOD_S
    assert (np.abs(resumed[0].position - commands[-1].position) <= limit).all()


def test_an_early_call_gets_the_last_command():
    actuation = FaceActuation(HEAD)
    first = actuation.tick(1.0)
    assert actuation.tick(1.005) is first
    assert actuation.tick(1.02) is not first


@pytest.mark.parametrize(('rate_hz', 'averaged'), [(10.0, 1), (25.0, 1), (50.0, 2), (100.0, 4)])
def test_the_target_is_the_mean_over_a_frame(rate_hz, averaged):
    period_s, wanted = 1.0 / rate_hz, []
    actuation = FaceActuation(HEAD, rate_hz=rate_hz)
    reference = MotionLimiter(LIMITS, period_s, HEAD.neutral)
    for index in range(30):
        actuation.react(SMILE, index * period_s)
        command = actuation.tick(index * period_s)
        wanted.append(HEAD.targets(command.face))
        reference.step(np.mean(wanted[-averaged:], axis=0))
        np.testing.assert_allclose(command.position, reference.position, atol=1e-9)
