# SPDX-License-Identifier: Apache-2.0
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.pipeline.inbox import Inbox


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0.1, 3.0), max_size=30), st.floats(1.0, 8.0))
def test_keeps_the_newest_items_and_counts_the_dropped_ones(weights, limit):
    inbox = Inbox(limit)
    dropped = sum(inbox.put(number, weight) for number, weight in enumerate(weights))
    kept = inbox.take_all(0.0)
    assert kept == list(range(dropped, len(weights)))
    assert sum(weights[dropped:]) <= limit + 1e-6 or len(kept) == 1
    assert inbox.take_all(0.0) == []


def test_an_emptied_inbox_accepts_items_again():
    inbox = Inbox(2.0)
    for _ in range(5):
        assert inbox.put('a') == inbox.put('b') == 0
        assert inbox.take_all(0.0) == ['a', 'b']


def test_wakes_a_waiting_thread():
    inbox = Inbox(4)
    taken = []
    waiter = threading.Thread(target=lambda: taken.extend(inbox.take_all(30.0)))
    waiter.start()
    inbox.put('a')
    waiter.join(10.0)
    assert not waiter.is_alive() and taken == ['a']
