# SPDX-License-Identifier: Apache-2.0
"""Helpers for tests that watch real processes."""

import time

import psutil


def until(condition, timeout=15.0, what='condition'):
    """Wait until a condition holds; its value."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f'{what} does not hold after {timeout} s'
        time.sleep(0.01)
    return value


def is_alive(pid):
    """Whether a process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
