# SPDX-License-Identifier: Apache-2.0
import pytest

from robot_face_gen.pipeline.health import ERROR, LATENCY_WINDOW, OK, TROUBLE_S, WARN, Health


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def health(clock):
    return Health(clock, waited=lambda: 0.0)


def test_reports_the_missing_input_until_the_first_message(health):
    health.add_flow('faces', '/robot/openface/features', 1.0)
    report = health.report()
    assert (report.level, report.message) == (WARN, 'waiting for /robot/openface/features')
    assert health.waiting_for() == ['/robot/openface/features']
    health.tick('faces')
    assert (health.report().level, health.waiting_for()) == (OK, [])


def test_the_rate_is_of_the_last_seconds_and_falls_when_events_stop(health, clock):
    health.add_flow('faces', '/f', 1.0)
    for _ in range(200):
        clock.now += 0.04
        health.tick('faces')
    values = health.report().values
    assert (values['faces'], values['faces_hz']) == ('200', '25.00')
    clock.now += 2.0
    assert 0.0 < float(health.report().values['faces_hz']) < 25.0
    clock.now += 10.0
    assert health.report().values['faces_hz'] == '0.00'


def test_the_levels_are_those_of_diagnostic_msgs():
    assert (OK, WARN, ERROR) == (0, 1, 2)


def test_input_that_came_at_once_after_a_pause_is_no_overload(health, clock):
    health.add_flow('chunks', '/audio', 1.0)
    health.add_flow('out')
    for _ in range(3):
        clock.now += 0.3  # a busy machine
        health.tick('chunks')
    health.drop(2, 'chunks', 'the encoder is too slow')
    overload = 'overload: the encoder is too slow; 2 chunks dropped in total'
    assert health.report().message == overload
    for _ in range(15):
        clock.now += 0.2
        health.tick('out')  # an output is no sign that the inputs were received
    for _ in range(50):
        health.tick('chunks')
        clock.now += 0.002
    health.drop(30, 'chunks', 'the encoder is too slow')
    assert health.report().message == (
        'input of 3.0 s came at once (a process was stopped); 32 chunks dropped in total'
    )
    clock.now += 0.39
    health.tick('chunks')
    clock.now += 0.39
    health.drop(1, 'chunks', 'the encoder is too slow')
    assert 'overload: the encoder is too slow; 33' in health.report().message


@pytest.mark.parametrize(
    ('times', 'now', 'rate'),
    [
        ([0.0], 0.0, '0.00'),
        ([0.0, 0.0], 0.0, '0.00'),
        ([0.0, 0.5], 0.5, '2.00'),
        ([0.0, 1.0, 3.0], 3.0, '0.67'),
        ([0.0, 1.0, 3.0], 4.0, '0.67'),
        ([0.0, 1.0, 3.0], 4.6, '0.56'),  # no event for a second: 2 in 3.6 s
        ([0.0, 1.0, 3.0], 5.0, '0.50'),
        ([0.0, 1.0, 3.0], 5.1, '0.32'),  # the first is more than 5 s ago: 1 in 3.1 s
        ([0.0, 1.0, 3.0], 6.1, '0.00'),
    ],
)
def test_the_rate_is_between_the_first_and_the_last_event(health, clock, times, now, rate):
    health.add_flow('faces')
    for time in times:
        clock.now = 100.0 + time
        health.tick('faces')
    clock.now = 100.0 + now
    assert health.report().values['faces_hz'] == rate


def test_the_note_is_the_message_while_all_is_well(health):
    health.note('on the CPU')
    assert (health.report().level, health.report().message) == (OK, 'on the CPU')
    health.count('late', trouble='late frames')
    assert health.report().message == 'late frames'


def test_a_flow_that_was_removed_is_not_reported(health):
    health.add_flow('faces', '/f', 1.0)
    health.remove_flow('faces')
    health.remove_flow('faces')
    assert 'faces' not in health.report().values and health.report().level == OK


def test_old_latencies_are_forgotten(health):
    for seconds in (1.0, 0.001):
        for _ in range(LATENCY_WINDOW):
            health.latency('model', seconds)
    assert health.report().values['model_p99_ms'] == '1.00'


def test_a_stall_is_a_warning_until_the_next_event(health, clock):
    health.add_flow('audio', '/audio', 0.5)
    health.tick('audio')
    clock.now += 1.2
    report = health.report()
    assert (report.level, report.message) == (WARN, 'no input for 1.2 s: /audio')
    health.tick('audio')
    assert health.report().level == OK


def test_an_intended_end_is_not_a_stall(health, clock):
    health.add_flow('faces', '', 0.5)
    health.tick('faces')
    health.expect_silence('faces')
    clock.now += 60.0
    assert health.report().level == OK


def test_a_warning_ends_and_its_counter_remains(health, clock):
    health.count('invalid', trouble='/audio: rate = 0')
    assert (health.report().level, health.report().message) == (WARN, '/audio: rate = 0')
    clock.now += TROUBLE_S + 0.1
    assert health.report().level == OK
    assert health.report().values['invalid'] == '1'


def test_an_error_lasts_until_it_is_ended_and_is_first(health):
    health.count('dropped', trouble='frames dropped')
    health.fail('source', 'no microphone')
    report = health.report()
    assert (report.level, report.message) == (ERROR, 'no microphone; frames dropped')
    health.mend('source')
    assert health.report().level == WARN


def test_latencies_are_reported_as_percentiles_in_ms(health):
    for ms in range(1, 101):
        health.latency('model', ms / 1e3)
    values = health.report().values
    assert float(values['model_p50_ms']) == pytest.approx(50.5)
    assert float(values['model_p99_ms']) == pytest.approx(99.01)


def test_set_counters_replaces_values(health):
    health.set_counters({'late': 3})
    health.set_counters({'late': 5})
    assert health.report().values['late'] == '5'


def test_set_counters_can_warn(health, clock):
    troubles = {'odd': '{total} odd frames'}
    health.set_counters({'odd': 2, 'late': 1}, troubles)
    assert (health.report().level, health.report().message) == (WARN, '2 odd frames')
    clock.now += TROUBLE_S + 0.1
    health.set_counters({'odd': 2, 'late': 7}, troubles)
    assert health.report().level == OK
    health.set_counters({'odd': 5}, troubles)
    assert health.report().message == '5 odd frames'
    assert health.report().values['odd'] == '5'


def test_two_things_that_share_a_counter_are_two_faults():
    health = Health()
    health.count('crowded', trouble='/a: 2 publishers', about='/a')
    health.count('crowded', trouble='/b: 2 publishers', about='/b')
    report = health.report()
    assert report.values['crowded'] == '2'
    assert {fault.text for fault in report.faults.values()} == {
        '/a: 2 publishers',
        '/b: 2 publishers',
    }


def test_what_is_dropped_before_the_first_input_after_a_stop_is_no_overload(health, clock):
    health.add_flow('frames_in', '/faces', 1.0)
    health.tick('frames_in')
    clock.now += 26.3
    health.drop(44, 'reactions', 'they were ready more than 1 s late')
    assert 'input of 26.3 s came at once (a process was stopped)' in health.report().message


def test_an_overloaded_machine_is_named_as_the_cause(clock):
    health = Health(clock, waited=lambda: 1.74)
    health.add_flow('frames_in', '/faces', stall_s=1.0)
    health.tick('frames_in')
    clock.now += 3.0
    health.tick('frames_in')  # after a pause, as if a process had been stopped
    health.drop(2, 'chunks', 'the encoder is too slow')
    clock.now += 2.0
    report = health.report()
    assert 'stopped' not in report.message
    assert report.message.count('processor is busy (this process waits 1.7 s per second') == 2
    assert report.values['processor_wait_s_per_s'] == '1.7'
