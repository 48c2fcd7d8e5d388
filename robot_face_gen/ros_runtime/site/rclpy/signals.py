"""Signals."""

from robot_face_gen.ros_runtime.signals import (
    SignalHandlerOptions,
    get_current_signal_handlers_options,
    install_signal_handlers,
    uninstall_signal_handlers,
)

__all__ = [
    'SignalHandlerOptions',
    'get_current_signal_handlers_options',
    'install_signal_handlers',
    'uninstall_signal_handlers',
]
