"""Signals by rclpy's names: Ctrl-C and SIGTERM end the contexts, and what spins comes back."""

import os
import signal
import threading
from enum import IntEnum
from typing import Any

from .context import _live


class SignalHandlerOptions(IntEnum):
    """Which signals to handle."""

    NO = 0
    SIGINT = 1
    SIGTERM = 2
    ALL = 3


_SIGNALS = {signal.SIGINT: 1, signal.SIGTERM: 2}


class _Watcher:
    """Wakes what waits in DDS at a signal: Python handles signals only between its own steps."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._run, name='signals', daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while numbers := os.read(self._read, 64):
            if b'\0' in numbers:
                break
            for context in list(_live):
                context._wake()
        os.close(self._read)

    def stop(self) -> None:
        if signal.set_wakeup_fd(self._before) not in (self._write, -1):
            # Somebody else has taken over since: theirs stays.
            return
        os.write(self._write, b'\0')
        self._thread.join()
        os.close(self._write)


_options = SignalHandlerOptions.NO
_previous: dict[int, Any] = {}
_watcher: _Watcher | None = None


def _on_signal(number: int, frame: Any) -> None:
    for context in list(_live):
        context._interrupt()
        context._wake()
    previous = _previous.get(number)
    if callable(previous):
        # For SIGINT this is usually Python's own, which raises KeyboardInterrupt.
        previous(number, frame)


def install_signal_handlers(options: SignalHandlerOptions = SignalHandlerOptions.ALL) -> None:
    """Handle these signals from now on; only the main thread can, in others nothing happens."""
    global _options, _watcher
    if threading.current_thread() is not threading.main_thread():
        return
    uninstall_signal_handlers()
    for number, bit in _SIGNALS.items():
        if options & bit:
            _previous[number] = signal.signal(number, _on_signal)
    if _previous:
        _watcher = _Watcher()
    _options = SignalHandlerOptions(options)


def get_current_signal_handlers_options() -> SignalHandlerOptions:
    """Which signals are handled now."""
    return _options


def uninstall_signal_handlers() -> None:
    """Give the signals back to those who handled them before."""
    global _options, _watcher
    if threading.current_thread() is not threading.main_thread():
        return
    for number, previous in _previous.items():
        if signal.getsignal(number) is _on_signal:
            signal.signal(number, previous)
    _previous.clear()
    if _watcher is not None:
        _watcher.stop()
        _watcher = None
    _options = SignalHandlerOptions.NO
