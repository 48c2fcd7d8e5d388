# SPDX-License-Identifier: Apache-2.0
"""Playout: converts bursts to even 25 Hz, with a small delay and without unnecessary loss."""

import numpy as np
import pytest

from robot_face_gen.pipeline.playout import Playout

MS = 1_000_000


def simulate(playout, ready_ms, step_ms=1.0):
    """Push frame i (captured at 40 i ms) at ready_ms[i]; returns (item, ms of its release)."""
    out, order = [], sorted(range(len(ready_ms)), key=lambda i: (ready_ms[i], i))
    place, end = 0, max(ready_ms) + 3000
    for now in np.arange(0, end, step_ms):
        while place < len(order) and ready_ms[order[place]] <= now:
            i = order[place]
            playout.push(i, i * 40 * MS, round(ready_ms[i] * MS))
            place += 1
        due = playout.next_due_ns
        item = playout.pop(round(now * MS))
        if item is not None:
            assert due is not None
            out.append((item, now))
    return out


def hops(count, hop, cost_ms):
    """Times in ms at which frames are answered: `cost_ms` after the last frame of a hop."""
    return [(i // hop * hop + hop - 1) * 40 + cost_ms for i in range(count)]


@pytest.mark.parametrize('hop', [1, 4, 16])
def test_bursts_are_released_evenly(hop):
    generator = np.random.default_rng(0)
    cost = 20 + 10 * generator.random(400)
    ready = [r + cost[i // hop] for i, r in enumerate(hops(400, hop, 0))]
    playout = Playout(max_delay_s=0.8)
    out = simulate(playout, ready)
    assert [item for item, _ in out] == list(range(400))
    steps = np.diff([now for _, now in out])[100:]
    assert abs(steps - 40).max() <= 10  # the cost of a hop varies by 10 ms
    assert steps.mean() == pytest.approx(40, abs=0.2)
    delays = [now - 40 * item for item, now in out][100:]
    assert max(delays) <= (hop - 1) * 40 + 30 + 5  # not later than the slowest


def test_stamps_ahead_of_the_clock_do_not_delay_reactions():
    playout = Playout()
    delays = []
    for i in range(200):
        now = 40 * i * MS
        playout.push(i, now + 500 * MS, now + 5 * MS)
        delays += [playout.next_due_ns - now]
        assert playout.pop(now + 5 * MS) == i
    assert delays == [5 * MS] * 200


def test_a_single_late_reaction_delays_the_next_ones_only_briefly():
    ready = [40 * i + 20 for i in range(300)]
    ready[100] += 150
    for i in range(101, 105):  # the worker was busy
        ready[i] = max(ready[i], ready[100])
    playout = Playout(max_delay_s=0.5)
    out = simulate(playout, ready)
    assert [item for item, _ in out] == list(range(300))
    steps = np.diff([now for _, now in out])
    assert steps.min() >= 19  # at most twice the rate
    assert out[-1][1] - 299 * 40 < 200


def test_a_stall_drops_and_counts_old_reactions_and_releases_no_burst():
    ready = [40 * i + 20 for i in range(300)]
    for i in range(100, 150):  # two seconds
        ready[i] = ready[150]
    playout = Playout(max_delay_s=0.2)
    out = simulate(playout, ready)
    items = [item for item, _ in out]
    assert len(items) + playout.dropped == 300
    assert 20 <= playout.dropped <= 40
    assert items[-100:] == list(range(200, 300))
    assert np.diff([now for _, now in out]).min() >= 19


def test_the_delay_is_bounded_and_late_reactions_are_released_immediately():
    ready = [40 * i + 300 for i in range(100)]
    playout = Playout(max_delay_s=0.1)
    out = simulate(playout, ready)
    assert playout.delay_ns == 100 * MS
    assert [item for item, _ in out] == list(range(100))
    assert max(now - 40 * item for item, now in out) <= 302


def test_the_delay_falls_slowly_when_the_model_is_fast_again():
    ready = list(np.maximum.accumulate([40 * i + (150 if i < 100 else 20) for i in range(1200)]))
    playout = Playout(max_delay_s=0.5)
    out = simulate(playout, ready)
    assert [item for item, _ in out] == list(range(1200))
    assert abs(np.diff([now for _, now in out])[5:] - 40).max() <= 2  # not visible
    assert out[-1][1] - 1199 * 40 < 40


def test_a_clock_that_jumps_back_does_not_stop_the_output():
    playout = Playout()
    for i in range(10):
        playout.push(i, (10_000 + 40 * i) * MS, (10_020 + 40 * i) * MS)
    assert playout.pop(10_020 * MS) == 0
    for i in range(10, 20):  # an hour earlier
        playout.push(i, 40 * i * MS, (40 * i + 20) * MS)
    got = [playout.pop(now * MS) for now in range(400, 2000, 5)]
    assert [item for item in got if item is not None] == list(range(1, 20))


def test_an_empty_queue_has_nothing_due():
    playout = Playout()
    assert playout.next_due_ns is None
    assert playout.pop(0) is None


def test_the_queue_is_bounded():
    playout = Playout()
    for i in range(3000):
        playout.push(i, 40 * i * MS, (40 * i + 20) * MS)
    assert len(playout) == 1000
    assert playout.dropped == 2000


def test_a_small_jump_back_of_the_clock_does_not_stop_the_output():
    playout = Playout()
    playout.push('before', 10_000 * MS, 10_020 * MS)
    assert playout.pop(10_020 * MS) == 'before'
    playout.push('after', 9_200 * MS, 9_220 * MS)  # 0.8 s earlier
    assert playout.pop(9_220 * MS) == 'after'


@pytest.mark.parametrize(
    ('count', 'late', 'delay_ms'), [(26, 2, 20), (26, 3, 90), (25, 1, 90), (24, 1, 90)]
)
def test_two_outliers_do_not_count_once_there_are_enough_reactions(count, late, delay_ms):
    playout = Playout(fall_s=1e6)
    for i in range(count):
        needed = 90 if i < late else 20
        playout.push(i, 40 * i * MS, (40 * i + needed) * MS)
    assert playout.delay_ns == delay_ms * MS


def test_only_the_newest_75_reactions_define_the_delay():
    playout = Playout(fall_s=1e6)
    for i in range(78):
        playout.push(i, 40 * i * MS, (40 * i + (90 if i < 5 else 20)) * MS)
        if i == 76:  # three of the late ones are left
            assert playout.delay_ns == 90 * MS
    assert playout.delay_ns == 20 * MS


def test_the_delay_falls_by_a_hundredth_of_a_second_per_second():
    playout = Playout(memory=1)
    playout.push(0, 0, 150 * MS)
    for i in range(1, 26):
        playout.push(i, 40 * i * MS, (40 * i + 20) * MS)
    assert playout.delay_ns == 140 * MS
