# SPDX-License-Identifier: Apache-2.0
"""Faults of face and voice: missing, wrong, too many, at wrong times."""

import math
import time

import numpy as np
import pytest

pytestmark = [pytest.mark.graph, pytest.mark.real_time]
JUMP = 1.5  # in units of the largest normal change: more is a twitch


MOST_WARNINGS = 6
LONGEST_GAP_MS = 400.0
LONGEST_RECOVERY_S = 3.0


def values(message, name):
    return np.array(getattr(message, name))


def with_values(**values):
    """A change of a face message: fields replaced; a callable is called with the old value."""

    def change(message):
        for name, value in values.items():
            setattr(message, name, value(message) if callable(value) else value)
        return [message]

    return change


def is_even_frame(message):
    """Changes with nearly every frame."""
    return message.header.stamp.nanosec // 40_000_000 % 2 == 0


def filled(value):
    return with_values(
        action_units=[value] * 18, pose=[value] * 4, gaze=[value] * 2, landmarks=[value] * 136
    )


def shifted(seconds):
    def change(message):
        message.header.stamp.sec += round(seconds)
        return [message]

    return change


def another_person(message):
    points = np.array(message.landmarks)
    message.landmarks = (points[::-1] * 0.6 + 150.0).astype(np.float32)
    message.pose = (np.array(message.pose) + np.array([0.2, -0.3, 0.1, 0.4])).astype(np.float32)
    return [message]


class OutOfOrder:
    """Swaps every two messages."""

    def __init__(self):
        self.held = None

    def __call__(self, message):
        if self.held is None:
            self.held = message
            return []
        pair, self.held = [message, self.held], None
        return pair


def camera(fps):
    return lambda driver: setattr(driver, 'fps', fps)


def face(change):
    return lambda driver: setattr(driver, 'change_face', change)


def sound(change):
    return lambda driver: setattr(driver, 'change_sound', change)


def both(change):
    """All stamps, as when the clock of the sensors' machine is set, or a bag starts again."""

    def do(driver):
        driver.change_face = driver.change_sound = change

    return do


def no_sound(driver):
    driver.sound = False


def nothing(driver):
    driver.fps, driver.sound = 0.0, False


class Lossy:
    """Drops every third message."""

    def __init__(self):
        self.count = 0

    def __call__(self, message):
        self.count += 1
        return [message] if self.count % 3 else []


def other_rate(message):
    message.sample_rate = 48000
    return [message]


FAULTS = {
    'no fault, for comparison': (lambda driver: None, 3.0),
    'camera stops': (camera(0.0), 2.5),
    'no face in view': (face(with_values(success=False, confidence=0.0)), 2.5),
    'success changes all the time': (
        face(with_values(success=lambda m: m.header.stamp.nanosec // 10**7 % 2 == 0)),
        2.0,
    ),
    'another person': (face(another_person), 1.5),
    'camera of 5 frames a second': (camera(5.0), 2.0),
    'camera of 240 frames a second': (camera(240.0), 2.0),
    'face of NaN': (face(filled(math.nan)), 1.0),
    'face of infinity': (face(filled(math.inf)), 1.0),
    'face of 1e30': (face(filled(1e30)), 1.0),
    'face of zeros, success': (face(filled(0.0)), 1.0),
    'every frame twice': (face(lambda message: [message, message]), 1.0),
    'frames out of order': (face(OutOfOrder()), 1.0),
    'every third frame lost': (face(Lossy()), 1.0),
    'frames stamped an hour later': (face(shifted(3600)), 1.5),
    'frames stamped an hour earlier': (face(shifted(-3600)), 1.5),
    'frames stamped 0.3 s earlier': (face(lambda m: shifted_ns(m, -300_000_000)), 1.5),
    'all stamps an hour later': (both(shifted(3600)), 2.0),
    'all stamps an hour earlier': (both(shifted(-3600)), 2.0),
    'a bag that starts again': (both(shifted(-20)), 2.0),
    'microphone stops': (no_sound, 2.5),
    'every third chunk lost': (sound(Lossy()), 2.0),
    'microphone changes its rate': (sound(other_rate), 2.0),
    'sound of NaN': (sound(with_values(samples=lambda m: [math.nan] * len(m.samples))), 1.0),
    'sound of 1e30': (sound(with_values(samples=lambda m: [1e30] * len(m.samples))), 1.0),
    'face and voice stop': (nothing, 3.0),
}


def shifted_ns(message, nanoseconds):
    total = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec + nanoseconds
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(total, 10**9)
    return [message]


# In `make test`; the others in `make test-faults`.
SHORT = (
    'camera stops',
    'another person',
    'face of NaN',
    'frames stamped an hour earlier',
    'microphone stops',
    'sound of NaN',
    'face and voice stop',
)


@pytest.mark.parametrize(
    'name',
    [name if name in SHORT else pytest.param(name, marks=pytest.mark.faults) for name in FAULTS],
)
def test_the_face_goes_on(lab, attempt, name):
    do, seconds = FAULTS[name]

    def disturb():
        size = len(lab.log_since(0))
        with lab.fault() as found:
            do(lab.driver)
            time.sleep(seconds)
        # One line for each cause: face, voice, clock.
        warnings = [line for line in lab.log_since(size).splitlines() if '[WARN]' in line]
        assert len(warnings) <= MOST_WARNINGS, warnings
        return found[0]

    attempt(lab, name, disturb, LONGEST_GAP_MS, LONGEST_RECOVERY_S)


@pytest.mark.parametrize(
    ('name', 'node', 'counter'),
    [
        ('face of infinity', 'reaction_node', 'impossible_values'),
        ('face of 1e30', 'reaction_node', 'impossible_values'),
        ('sound of NaN', 'whisper_node', 'invalid'),
        ('sound of 1e30', 'whisper_node', 'invalid'),
    ],
)
@pytest.mark.faults
def test_what_is_not_a_number_is_counted(lab, note, name, node, counter):
    def invalid():
        return int(lab.peer.values(node).get(counter, 0))

    do, _ = FAULTS[name]
    lab.peer.wait_for(lambda: node in lab.peer.statuses, f'the status of {node}')
    before = invalid()
    with lab.fault():
        do(lab.driver)
        lab.peer.wait_for(lambda: invalid() > before, 'a count')
    note(f'{name}: report', f'counted in the diagnostics of {node}')


@pytest.mark.faults
def test_a_robot_that_sees_and_hears_nothing_stays_attentive(lab, note):
    seconds = 40.0
    with lab.fault():
        nothing(lab.driver)
        time.sleep(2.0)
        begin_s = time.monotonic()
        time.sleep(seconds)
        messages = [m for _, m in lab.since(begin_s)]
    units = np.array([m.action_units for m in messages])
    turned = np.abs([m.pose[:3] for m in messages]).max()
    lids = units[:, 16]
    blinks = int(((lids[1:] > 1.0) & (lids[:-1] <= 1.0)).sum())
    others = np.delete(units, 16, axis=1)
    note(
        'nothing seen and heard for 40 s',
        f'after 2 s: {blinks} blinks; head turned at most {np.rad2deg(turned):.0f} degrees; '
        f'action units at most {others.max():.1f} of 5',
    )
    assert blinks >= 3
    assert turned < 0.5
    assert others.max() < 3.5
