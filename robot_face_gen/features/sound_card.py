# SPDX-License-Identifier: Apache-2.0
"""Input devices of PortAudio: list them and open one (sounddevice)."""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

_INVALID_RATE = -9997  # PortAudio's paInvalidSampleRate

# What ALSA and JACK call instead of printing that there is no card or no server. C ignores the
# arguments that it is given.
_PRINT_NOTHING = ctypes.CFUNCTYPE(None)(lambda: None)
_PRINTERS = {
    'libasound.so.2': ('snd_lib_error_set_handler',),
    'libjack.so.0': ('jack_set_error_function', 'jack_set_info_function'),
}


def load() -> Any:
    """The sounddevice module.

    Raises:
        OSError: it or the PortAudio library is missing; the text says how to install it.
    """
    try:
        import sounddevice
    except ImportError:
        raise OSError('sounddevice is missing: pip install sounddevice') from None
    except OSError:
        raise OSError(
            'PortAudio is missing: on Debian and Ubuntu, apt install libportaudio2'
        ) from None
    return sounddevice


def look_again() -> None:
    """Update the list of devices, which PortAudio reads only once, when it is initialised."""
    sounddevice = load()
    while sounddevice._initialized:
        sounddevice._terminate()
    _silence_drivers()
    # `sounddevice._initialize` would send standard error to /dev/null for this time, and with it
    # what other threads log.
    sounddevice._check(sounddevice._lib.Pa_Initialize())
    sounddevice._initialized += 1


def _silence_drivers() -> None:
    if sys.platform != 'linux':
        return
    for library, setters in _PRINTERS.items():
        with suppress(OSError, AttributeError):  # PortAudio has not loaded it, or it has no such
            loaded = ctypes.CDLL(library, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
            for setter in setters:
                getattr(loaded, setter)(_PRINT_NOTHING)


def abandon() -> None:
    """Let the process exit without PortAudio, which would wait for a sound server that hangs."""
    atexit.unregister(load()._exit_handler)


def find_device(name: str | None) -> int:
    """The number of an input device; the name is its number, its name or a part of it, or None.

    Raises:
        OSError: no such device (the existing ones are named), or no input device.
    """
    sounddevice = load()
    inputs = {
        number: device['name']
        for number, device in enumerate(sounddevice.query_devices())
        if device['max_input_channels']
    }
    if not inputs:
        raise OSError('no microphone: this machine has no sound input')
    wanted = (name or '').strip().lower()
    if not wanted:
        default = sounddevice.default.device[0]
        return default if default in inputs else min(inputs)
    if wanted.isdigit():
        found = [number for number in inputs if number == int(wanted)]
    else:
        exact = [number for number in inputs if inputs[number].lower() == wanted]
        found = exact or [number for number in inputs if wanted in inputs[number].lower()]
    if not found:
        there = ', '.join(f'{number}: {inputs[number]}' for number in inputs)
        raise OSError(f'no microphone {name!r}; expected one of {there}')
    return found[0]


def open_input(
    device: str | None, sample_rate: int | None, block_s: float,
    callback: Callable[[np.ndarray, int, bool], None], finished: Callable[[], None],
) -> Any:  # fmt: skip
    """Start a stream of one channel of float32; sounddevice's own object.

    Without a sample rate that the device supports, its own is used. The callback runs on
    PortAudio's thread with each block (n,), its rate in Hz, and whether sound was lost before it;
    `finished` is called when the stream has ended.

    Raises:
        OSError: no such device, or PortAudio's reason.
    """
    sounddevice = load()

    def start(rate: int) -> Any:
        stream = sounddevice.InputStream(
            samplerate=rate, device=number, channels=1, dtype='float32',
            blocksize=max(1, round(block_s * rate)), finished_callback=finished,
            callback=lambda data, frames, when, status: callback(
                data[:, 0].copy(), rate, bool(status.input_overflow)
            ))  # fmt: skip
        try:
            stream.start()
        except sounddevice.PortAudioError:
            stream.close()
            raise
        return stream

    try:
        number = find_device(device)
        own = int(sounddevice.query_devices(number, 'input')['default_samplerate'])
        try:
            return start(sample_rate or own)
        except sounddevice.PortAudioError as error:
            if sample_rate in (None, own) or error.args[1:2] != (_INVALID_RATE,):
                raise
            return start(own)
    except (sounddevice.PortAudioError, ValueError) as error:
        text = ' '.join(str(error).split())
        raise OSError(f'the microphone cannot be opened: {text}') from None
