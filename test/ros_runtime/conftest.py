"""Contexts, nodes and processes for the tests of the stand-in."""

import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from robot_face_gen.ros_runtime import activate, has_ros2

if has_ros2():
    collect_ignore_glob = ['*']
else:
    activate()

PATIENCE_S = 20.0

PREFACE = """
from robot_face_gen.ros_runtime import activate
activate()
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
"""


class Program:
    """A Python program in a process of its own, whose lines can be waited for."""

    def __init__(self, text, *arguments):
        self._process = subprocess.Popen(
            [sys.executable, '-u', '-c', text, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines = []
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def text(self):
        with self._news:
            return ''.join(self._lines)

    def expect(self, pattern, timeout_s=PATIENCE_S):
        """Wait for what it prints to match; the match."""
        limit = time.monotonic() + timeout_s
        with self._news:
            while True:
                match = re.search(pattern, ''.join(self._lines), re.MULTILINE)
                if match:
                    return match
                ended = not self._thread.is_alive()
                left = limit - time.monotonic()
                assert left > 0 and not ended, (
                    f'{pattern!r} was never printed, but:\n{"".join(self._lines)}'
                )
                self._news.wait(min(left, 0.2))

    def end(self, number=signal.SIGINT):
        """Send a signal and wait for the end; the exit code."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self):
        code = self._process.wait(PATIENCE_S)
        self._thread.join(PATIENCE_S)
        return code

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
        self.wait()
        self._process.stdout.close()


@pytest.fixture
def start(ros_domain):
    """Start programs that do not outlive the test: start(text, arguments...)."""
    programs = []

    def start_one(text, *arguments, preface=PREFACE):
        programs.append(Program(preface + text, *arguments))
        return programs[-1]

    yield start_one
    for program in programs:
        program.kill()


@pytest.fixture
def context(ros_domain):
    """A context of its own; what is left of it is given up after the test."""
    import rclpy
    from rclpy.context import Context

    context = Context()
    rclpy.init(args=[], context=context)
    yield context
    context.destroy()


@pytest.fixture
def make_node(context):
    """Make nodes in that context: make_node(name, ...)."""
    from rclpy.node import Node

    made = []

    def make(name='node', **options):
        made.append(Node(name, context=context, **options))
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()


@pytest.fixture
def spin_until(context):
    """Spin nodes until a condition holds: spin_until(condition, node, ...)."""
    from rclpy.executors import SingleThreadedExecutor

    def spin(condition, *nodes, timeout_s=PATIENCE_S):
        executor = SingleThreadedExecutor(context=context)
        for node in nodes:
            executor.add_node(node)
        limit = time.monotonic() + timeout_s
        try:
            while not condition():
                assert time.monotonic() < limit, 'the condition never came true'
                executor.spin_once(timeout_sec=0.05)
        finally:
            executor.shutdown()

    return spin
