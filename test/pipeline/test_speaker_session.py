# SPDX-License-Identifier: Apache-2.0
"""One speaker's queue, and the offset between the clock of the stamps and the node's clock."""

import pytest
from faces import make_frame, make_frames

from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.playout import Playout
from robot_face_gen.pipeline.speaker_session import SpeakerSession, StampClock
from robot_face_gen.pipeline.timeline import Timeline
from robot_face_gen.timing import PERIOD_NS, SECOND_NS

NOW = 1_800_000_000 * SECOND_NS


def test_overload_drops_the_oldest_frames():
    health = Health()
    speaker = SpeakerSession(Timeline(), Playout(), health, max_backlog=10)
    for frame in make_frames(12, start_ns=NOW):
        speaker.push_face(frame, NOW + SECOND_NS)
    speaker.collect(NOW + SECOND_NS)
    speaker.push_face(make_frame(NOW + 12 * PERIOD_NS), NOW + SECOND_NS)
    speaker.collect(NOW + SECOND_NS)
    waiting = speaker.take(speaker.waiting)
    assert [frame.source_stamp_ns for frame in waiting[:10]] == [
        NOW + i * PERIOD_NS for i in range(3, 13)
    ]
    report = health.report()
    assert report.values['dropped'] == '3' and '3 frames dropped in total' in report.message


def feed(clock, *behind_s):
    return [
        clock.arrived(NOW + i * PERIOD_NS - round(behind * SECOND_NS), NOW + i * PERIOD_NS)
        for i, behind in enumerate(behind_s)
    ]


@pytest.mark.parametrize('behind', [3600.0, 3.0, -3.0, 1e9])
def test_a_constant_offset_of_the_stamps_is_followed(behind):
    clock = StampClock()
    assert feed(clock, behind + 0.06, behind + 0.04, behind + 0.05) == [False, False, True]
    assert clock.offset_ns == round((behind + 0.04) * SECOND_NS)
    assert clock.time_ns(NOW) == NOW - clock.offset_ns
    assert not any(feed(clock, *[behind + 0.1, behind] * 5))
    assert feed(clock, 0.05, 0.05, 0.05)[-1] and clock.offset_ns == 0  # the clock was corrected


@pytest.mark.parametrize(
    'behind',
    [
        [0.05] * 9,
        [0.9, 0.0, -0.9] * 3,
        [0.05, 30.0, 30.0] * 5,  # a second source
        [30.0, 20.0, 10.0] * 3,  # no constant offset
    ],
)
def test_small_and_irregular_offsets_are_ignored(behind):
    clock = StampClock()
    assert not any(feed(clock, *behind)) and clock.offset_ns == 0
