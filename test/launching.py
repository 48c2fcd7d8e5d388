# SPDX-License-Identifier: Apache-2.0
"""Helpers for tests that start or watch real processes."""

import subprocess
import sys
import time

import psutil


def run_python(code, *arguments, **options):
    """What a new Python prints: a finished process with returncode, stdout and stderr."""
    command = [sys.executable, '-c', code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


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


def started(bringup, *names):
    """Process ids of a bringup's nodes, as soon as these ones run; they may still load."""
    bringup.wait_until(lambda: set(names) <= set(bringup.processes), ', '.join(names), 30.0)
    return bringup.processes
