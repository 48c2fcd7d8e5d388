# SPDX-License-Identifier: Apache-2.0
"""One speaker's queue, and the offset between the clock of the stamps and the node's clock."""

import numpy as np
import pytest
from faces import make_frame, make_frames

from robot_face_gen.layout import BRANCHES
from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.playout import Playout
from robot_face_gen.pipeline.speaker_session import LEFTOVER_FRAMES, SpeakerSession, StampClock
from robot_face_gen.pipeline.timeline import Timeline
from robot_face_gen.timing import MAX_WAIT_S, PERIOD_NS, SECOND_NS

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


MS = 1_000_000


def make_session(frames):
    """A session that has collected these frames, without sound."""
    session = SpeakerSession(Timeline(audio_dim=4), Playout(), Health())
    for frame in frames:
        session.push_face(frame, frame.stamp_ns)
    session.collect(frames[-1].stamp_ns + round(MAX_WAIT_S * SECOND_NS))
    return session


def answer(frames, value=0.0):
    return {name: np.full((len(frames), n), value, np.float32) for name, n in BRANCHES.items()}


def test_a_hop_is_answered_when_it_is_complete_or_late():
    session, now = make_session(make_frames(3, start_ns=NOW)), NOW + 3 * PERIOD_NS
    assert session.waiting == 3
    assert [session.ready(now, hop) for hop in (1, 3, 4)] == [3, 3, 0]
    # A slot's stamp is its end.
    late = NOW + PERIOD_NS // 2 + (4 + LEFTOVER_FRAMES) * PERIOD_NS
    assert session.ready(late, 4) == 0
    assert session.ready(late + 1, 4) == 3
    assert len(session.take(2)) == 2 and session.waiting == 1
    assert session.ready(now, 2) == 0 and session.ready(now, 1) == 1
    assert session.ready(now) == 1  # one frame at a time by default
    session.take(1)
    assert session.ready(now, 1) == 0


def test_a_hop_ends_with_its_session():
    session = make_session(make_frames(2, start_ns=NOW))
    first = session.take(1)
    assert not session.starts_session(first)
    for frame in make_frames(3, start_ns=NOW + 10 * SECOND_NS):  # after an interruption
        session.push_face(frame, NOW + 11 * SECOND_NS)
    session.collect(NOW + 11 * SECOND_NS)
    held = session.ready(NOW, 99)
    assert 0 < held < session.waiting  # fewer than a hop: the next session has started
    assert not session.starts_session(session.take(held))
    assert session.starts_session(session.take(1))
    assert not session.starts_session(session.take(1))
    assert session.health.report().values['session_resets'] == '1'
    session.interrupted()
    assert session.health.report().values['session_resets'] == '2'


def test_sound_reaches_the_frames():
    session = SpeakerSession(Timeline(audio_dim=4), Playout(), Health())
    data = np.ones((10, 4), np.float32)
    session.push_audio(NOW - 100 * MS, data, NOW + 100 * MS)
    session.push_face(make_frame(NOW), NOW + 100 * MS)
    session.collect(NOW + 100 * MS)
    (frame,) = session.take(1)
    assert frame.audio_valid and (frame.audio == 1.0).all()


def test_an_answer_is_released_with_its_latencies():
    session = make_session(make_frames(2, start_ns=NOW))
    frames, now = session.take(2), NOW + 50 * MS
    assert session.next_due_ns is None and session.pop(now) is None
    assert session.deliver(frames, answer(frames, 0.25), now, took_s=0.02)
    assert session.next_due_ns == NOW + 70 * MS  # ready 70 ms after the first frame
    assert session.pop(NOW + 69 * MS) is None
    first = session.pop(NOW + 75 * MS)
    assert (first.source_stamp_ns, first.ready_ns) == (NOW, NOW + 70 * MS)
    assert {name: values.shape for name, values in first.face.items()} == {
        name: (width,) for name, width in BRANCHES.items()
    }
    second = session.pop(NOW + 110 * MS)
    assert second.source_stamp_ns == NOW + PERIOD_NS
    values = session.health.report().values
    assert values['model_p50_ms'] == '20.00'
    assert values['wait_p50_ms'] == '30.00'  # 50 and 10
    assert values['playout_p50_ms'] == '22.50'  # 5 and 40
    assert values['latency_p50_ms'] == '72.50'  # 75 and 70


def test_answers_that_are_not_finite_are_refused_and_counted():
    session = make_session(make_frames(2, start_ns=NOW))
    frames = session.take(2)
    bad = answer(frames)
    bad['au'][1, 3] = np.nan
    assert not session.deliver(frames, bad, NOW, took_s=0.0)
    assert session.next_due_ns is None
    report = session.health.report()
    assert report.values['not_finite'] == '2' and 'not finite' in report.message


@pytest.mark.parametrize(('hop', 'delay_ms'), [(1, 200), (4, 320)])
def test_the_playout_allows_for_the_delay_of_a_hop(hop, delay_ms):
    session = make_session(make_frames(1, start_ns=NOW))
    session.expect_hop(99)
    session.expect_hop(hop)  # not added to the one before
    frames = session.take(1)
    session.deliver(frames, answer(frames), NOW + SECOND_NS, took_s=0.0)
    assert session.next_due_ns == NOW + delay_ms * MS


def test_reactions_that_are_too_old_are_counted():
    session = make_session(make_frames(2, start_ns=NOW))
    frames = session.take(2)
    session.deliver(frames, answer(frames), NOW, took_s=0.0)
    reaction = session.pop(NOW + 2 * SECOND_NS)
    assert reaction.source_stamp_ns == NOW + PERIOD_NS
    report = session.health.report()
    assert report.values['dropped'] == '1'
    assert '1 reactions dropped in total' in report.message


def test_times_of_another_clock_are_converted():
    """The stamps are an hour behind the node's clock."""
    hour = 3600 * SECOND_NS
    session = SpeakerSession(Timeline(audio_dim=4), Playout(), Health())
    for i in range(3):
        session.stamps.arrived(NOW + i, NOW + hour + i)
    session.push_face(make_frame(NOW), NOW + hour)
    session.collect(NOW + hour)
    frames = session.take(1)
    session.deliver(frames, answer(frames), NOW + hour, took_s=0.02)
    assert session.next_due_ns == NOW + hour + 20 * MS
    reaction = session.pop(NOW + hour + 20 * MS)
    assert (reaction.source_stamp_ns, reaction.ready_ns) == (NOW, NOW + 20 * MS)


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
