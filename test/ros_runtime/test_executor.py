"""Executors: timers, guard conditions, coroutines, threads, and how spinning ends."""

import threading
import time

import pytest
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.exceptions import InvalidHandle, ROSInterruptException
from rclpy.executors import (
    ExternalShutdownException,
    MultiThreadedExecutor,
    SingleThreadedExecutor,
)
from rclpy.task import Future
from std_msgs.msg import String

pytestmark = pytest.mark.graph


@pytest.fixture
def executor(context):
    executor = SingleThreadedExecutor(context=context)
    yield executor
    executor.shutdown()


def test_timer_calls_at_even_intervals(make_node, executor):
    node, calls = make_node(), []
    executor.add_node(node)
    timer = node.create_timer(0.02, lambda: calls.append(time.monotonic()))
    begin = time.monotonic()
    while len(calls) < 10:
        executor.spin_once(timeout_sec=1.0)
    # By the clock, not by the calls: lateness does not add up.
    assert 0.19 < calls[-1] - begin < 1.0
    timer.cancel()
    assert timer.is_canceled() and timer.time_until_next_call() is None
    executor.spin_once(timeout_sec=0.05)
    assert len(calls) == 10
    timer.reset()
    executor.spin_once(timeout_sec=1.0)
    assert len(calls) == 11
    node.destroy_timer(timer)
    with pytest.raises(InvalidHandle):
        timer.reset()


def test_missed_calls_are_left_out(make_node, executor):
    node, calls = make_node(), []
    executor.add_node(node)
    node.create_timer(0.01, lambda: calls.append(time.monotonic()))
    executor.spin_once(timeout_sec=1.0)
    limit = time.monotonic() + 0.1
    while time.monotonic() < limit:
        pass
    for _ in range(3):
        executor.spin_once(timeout_sec=1.0)
    # One is late, the rest wait for their time: no burst of ten.
    assert calls[3] - calls[1] > 0.005


def test_wait_ends_at_the_time_limit(make_node, executor):
    executor.add_node(make_node())
    begin = time.monotonic()
    executor.spin_once(timeout_sec=0.1)
    assert 0.09 < time.monotonic() - begin < 2.0
    executor.spin_once(timeout_sec=0.0)


def test_waiting_takes_no_processor_time(make_node, executor):
    executor.add_node(make_node())
    executor.spin_once(timeout_sec=0.1)
    begin = time.process_time()
    executor.spin_once(timeout_sec=1.0)
    assert time.process_time() - begin < 0.1


def test_guard_condition_wakes_from_another_thread(make_node, executor):
    node, seen = make_node(), []
    executor.add_node(node)
    guard = node.create_guard_condition(lambda: seen.append(threading.current_thread()))
    thread = threading.Timer(0.05, guard.trigger)
    thread.start()
    while not seen:
        executor.spin_once(timeout_sec=5.0)
    thread.join()
    assert seen == [threading.current_thread()]
    executor.spin_once(timeout_sec=0.0)
    assert len(seen) == 1


def test_what_is_made_while_it_waits_is_cared_for(make_node, executor):
    node, seen = make_node(), []
    executor.add_node(node)
    thread = threading.Timer(0.05, lambda: node.create_timer(0.01, lambda: seen.append(1)))
    thread.start()
    begin = time.monotonic()
    while not seen and time.monotonic() - begin < 10.0:
        executor.spin_once(timeout_sec=10.0)
    thread.join()
    assert seen and time.monotonic() - begin < 8.0


def test_task_and_future(make_node, executor):
    executor.add_node(make_node())
    first = executor.create_task(lambda number: number + 1, 2)
    executor.spin_until_future_complete(first, timeout_sec=5.0)
    assert first.done() and first.result() == 3

    def fail():
        raise KeyError('no')

    second = executor.create_task(fail)
    executor.spin_until_future_complete(second, timeout_sec=5.0)
    with pytest.raises(KeyError, match='no'):
        second.result()
    never = Future()
    executor.spin_until_future_complete(never, timeout_sec=0.05)
    assert not never.done()
    never.cancel()
    assert never.cancelled() and never.done()


def test_coroutine_waits_for_a_future(make_node, executor):
    node, future = make_node(), Future()
    executor.add_node(node)
    steps = []

    async def work():
        steps.append('begin')
        steps.append(await future)
        return 'end'

    task = executor.create_task(work)
    executor.spin_once(timeout_sec=1.0)
    executor.spin_once(timeout_sec=0.05)
    assert steps == ['begin'] and not task.done()
    node.create_timer(0.01, lambda: future.set_result('middle'))
    executor.spin_until_future_complete(task, timeout_sec=5.0)
    assert steps == ['begin', 'middle'] and task.result() == 'end'


def test_coroutine_callback_keeps_its_group_busy(make_node, executor):
    node, future, seen = make_node(), Future(), []
    executor.add_node(node)

    async def first():
        timer.cancel()
        seen.append('begin')
        await future
        seen.append('end')

    group = MutuallyExclusiveCallbackGroup()
    timer = node.create_timer(0.01, first, callback_group=group)
    node.create_timer(0.02, lambda: seen.append('other'), callback_group=group)
    limit = time.monotonic() + 0.1
    while time.monotonic() < limit:
        executor.spin_once(timeout_sec=0.01)
    assert seen == ['begin']
    future.set_result(None)
    while 'other' not in seen:
        executor.spin_once(timeout_sec=1.0)
    assert seen[:2] == ['begin', 'end']


def test_exception_of_a_callback_comes_out_of_the_spin(make_node, executor):
    node = make_node()
    executor.add_node(node)

    def fail():
        raise ValueError('boom')

    timer = node.create_timer(0.01, fail)
    with pytest.raises(ValueError, match='boom'):
        executor.spin_once(timeout_sec=1.0)
    timer.cancel()
    # The group is free again.
    done = []
    node.create_timer(0.01, lambda: done.append(1))
    executor.spin_once(timeout_sec=1.0)
    assert done


def test_spin_ends_with_the_context(make_node, executor, context):
    executor.add_node(make_node())
    thread = threading.Timer(0.05, context.try_shutdown)
    thread.start()
    with pytest.raises(ExternalShutdownException):
        executor.spin()
    thread.join()
    executor.spin()


def test_several_threads_run_what_may_run_together(make_node, context):
    node = make_node()
    together = threading.Barrier(2, timeout=10.0)
    seen = []

    def meet(name):
        together.wait()
        seen.append(name)

    group = ReentrantCallbackGroup()
    timers = [
        node.create_timer(0.01, lambda name=name: (timers[name].cancel(), meet(name)), group)
        for name in range(2)
    ]
    executor = MultiThreadedExecutor(2, context=context)
    executor.add_node(node)
    limit = time.monotonic() + 10.0
    while len(seen) < 2 and time.monotonic() < limit:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    assert sorted(seen) == [0, 1]


def test_several_threads_keep_groups_apart(make_node, context):
    node = make_node()
    busy, most, calls = [], [], []

    def work():
        busy.append(1)
        most.append(len(busy))
        time.sleep(0.01)
        busy.pop()
        calls.append(1)

    for _ in range(3):
        node.create_timer(0.005, work)
    executor = MultiThreadedExecutor(3, context=context)
    executor.add_node(node)
    limit = time.monotonic() + 10.0
    while len(calls) < 6 and time.monotonic() < limit:
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    assert len(calls) >= 6 and max(most) == 1


def test_rate_sleeps_in_a_thread_that_does_not_spin(make_node, executor, context):
    node, times = make_node(), []
    executor.add_node(node)
    rate = node.create_rate(50.0)

    def sleep():
        try:
            while True:
                rate.sleep()
                times.append(time.monotonic())
        except ROSInterruptException:
            times.append(None)

    thread = threading.Thread(target=sleep)
    thread.start()
    while len(times) < 4:
        executor.spin_once(timeout_sec=1.0)
    node.destroy_rate(rate)
    thread.join(5.0)
    assert times[-1] is None and 0.03 < times[3] - times[0] < 1.0


def test_messages_of_other_threads_arrive(make_node, executor):
    node, heard = make_node(), []
    executor.add_node(node)
    publisher = node.create_publisher(String, 'words', 100)
    node.create_subscription(String, 'words', lambda message: heard.append(message.data), 100)

    def send(name):
        for number in range(20):
            publisher.publish(String(data=f'{name}{number}'))

    threads = [threading.Thread(target=send, args=(name,)) for name in 'ab']
    for thread in threads:
        thread.start()
    limit = time.monotonic() + 10.0
    while len(heard) < 40 and time.monotonic() < limit:
        executor.spin_once(timeout_sec=0.1)
    for thread in threads:
        thread.join()
    for name in 'ab':
        assert [text for text in heard if text[0] == name] == [f'{name}{n}' for n in range(20)]
