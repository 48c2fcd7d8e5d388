# SPDX-License-Identifier: Apache-2.0
"""The buffers keep the order of time, drop what is double, and stay bounded."""

import numpy as np
import pytest
from faces import make_frame

from robot_face_gen.pipeline import buffers
from robot_face_gen.pipeline.buffers import Arrivals, EmbeddingBuffer, FaceBuffer, Rewinds

MS = 1_000_000
PERIOD = 20 * MS


def embeddings(*ends_ms, tolerance_ms=10):
    """A buffer, and what it said of each; the values of an embedding are its end in ms."""
    buffer = EmbeddingBuffer()
    said = [buffer.add(end * MS, np.full(3, end), tolerance_ms * MS) for end in ends_ms]
    return buffer, said


def test_an_embedding_near_another_is_a_duplicate_on_both_sides():
    assert embeddings(100, 120, 111)[1] == ['', '', 'audio_duplicates']
    assert embeddings(100, 120, 109)[1] == ['', '', 'audio_duplicates']
    assert embeddings(100, 109)[1] == embeddings(109, 100)[1] == ['', 'audio_duplicates']
    assert embeddings(100, 110, 120)[1] == [''] * 3  # just far enough


def test_a_pair_is_the_two_newest_embeddings_that_end_by_a_time():
    buffer, _ = embeddings(140, 100, 120)  # in any order
    assert (buffer.first_ns, buffer.last_ns, len(buffer)) == (100 * MS, 140 * MS, 3)
    assert buffer.pair(140 * MS, PERIOD).tolist() == [[120] * 3, [140] * 3]
    assert buffer.pair(140 * MS - 1, PERIOD).tolist() == [[100] * 3, [120] * 3]
    assert buffer.pair(160 * MS - 1, PERIOD) is not None
    assert buffer.pair(160 * MS, PERIOD) is None  # the one that ends now is missing
    assert buffer.pair(120 * MS - 1, PERIOD) is None  # only one


@pytest.mark.parametrize(('second_ms', 'found'), [(130, True), (131, False)])
def test_a_pair_has_no_gap(second_ms, found):
    buffer, _ = embeddings(100, second_ms)
    assert (buffer.pair(second_ms * MS, PERIOD) is not None) is found


def test_embeddings_that_are_reached_and_forgotten():
    buffer, _ = embeddings(100, 120, 140)
    assert buffer.reaches(160 * MS - 1, PERIOD) and not buffer.reaches(160 * MS, PERIOD)
    assert buffer.first_from(120 * MS) == 120 * MS
    assert buffer.first_from(140 * MS + 1) is None
    buffer.forget(120 * MS)  # this one stays
    assert (buffer.first_ns, len(buffer)) == (120 * MS, 2)
    buffer.clear()
    assert (buffer.first_ns, buffer.last_ns, len(buffer)) == (None, None, 0)
    assert not buffer.reaches(0, PERIOD)


def test_faces_are_sorted_and_taken_up_to_a_time():
    buffer = FaceBuffer()
    said = [buffer.add(make_frame(stamp)) for stamp in (80, 0, 40, 40, 120)]
    assert said == ['', '', '', 'duplicates', '']
    assert (buffer.first_ns, buffer.last_ns, len(buffer)) == (0, 120, 4)
    assert [frame.stamp_ns for frame in buffer.until(80)] == [0, 40, 80]
    assert (buffer.first_ns, buffer.last_ns, len(buffer)) == (120, 120, 1)
    buffer.clear()
    assert (buffer.first_ns, buffer.last_ns, buffer.until(1000)) == (None, None, [])


def test_the_oldest_are_dropped_from_full_buffers(monkeypatch):
    monkeypatch.setattr(buffers, 'MAX_FACES', 2)
    monkeypatch.setattr(buffers, 'MAX_EMBEDDINGS', 2)
    faces = FaceBuffer()
    assert [faces.add(make_frame(stamp)) for stamp in (0, 40, 80)] == ['', '', 'overflows']
    assert [frame.stamp_ns for frame in faces.until(80)] == [40, 80]
    sound, _ = embeddings(100, 120, 140)
    assert sound.pair(140 * MS, PERIOD).tolist() == [[120] * 3, [140] * 3]
    assert len(sound) == 2


def test_full_buffers_hold_a_minute():
    assert (buffers.MAX_FACES, buffers.MAX_EMBEDDINGS) == (1500, 3000)


def test_a_stream_is_alive_while_it_arrives_in_time():
    arrivals = Arrivals()
    assert arrivals.never and not arrivals.alive(0) and arrivals.usual_delay_ns() == 0
    arrivals.arrived(1000 * MS, 1030 * MS)
    assert not arrivals.never
    assert arrivals.alive(1030 * MS) and arrivals.alive(2030 * MS)
    assert not arrivals.alive(2030 * MS + 1)
    assert not arrivals.alive(1029 * MS)  # the clock went back
    arrivals.arrived(1000 * MS, 3000 * MS)
    assert arrivals.alive(3000 * MS)
    arrivals.arrived(1000 * MS, 3000 * MS + 1)  # more than 2 s: stamps of another clock
    assert not arrivals.alive(3000 * MS + 1)


def test_the_usual_delay_is_the_90th_percentile_of_the_newest():
    arrivals = Arrivals()
    for delay in range(50):
        arrivals.arrived(0, delay * MS)
    assert arrivals.usual_delay_ns() == 44 * MS
    for _ in range(50):
        arrivals.arrived(0, 7 * MS)
    assert arrivals.usual_delay_ns() == 7 * MS
    for number in range(50):
        arrivals.arrived(number * 40 * MS, (number * 40 + 1500) * MS)
    assert arrivals.usual_delay_ns() == 1000 * MS


def test_the_end_of_an_interruption_is_not_the_usual_delay():
    arrivals = Arrivals()
    for number in range(50):
        arrivals.arrived(number * 80 * MS, (number * 80 + 30) * MS)
    for number in range(50, 62):  # what was sent during 0.96 s comes in 0.12 s
        arrivals.arrived(number * 80 * MS, (62 * 80 + (number - 50) * 10) * MS)
    for number in range(62, 66):
        arrivals.arrived(number * 80 * MS, (number * 80 + 130) * MS)
    assert arrivals.usual_delay_ns() == 30 * MS
    for number in range(66, 80):  # a usual delay that has become longer
        arrivals.arrived(number * 80 * MS, (number * 80 + 90) * MS)
    assert arrivals.usual_delay_ns() == 90 * MS


def test_three_old_frames_in_order_are_a_jump_of_the_clock():
    rewinds, frames = Rewinds(), [make_frame(stamp) for stamp in (0, 40, 80)]
    assert [rewinds.add(frame) for frame in frames] == [([], 0), ([], 0), (frames, 0)]
    # Nothing is left of them.
    assert rewinds.give_up() == 0
    assert rewinds.add(frames[1]) == ([], 0)
    assert rewinds.add(frames[1]) == ([], 1)  # not in order: single
    assert rewinds.add(frames[0]) == ([], 1)
    assert rewinds.add(frames[1]) == ([], 0)
    assert rewinds.give_up() == 2
