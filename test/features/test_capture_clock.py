# SPDX-License-Identifier: Apache-2.0
"""Numbers and times of captured sound from arrivals that are late by chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.features.capture_clock import CaptureClock

RATE, BLOCK, MS = 16000, 320, 1_000_000


def arrivals(late_ms, ppm=0.0, begin_ns=7_000_000_000):
    """When blocks come that are late by so much, of a card that is slow by ppm."""
    ends = 20 * MS * (1 + ppm * 1e-6) * np.arange(1, len(late_ms) + 1)
    return [begin_ns + round(end + late * MS) for end, late in zip(ends, late_ms, strict=True)]


def place(clock, times, position=0):
    placed = [clock.place(position + i * BLOCK, BLOCK, t) for i, t in enumerate(times)]
    return [first for first, _ in placed], np.array([stamp for _, stamp in placed])


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.floats(0, 60), min_size=300, max_size=300), st.sampled_from([-200.0, 0.0, 200.0])
)
def test_lateness_is_not_taken_for_time(late_ms, ppm):
    late_ms = np.array(late_ms)
    late_ms[::10] *= 0.01  # now and then one is in time
    firsts, stamps = place(CaptureClock(RATE), arrivals(late_ms, ppm))
    assert firsts == list(range(0, 300 * BLOCK, BLOCK))
    true = 7_000_000_000 + 20 * MS * (1 + ppm * 1e-6) * np.arange(300)
    assert np.abs(stamps - true)[150:].max() < 2.5 * MS
    assert np.all(np.abs(np.diff(stamps) - 20 * MS) <= 5 * MS)


def test_a_stall_that_lost_nothing_is_no_gap():
    late = np.zeros(200)
    late[100:115] = np.arange(300, 0, -20)  # 300 ms late, then all at once
    clock = CaptureClock(RATE)
    firsts, stamps = place(clock, arrivals(late))
    assert firsts[-1] == 199 * BLOCK and clock.gap_samples == 0
    assert np.all(np.abs(np.diff(stamps) - 20 * MS) < MS)


def test_sound_that_never_came_is_a_gap_in_numbers_and_stamps():
    late = np.zeros(200)
    late[100:] = 400
    clock = CaptureClock(RATE)
    firsts, stamps = place(clock, arrivals(late))
    assert clock.gap_samples == pytest.approx(0.4 * RATE, abs=RATE // 200)
    assert firsts[-1] == 199 * BLOCK + clock.gap_samples
    assert stamps[-1] == pytest.approx(7_000_000_000 + 199 * 20 * MS + 400 * MS, abs=5 * MS)
    steps = np.diff(stamps)
    (place_of_gap,) = np.flatnonzero(steps > 30 * MS)
    numbers = (firsts[place_of_gap + 1] - firsts[place_of_gap]) / RATE * 1e9
    assert steps[place_of_gap] == pytest.approx(numbers, abs=6 * MS)


@pytest.mark.parametrize(('late_ms', 'is_gap'), [(100, False), (101, True)])
def test_a_tenth_of_a_second_is_the_least_gap(late_ms, is_gap):
    late = np.zeros(400)
    late[100:] = late_ms
    clock = CaptureClock(RATE)
    _, stamps = place(clock, arrivals(late))
    assert (clock.gap_samples > 0) is is_gap
    assert stamps[-1] == pytest.approx(7_000_000_000 + 399 * 20 * MS + late_ms * MS, abs=2 * MS)


def test_a_gap_is_a_whole_number_of_samples():
    clock = CaptureClock(RATE)
    place(clock, arrivals(np.zeros(2)))
    clock.restart()
    first, stamp = clock.place(2 * BLOCK, BLOCK, 7_000_000_000 + 60 * MS + 1_000_040_000)
    assert (first, clock.gap_samples) == (2 * BLOCK + RATE, RATE)  # and 0.64 of a sample
    assert isinstance(first, int) and isinstance(stamp, int)


def test_a_device_that_was_away_shows_for_how_long():
    clock = CaptureClock(RATE)
    firsts, stamps = place(clock, arrivals(np.zeros(50)))
    clock.restart()
    away = arrivals(np.zeros(50), begin_ns=7_000_000_000 + 4_000 * MS)
    firsts2, stamps2 = place(clock, away, position=50 * BLOCK)
    assert firsts2[0] - firsts[-1] - BLOCK == 3 * RATE == clock.gap_samples
    assert stamps2[0] - stamps[-1] == 3_020 * MS
    assert np.all(np.diff(stamps2) == 20 * MS)


def test_blocks_that_nobody_read_show_in_numbers_and_stamps():
    clock, times = CaptureClock(RATE), arrivals(np.zeros(40))
    placed = [clock.place(i * BLOCK, BLOCK, times[i]) for i in (0, 1, 2, 30, 31)]
    assert [first // BLOCK for first, _ in placed] == [0, 1, 2, 30, 31]
    assert [stamp - 7_000_000_000 for _, stamp in placed] == [
        20 * MS * i for i in (0, 1, 2, 30, 31)
    ]


def test_a_first_block_that_was_late_is_made_up_for_smoothly():
    late = np.zeros(300)
    late[0] = 80
    _, stamps = place(CaptureClock(RATE), arrivals(late))
    assert stamps[-1] == pytest.approx(7_000_000_000 + 299 * 20 * MS, abs=MS)
    assert np.diff(stamps).min() >= 15 * MS
