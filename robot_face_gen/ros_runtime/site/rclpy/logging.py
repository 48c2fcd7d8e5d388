"""Logging."""

from robot_face_gen.ros_runtime.console import (
    LoggingSeverity,
    clear_config,
    get_logger,
    get_logger_effective_level,
    get_logging_directory,
    get_logging_severity_from_string,
    initialize,
    set_logger_level,
    shutdown,
)

__all__ = [
    'LoggingSeverity',
    'clear_config',
    'get_logger',
    'get_logger_effective_level',
    'get_logging_directory',
    'get_logging_severity_from_string',
    'initialize',
    'set_logger_level',
    'shutdown',
]
