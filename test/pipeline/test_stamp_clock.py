# SPDX-License-Identifier: Apache-2.0
"""How far the stamps that come are from the node's own clock."""

import pytest

from robot_face_gen.pipeline.stamp_clock import StampClock

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND


def feed(clock, *behind_s):
    return [
        clock.arrived(NOW + i * 40_000_000 - round(behind * SECOND), NOW + i * 40_000_000)
        for i, behind in enumerate(behind_s)
    ]


@pytest.mark.parametrize('behind', [3600.0, 3.0, -3.0, 1e9])
def test_sources_with_a_clock_of_their_own_are_followed(behind):
    clock = StampClock()
    assert feed(clock, behind + 0.06, behind + 0.04, behind + 0.05) == [False, False, True]
    assert clock.offset_ns == round((behind + 0.04) * SECOND)
    assert clock.time_ns(NOW) == NOW - clock.offset_ns
    assert not any(feed(clock, *[behind + 0.1, behind] * 5))
    assert feed(clock, 0.05, 0.05, 0.05)[-1] and clock.offset_ns == 0  # set right again


@pytest.mark.parametrize(
    'behind',
    [
        [0.05] * 9,
        [0.9, 0.0, -0.9] * 3,
        [0.05, 30.0, 30.0] * 5,  # another source in between
        [30.0, 20.0, 10.0] * 3,  # no clock at all
    ],
)
def test_other_stamps_change_nothing(behind):
    clock = StampClock()
    assert not any(feed(clock, *behind)) and clock.offset_ns == 0
