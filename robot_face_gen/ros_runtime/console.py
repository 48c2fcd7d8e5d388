"""Logging by rclpy's names, in the format of ROS 2's console."""

import inspect
import os
import sys
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar

from .arguments import Arguments


class LoggingSeverity(IntEnum):
    """How serious a message is."""

    UNSET = 0
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    FATAL = 50


_COLOURS = {10: '32', 20: '0', 30: '33', 40: '31', 50: '31'}
_DEFAULT_FORMAT = '[{severity}] [{time}] [{name}]: {message}'

_levels: dict[str, int] = {}
_default_level = LoggingSeverity.INFO
_rosout_enabled = _stdout_enabled = True
#: Loggers whose messages also go to /rosout: name -> what sends them.
_sinks: dict[str, Callable[..., None]] = {}
_lock = threading.Lock()


def configure(arguments: Arguments) -> None:
    """Apply the log levels of a command line."""
    global _default_level, _rosout_enabled, _stdout_enabled
    if arguments.level is not None:
        _default_level = LoggingSeverity(arguments.level)
    _levels.update(arguments.levels)
    _rosout_enabled = '--disable-rosout-logs' not in arguments.switches
    _stdout_enabled = '--disable-stdout-logs' not in arguments.switches


def add_sink(name: str, sink: Callable[..., None]) -> None:
    """Send what a logger and those below it say also to `sink(stamp_ns, level, name, ...)`."""
    with _lock:
        _sinks[name] = sink


def remove_sink(name: str, sink: Callable[..., None]) -> None:
    """Stop that."""
    with _lock:
        if _sinks.get(name) == sink:
            del _sinks[name]


def _sink_of(name: str) -> Callable[..., None] | None:
    with _lock:
        while name:
            if name in _sinks:
                return _sinks[name]
            name = name.rpartition('.')[0]
    return None


def _effective_level(name: str) -> LoggingSeverity:
    while name:
        if _levels.get(name):
            return LoggingSeverity(_levels[name])
        name = name.rpartition('.')[0]
    return LoggingSeverity(_default_level)


def _write(level: LoggingSeverity, name: str, message: str, stamp_ns: int, where: Any) -> None:
    function, path, line = where
    stamp = f'{stamp_ns // 10 ** 9}.{stamp_ns % 10 ** 9:09d}'
    text = os.environ.get('RCUTILS_CONSOLE_OUTPUT_FORMAT') or _DEFAULT_FORMAT
    for key, value in {'severity': level.name, 'time': stamp, 'name': name,
                       'time_as_nanoseconds': str(stamp_ns), 'function_name': function,
                       'file_name': path, 'line_number': str(line),
                       'message': message}.items():
        text = text.replace(f'{{{key}}}', value)
    stream = sys.stdout if os.environ.get('RCUTILS_LOGGING_USE_STDOUT') == '1' else sys.stderr
    colourful = os.environ.get('RCUTILS_COLORIZED_OUTPUT')
    if stream is None:
        return
    if colourful == '1' or (colourful != '0' and stream.isatty()):
        text = f'\x1b[{_COLOURS[level]}m{text}\x1b[0m'
    try:
        # One write for one message, so that those of several threads do not mix.
        stream.write(f'{text}\n')
        stream.flush()
    except (ValueError, OSError):
        # The stream is closed; there is nobody left to tell.
        return


class RcutilsLogger:
    """Writes messages of one origin."""

    #: State of `once`, `skip_first` and `throttle_duration_sec`, by the place of the call.
    _places: ClassVar[dict[Any, Any]] = {}

    def __init__(self, name: str = '') -> None:
        self.name = name

    def get_child(self, name: str) -> 'RcutilsLogger':
        """The logger `<this>.<name>`."""
        if not name:
            raise ValueError('Need to provide a name for the child logger')
        return RcutilsLogger(f'{self.name}.{name}' if self.name else name)

    def set_level(self, level: Any) -> None:
        """Let through messages of this level and above."""
        _levels[self.name] = LoggingSeverity(level)

    def get_effective_level(self) -> LoggingSeverity:
        """The level from which messages are let through."""
        return _effective_level(self.name)

    def is_enabled_for(self, severity: Any) -> bool:
        """Whether messages of that level are let through."""
        return LoggingSeverity(severity) >= self.get_effective_level()

    def log(self, message: Any, severity: Any, **kwargs: Any) -> bool:
        """Write a message.

        Args:
            message: What to say.
            severity: Its level.
            kwargs: `once=True`; `skip_first=True`; `throttle_duration_sec` (seconds), with
                `throttle_time_source_type` (a clock).

        Returns:
            Whether it was written.
        """
        unknown = kwargs.keys() - {'once', 'skip_first', 'throttle_duration_sec',
                                   'throttle_time_source_type', 'name'}
        if unknown:
            raise TypeError(f'parameter(s) {sorted(unknown)} are not recognised by the logger')
        severity = LoggingSeverity(severity)
        name = kwargs.get('name', self.name)
        if severity < _effective_level(name):
            return False
        frame = inspect.currentframe()
        while frame is not None and frame.f_code.co_filename == __file__:
            frame = frame.f_back
        where = (('', '', 0) if frame is None else
                 (frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno))
        if kwargs and not self._passes(where, kwargs):
            return False
        stamp_ns = time.time_ns()
        if _stdout_enabled:
            _write(severity, name, str(message), stamp_ns, where)
        sink = _sink_of(name) if _rosout_enabled else None
        if sink is not None:
            sink(stamp_ns, int(severity), name, str(message), where)
        return True

    def _passes(self, where: Any, kwargs: dict[str, Any]) -> bool:
        key = self.name, where[1], where[2]
        with _lock:
            state = self._places.setdefault(key, {'calls': 0, 'said_ns': None})
            state['calls'] += 1
            if kwargs.get('skip_first') and state['calls'] == 1:
                return False
            if kwargs.get('once'):
                if state.get('said'):
                    return False
                state['said'] = True
            period = kwargs.get('throttle_duration_sec')
            if period is not None:
                clock = kwargs.get('throttle_time_source_type')
                now = clock.now().nanoseconds if clock is not None else time.monotonic_ns()
                said = state['said_ns']
                # A clock that jumped back must not silence the message until it is caught up.
                if said is not None and 0 <= now - said < period * 1e9:
                    return False
                state['said_ns'] = now
            return True

    def debug(self, message: Any, **kwargs: Any) -> bool:
        """Write a message of level DEBUG."""
        return self.log(message, LoggingSeverity.DEBUG, **kwargs)

    def info(self, message: Any, **kwargs: Any) -> bool:
        """Write a message of level INFO."""
        return self.log(message, LoggingSeverity.INFO, **kwargs)

    def warning(self, message: Any, **kwargs: Any) -> bool:
        """Write a message of level WARN."""
        return self.log(message, LoggingSeverity.WARN, **kwargs)

    def warn(self, message: Any, **kwargs: Any) -> bool:
        """Write a message of level WARN."""
        return self.log(message, LoggingSeverity.WARN, **kwargs)

    def error(self, message: Any, **kwargs: Any) -> bool:
        """Write a message of level ERROR."""
        return self.log(message, LoggingSeverity.ERROR, **kwargs)

    def fatal(self, message: Any, **kwargs: Any) -> bool:
        """Write a message of level FATAL."""
        return self.log(message, LoggingSeverity.FATAL, **kwargs)


_root_logger = RcutilsLogger()


def get_logger(name: str) -> RcutilsLogger:
    """The logger of that name."""
    if not name:
        raise ValueError('Logger name must not be empty.')
    return _root_logger.get_child(name)


def initialize() -> None:
    """Begin to log; nothing is needed for it."""


def shutdown() -> None:
    """Stop logging; nothing is needed for it."""


def clear_config() -> None:
    """Forget every level that was set."""
    global _default_level
    _levels.clear()
    _default_level = LoggingSeverity.INFO


def set_logger_level(name: str, level: Any) -> None:
    """Let through messages of a logger from this level on."""
    global _default_level
    if name:
        _levels[name] = LoggingSeverity(level)
    else:
        _default_level = LoggingSeverity(level)


def get_logger_effective_level(name: str) -> LoggingSeverity:
    """The level from which a logger's messages are let through."""
    return _effective_level(name)


def get_logging_severity_from_string(log_severity: str) -> LoggingSeverity:
    """The level of that name; RuntimeError where there is none."""
    try:
        return LoggingSeverity[log_severity.upper()]
    except KeyError:
        raise RuntimeError(f'Failed to get log severity from name {log_severity!r}') from None


def get_logging_directory() -> Path:
    """Where ROS 2 keeps log files: ROS_LOG_DIR, else the folder `log` in ROS_HOME (~/.ros)."""
    if os.environ.get('ROS_LOG_DIR'):
        return Path(os.environ['ROS_LOG_DIR']).expanduser()
    return Path(os.environ.get('ROS_HOME') or '~/.ros').expanduser() / 'log'
