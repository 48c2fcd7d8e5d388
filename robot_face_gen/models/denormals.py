# SPDX-License-Identifier: Apache-2.0
"""Flush denormal numbers (below 1e-38) to zero in the inference thread: they are slow."""

from __future__ import annotations

import contextlib
import ctypes
import platform
import sys
from collections.abc import Iterator
from typing import Any

# `fenv_t` of the System V ABI for x86-64: 28 bytes of the x87, then MXCSR; some spare bytes.
_MXCSR, _SIZE = 28, 64
_FLUSH_TO_ZERO, _ARE_ZERO = 0x8000, 0x0040  # results, operands (Intel SDM, volume 1, 10.2.3)


@contextlib.contextmanager
def kept_environment() -> Iterator[Any]:
    """Restore this thread's floating-point environment at the end of the block.

    Yields:
        The saved environment; None where its layout is unknown (nothing is done then).
    """
    if _libm is None:
        yield None
        return
    kept = ctypes.create_string_buffer(_SIZE)
    _libm.fegetenv(kept)
    try:
        yield kept
    finally:
        _libm.fesetenv(kept)


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """Flush denormals to zero in this thread, within the block."""
    with kept_environment() as kept:
        if kept is not None:
            flushing = ctypes.create_string_buffer(kept.raw, _SIZE)
            control = ctypes.c_uint32.from_buffer(flushing, _MXCSR)
            control.value |= _FLUSH_TO_ZERO | _ARE_ZERO
            _libm.fesetenv(flushing)
        yield


def _find() -> Any:
    if sys.platform != 'linux' or platform.machine() != 'x86_64':
        return None
    try:
        return ctypes.CDLL('libm.so.6')
    except OSError:
        return None


_libm = _find()
