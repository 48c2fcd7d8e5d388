"""Logging: the format of ROS 2's console, levels, and messages that are not repeated."""

import re

import pytest
from rclpy.logging import (
    LoggingSeverity,
    clear_config,
    get_logger,
    get_logger_effective_level,
    get_logging_severity_from_string,
    set_logger_level,
)
from rclpy.time import Time

from robot_face_gen.ros_runtime import console
from robot_face_gen.ros_runtime.arguments import parse


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    for name in ('RCUTILS_CONSOLE_OUTPUT_FORMAT', 'RCUTILS_COLORIZED_OUTPUT'):
        monkeypatch.delenv(name, raising=False)
    clear_config()
    yield
    clear_config()
    console.configure(parse(['']))


def test_line_has_level_time_and_name(capfd):
    assert get_logger('ear').get_child('left').warning('loud')
    wanted = r'\[WARN\] \[\d{10}\.\d{9}\] \[ear\.left\]: loud\n'
    assert re.fullmatch(wanted, capfd.readouterr().err)


def test_format_and_colour_can_be_chosen(capfd, monkeypatch):
    monkeypatch.setenv('RCUTILS_CONSOLE_OUTPUT_FORMAT', '{name}|{message}|{function_name}')
    monkeypatch.setenv('RCUTILS_COLORIZED_OUTPUT', '1')
    get_logger('ear').error('loud')
    assert capfd.readouterr().err == (
        '\x1b[31mear|loud|test_format_and_colour_can_be_chosen\x1b[0m\n'
    )


def test_levels_hold_for_those_below(capfd):
    logger = get_logger('ear')
    assert not logger.debug('a') and logger.info('b')
    logger.set_level(LoggingSeverity.ERROR)
    assert not logger.get_child('left').warn('c') and logger.fatal('d')
    assert get_logger_effective_level('ear.left') is LoggingSeverity.ERROR
    assert get_logger('nose').is_enabled_for(LoggingSeverity.INFO)
    assert [line[-1] for line in capfd.readouterr().err.splitlines()] == ['b', 'd']


def test_levels_of_the_command_line(capfd):
    console.configure(parse(['', '--ros-args', '--log-level', 'error', '--log-level', 'a:=debug']))
    assert not get_logger('b').warn('x') and get_logger('a').debug('y')
    set_logger_level('', LoggingSeverity.DEBUG)
    assert get_logger('b').debug('z')
    assert get_logging_severity_from_string('warn') is LoggingSeverity.WARN
    with pytest.raises(RuntimeError, match='loud'):
        get_logging_severity_from_string('loud')


def test_messages_can_be_kept_from_repeating():
    logger = get_logger('ear')
    assert [logger.info('a', once=True) for _ in range(3)] == [True, False, False]
    assert [logger.info('b', skip_first=True) for _ in range(3)] == [False, True, True]
    assert [logger.info('c', throttle_duration_sec=60.0) for _ in range(3)] == [True, False, False]
    with pytest.raises(TypeError, match='twice'):
        logger.info('d', twice=True)


def test_throttle_follows_the_clock_that_is_named():
    class Clock:
        seconds = 0

        def now(self):
            return Time(seconds=self.seconds)

    clock, said = Clock(), []
    for clock.seconds in (0, 1, 4, 6, 7, 2):
        said.append(
            get_logger('ear').info(
                'a', throttle_duration_sec=5.0, throttle_time_source_type=clock
            )
        )
    # At the end it jumped back: the message must not be silent until the clock has caught up.
    assert said == [True, False, False, True, False, True]
