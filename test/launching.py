# SPDX-License-Identifier: Apache-2.0
"""Helpers for tests that start or watch real processes."""

import contextlib
import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from robot_face_gen.tools.ros import child_environment

DOMAINS = range(1, 101)  # of ROS: ports below those that Linux gives out


def run_python(code, *arguments, **options):
    """What a new Python prints: a finished process with returncode, stdout and stderr."""
    command = [sys.executable, '-c', code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


class Forked:
    """A process that calls a function: a fork of this one, which has imported already.

    Its exit code is what the function returns; its output goes to files.
    """

    def __init__(self, folder, function, *arguments):
        self._files = folder / 'stdout', folder / 'stderr'
        self.process = multiprocessing.get_context('fork').Process(
            target=self._run, args=(function, *arguments)
        )
        self.process.start()

    def _run(self, function, *arguments):
        for number, path in enumerate(self._files, 1):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
        sys.stdout, sys.stderr = (os.fdopen(number, 'w', buffering=1) for number in (1, 2))
        # A background job, and a process in which Lightning was interrupted, ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.exit(function(*arguments))

    def wait(self, timeout_s=600.0):
        """Exit code, standard output and standard error; one that hangs is ended."""
        self.process.join(timeout_s)
        out, error = (path.read_text() for path in self._files)
        if self.process.exitcode is None:
            self.process.terminate()
            pytest.fail(f'the process still runs after {timeout_s:g} s: {error[-2000:]}')
        return self.process.exitcode, out, error


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


@contextlib.contextmanager
def own_ros_domain():
    """A ROS domain that no other test run on this machine uses: these disturb each other."""
    with contextlib.ExitStack() as stack:
        first = os.getpid() * 7 % len(DOMAINS)
        for domain in (*DOMAINS[first:], *DOMAINS[:first]):
            path = Path(tempfile.gettempdir(), f'robot_face_gen_domain_{domain}')
            with contextlib.suppress(OSError):  # in use, or another user's
                lock = stack.enter_context(path.open('w'))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv('ROS_DOMAIN_ID', str(domain))
        for name, value in child_environment({}).items():  # on this machine, found soon
            patch.setenv(name, value)
        yield domain
