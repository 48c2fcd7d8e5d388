"""Times, durations and clocks; simulated time from a topic."""

import pytest
from builtin_interfaces.msg import Duration as DurationMessage
from builtin_interfaces.msg import Time as TimeMessage
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.clock import Clock, ClockChange, ClockType, JumpThreshold, ROSClock
from rclpy.duration import Duration, Infinite
from rclpy.parameter import Parameter
from rclpy.time import Time
from rosgraph_msgs.msg import Clock as ClockMessage

CASES = settings(deadline=None, max_examples=30)


@CASES
@given(st.integers(0, 2**31 * 10**9 - 1), st.integers(-(2**30) * 10**9, 2**30 * 10**9))
def test_arithmetic_is_exact(at, span):
    time, duration = Time(nanoseconds=at), Duration(nanoseconds=span)
    assert Time.from_msg(time.to_msg(), ClockType.SYSTEM_TIME) == time
    assert Duration.from_msg(duration.to_msg()) == duration
    if at + span >= 0:
        assert ((time + duration) - time) == duration
        assert (time + duration) - duration == time
        assert ((time + duration) > time) == (span > 0)
    else:
        with pytest.raises(ValueError, match='negative'):
            time + duration


def test_parts_and_messages():
    assert Time(seconds=3, nanoseconds=5).seconds_nanoseconds() == (3, 5)
    assert Time(seconds=3).to_msg() == TimeMessage(sec=3)
    assert Duration(seconds=-0.5).to_msg() == DurationMessage(sec=-1, nanosec=500000000)
    assert str(Infinite) == 'Infinite'


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(TypeError, match='int'):
        Duration(nanoseconds=5) == 5  # noqa: B015
    with pytest.raises(TypeError, match='clock types'):
        Time(clock_type=ClockType.ROS_TIME) < Time()  # noqa: B015
    with pytest.raises(TypeError):
        Time() < 5  # noqa: B015
    with pytest.raises(ValueError, match='negative'):
        Time(seconds=-1)
    with pytest.raises(OverflowError):
        Duration(seconds=1e10)
    with pytest.raises(TypeError, match='Time object'):
        Time.from_msg(DurationMessage())


def test_clocks_tell_their_own_time():
    assert isinstance(Clock(clock_type=ClockType.ROS_TIME), ROSClock)
    steady = Clock(clock_type=ClockType.STEADY_TIME)
    assert steady.now() <= steady.now() and steady.now().clock_type is ClockType.STEADY_TIME
    assert abs(Clock().now().nanoseconds - ROSClock().now().nanoseconds) < 10**9


def test_jumps_of_simulated_time_are_told():
    clock, jumps = ROSClock(), []
    threshold = JumpThreshold(
        min_forward=Duration(seconds=10), min_backward=Duration(nanoseconds=-1)
    )
    handle = clock.create_jump_callback(threshold, post_callback=jumps.append)
    clock._set_ros_time_is_active(True)
    for seconds in (5, 9, 30, 29):
        clock.set_ros_time_override(Time(seconds=seconds, clock_type=ClockType.ROS_TIME))
    handle.unregister()
    clock.set_ros_time_override(Time(seconds=0, clock_type=ClockType.ROS_TIME))
    assert [(jump.clock_change, jump.delta.nanoseconds // 10**9) for jump in jumps[1:]] == [
        (ClockChange.ROS_TIME_NO_CHANGE, 21),
        (ClockChange.ROS_TIME_NO_CHANGE, -1),
    ]
    assert jumps[0].clock_change is ClockChange.ROS_TIME_ACTIVATED


def test_sleep(context):
    clock = Clock(clock_type=ClockType.STEADY_TIME)
    begin = clock.now()
    assert clock.sleep_for(Duration(seconds=0.05), context)
    assert (clock.now() - begin) >= Duration(seconds=0.05)
    with pytest.raises(ValueError, match='clock type'):
        clock.sleep_until(Time(), context)


@pytest.mark.graph
def test_simulated_time_drives_clock_and_timers(make_node, spin_until):
    """Also where it jumps back, as when a recording is played in a loop."""
    source, node, calls = make_node('source'), make_node('node'), []
    publisher = source.create_publisher(ClockMessage, '/clock', 10)
    node.create_timer(1.0, lambda: calls.append(node.get_clock().now().nanoseconds // 10**9))
    assert node.get_clock().now().nanoseconds > 10**18
    node.set_parameters([Parameter('use_sim_time', value=True)])
    assert node.get_clock().ros_time_is_active
    assert node.get_clock().now().nanoseconds == 0
    spin_until(lambda: publisher.get_subscription_count() == 1, node)

    def play(seconds):
        publisher.publish(ClockMessage(clock=TimeMessage(sec=seconds)))
        spin_until(lambda: node.get_clock().now().nanoseconds == seconds * 10**9, node)
        # A timer that is due has been called by the end of the next empty round.
        spin_until(iter([False, True]).__next__, node)

    for seconds in (100, 101, 101, 102, 50, 51, 52):
        play(seconds)
    assert calls == [101, 102, 51, 52] or calls == [100, 101, 102, 51, 52]
    node.set_parameters([Parameter('use_sim_time', value=False)])
    assert node.get_clock().now().nanoseconds > 10**18
    count = len(calls)
    spin_until(lambda: len(calls) > count, node)
