# SPDX-License-Identifier: Apache-2.0
"""Stamps of trackers whose clock drifts, stops or is another one; in accelerated time."""

import heapq
import random

import numpy as np
import pytest
from faces import make_frame

from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.playout import Playout
from robot_face_gen.pipeline.speaker_session import SpeakerSession
from robot_face_gen.pipeline.stream_clock import ArrivalClock, DriftingClock
from robot_face_gen.pipeline.timeline import Timeline
from robot_face_gen.timing import EMBEDDING_NS, SECOND_NS

BEGIN = 1_800_000_000 * SECOND_NS
MS = 1_000_000
HOP = 4


def run(seconds, fps, stamp_ns):
    """A session with a correct voice and a face stamped by `stamp_ns(index)`, from its beginning.

    Returns the session, its slots after the first second, and how much the sound of each slot is
    older than its face really is, in seconds.
    """
    rng = random.Random(0)

    def late():
        return round((40 + 20 * rng.random()) * MS)

    faces = (
        (BEGIN + (captured := round(i * SECOND_NS / fps)) + late(), 0, i, captured)
        for i in range(round(seconds * fps))
    )
    hops = range(round(seconds * SECOND_NS / EMBEDDING_NS / HOP))
    voice = ((BEGIN + (i + 1) * HOP * EMBEDDING_NS + late(), 1, i, 0) for i in hops)
    session = SpeakerSession(Timeline(audio_dim=1, endless=True), Playout(), Health(lambda: 0.0))
    captured_at, slots = {}, []
    face = make_frame()
    for now_ns, is_voice, index, captured_ns in heapq.merge(faces, voice):
        if is_voice:
            stamp = session.corrected('audio', BEGIN + index * HOP * EMBEDDING_NS, now_ns)
            ends_s = (index * HOP + np.arange(1, HOP + 1)) * EMBEDDING_NS / SECOND_NS
            session.push_audio(stamp, ends_s.reshape(-1, 1), now_ns)
        else:
            stamp = session.corrected('face', BEGIN + stamp_ns(index), now_ns)
            session.stamps.arrived(stamp, now_ns)
            captured_at[stamp] = captured_ns / SECOND_NS
            session.push_face(face.__class__(**{**vars(face), 'stamp_ns': stamp}), now_ns)
        session.collect(now_ns)
        slots += session.take(session.waiting)
    slots = slots[25:]
    older = [
        captured_at[slot.source_stamp_ns] - float(slot.audio[-1, 0])
        for slot in slots
        if slot.audio_valid and slot.source_stamp_ns in captured_at
    ]
    return session, slots, np.array(older)


@pytest.mark.parametrize(
    ('seconds', 'fps', 'nominal', 'drift'),
    [
        (100, 29.4, 30, '-2.00'),
        (80, 25.6, 25, '2.40'),
        (80, 24.25, 25, '-3.00'),
        (60, 30, 30, None),
    ],
)
def test_face_and_voice_stay_together_while_the_stamps_drift(seconds, fps, nominal, drift):
    session, slots, older = run(seconds, fps, lambda i: i * SECOND_NS // nominal)
    assert len(slots) == pytest.approx(seconds * 25, abs=50)
    assert all(slot.audio_valid for slot in slots) and len({slot.epoch for slot in slots}) == 1
    assert sum(slot.face_valid for slot in slots) == len(slots)
    assert len(older) > 0.95 * len(slots)  # the others are held
    assert abs(older).max() < 0.3  # until it is known, and then:
    assert abs(older[len(older) // 2 :]).max() < 0.08
    report = session.health.report()
    values = report.values
    assert values.get('face_clock_drift_percent') == drift
    assert ('face clock' in report.faults) == (drift is not None)  # as long as it drifts
    assert values.get('clock_drifts') == (drift and '1')
    assert 'audio_clock_drift_percent' not in values


def test_a_tracker_that_does_not_count_a_pause_does_not_cost_the_voice():
    """The camera stands still for 5 s; the stamps are frame numbers."""
    begin, pause = 30 * 25, 5 * 25
    session, slots, older = run(
        90, 25, lambda i: (i if i < begin else max(begin, i - pause)) * SECOND_NS // 25
    )
    late = [slot for slot in slots if slot.stamp_ns > BEGIN + 50 * SECOND_NS]
    assert len(late) > 30 * 25 and all(slot.audio_valid and slot.face_valid for slot in late)
    assert abs(older[-30 * 25 :]).max() < 0.1
    report = session.health.report()
    assert report.values['face_clock_correction_s'].startswith('5.0')
    assert 'behind those of the audio' in report.faults['face clock'].text
    now_ns = BEGIN + 90 * SECOND_NS
    for index in range(50):  # the tracker is started again
        session.corrected('face', now_ns + index * 40 * MS, now_ns + index * 40 * MS + 50 * MS)
    assert 'face clock' not in session.health.report().faults


def test_a_voice_that_an_overloaded_encoder_delays_changes_no_clock():
    session = SpeakerSession(Timeline(audio_dim=1), Playout(), Health(lambda: 0.0))
    for index in range(300):
        now_ns = BEGIN + index * 40 * MS
        delay_ns = 2400 * MS if 100 < index < 200 else 150 * MS
        assert session.corrected('face', now_ns - 50 * MS, now_ns) == now_ns - 50 * MS
        session.stamps.arrived(now_ns - 50 * MS, now_ns)
        session.corrected('audio', now_ns - delay_ns, now_ns)
    assert session.stamps.offset_ns == 0
    assert 'clock_drifts' not in session.health.report().values


def correct(clock, begin_s, seconds, stamp_s, delay_s=0.05):
    """25 stamps a second; returns the delays after the correction."""
    delays = []
    for i in range(round(seconds * 25)):
        now_ns = BEGIN + round((begin_s + i / 25) * SECOND_NS)
        stamp_ns = BEGIN + round(stamp_s(begin_s + i / 25 - delay_s) * SECOND_NS)
        delays.append((now_ns - clock.correct(stamp_ns, now_ns)) / SECOND_NS)
    return np.array(delays)


def test_stamps_of_a_good_clock_are_not_changed():
    clock = DriftingClock()
    slow_start = correct(clock, 0, 5, lambda t: t, delay_s=0.6)
    usual = correct(clock, 5, 60, lambda t: t)
    correct(clock, 65, 2, lambda t: t, delay_s=0.5)  # an overload of two seconds
    after_a_pause = correct(clock, 90, 60, lambda t: t)
    assert np.allclose(slow_start, 0.6) and np.allclose([*usual, *after_a_pause], 0.05)
    assert not clock.drifts


@pytest.mark.parametrize('pace', [0.97, 0.99, 0.999, 1.001, 1.01, 1.03])
def test_a_drift_is_corrected_for_an_hour(pace):
    clock = DriftingClock()
    delays = correct(clock, 0, 3600, lambda t: t * pace)
    assert clock.rate == pytest.approx(1 - pace, abs=1e-4)
    assert abs(delays).max() < 0.3 and abs(delays[300 * 25 :] - 0.05).max() < 0.07


def test_a_correction_ends_when_the_tracker_is_started_again():
    clock = DriftingClock()
    drifting = correct(clock, 0, 300, lambda t: t * 0.98)
    assert clock.drifts and abs(drifting[-25:] - 0.05).max() < 0.02
    assert np.allclose(correct(clock, 300, 60, lambda t: t)[3:], 0.05)
    assert not clock.drifts and clock.correction_ns == 0


def test_a_correction_goes_on_after_a_pause_and_single_wild_stamps():
    clock = DriftingClock()
    correct(clock, 0, 100, lambda t: t * 0.98)
    wild = BEGIN + 5000 * SECOND_NS
    clock.correct(wild, BEGIN + 100 * SECOND_NS)
    delays = correct(clock, 101, 100, lambda t: t * 0.98)
    assert abs(delays - 0.05).max() < 0.02
    delays = correct(clock, 230, 100, lambda t: (t - 29) * 0.98)  # frames of a pause not counted
    assert abs(delays[3:] - 0.05).max() < 0.05


@pytest.mark.parametrize('pace', [0.97, 0.99, 0.999, 1.001, 1.01, 1.03])
def test_a_followed_tracker_gets_even_stamps_while_its_clock_drifts(pace):
    """An hour would be the same: the line remembers 30 s."""
    rng, clock, stamps, lags = random.Random(1), ArrivalClock(), [], []
    for i in range(25 * 180):
        captured_ns = BEGIN + i * 40 * MS
        now_ns = captured_ns + round((50 + 30 * rng.random()) * MS)
        stamps += clock.stamps([round(i * 40 * MS * pace)], now_ns)
        lags.append((stamps[-1] - captured_ns) / MS)
    steps = np.diff(stamps)[250:] / MS
    assert steps.min() > 20 and steps.max() < 60  # no slot of 40 ms without a frame for long
    assert np.ptp(lags[250:]) < 40
