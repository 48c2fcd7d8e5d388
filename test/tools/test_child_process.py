# SPDX-License-Identifier: Apache-2.0
"""A process of our own: its lines, its end, its group."""

import asyncio
import os
import signal
import sys

import pytest
from launching import is_alive, until

from robot_face_gen.tools.child_process import ChildProcess


def run(code, *, meanwhile=None, **kwargs):
    """Run Python code as a process; its exit code and lines."""
    lines = []

    async def go():
        child = await ChildProcess.start(
            [sys.executable, '-u', '-c', code],
            on_line=lambda stream, line: lines.append((stream, line)),
            **kwargs,
        )
        both = [child.wait()] + ([meanwhile(child, lines)] if meanwhile else [])
        return (await asyncio.wait_for(asyncio.gather(*both), 15))[0]

    return asyncio.run(go()), lines


@pytest.fixture(params=['pidfd', 'thread'])
def way(request, monkeypatch):
    """Both ways of waiting for an end."""
    if request.param == 'thread':
        monkeypatch.delattr(os, 'pidfd_open', raising=False)
    elif not hasattr(os, 'pidfd_open'):
        pytest.skip('no pidfd here')


@pytest.mark.parametrize('code', [0, 7])
def test_exit_code_and_lines(way, code):
    program = f'import sys; print("a\\r\\nb\\n\\nc", end=""); sys.exit({code})'
    assert run(program) == (code, [('stdout', line) for line in ('a', 'b', '', 'c')])


def test_bytes_that_are_no_text_are_shown_somehow(way):
    program = 'import sys; sys.stderr.buffer.write(b"\\xff\\n")'
    assert run(program) == (0, [('stderr', '\N{REPLACEMENT CHARACTER}')])


def test_signal_reaches_the_whole_group(way):
    program = (
        'import subprocess, sys, time\n'
        'child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])\n'
        'print(child.pid, flush=True); time.sleep(60)\n'
    )

    async def end(child, lines):
        while not lines:
            await asyncio.sleep(0.01)
        child.send_signal(signal.SIGTERM)

    code, lines = run(program, meanwhile=end)
    assert code == -signal.SIGTERM
    until(lambda: not is_alive(int(lines[0][1])), what='the end of the grandchild')


def test_a_grandchild_that_keeps_the_output_open_is_not_waited_for(way):
    program = (
        'import subprocess, sys\n'
        'child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],'
        ' start_new_session=True)\n'
        'print(child.pid, flush=True)\n'
    )
    code, lines = run(program)
    os.kill(int(lines[0][1]), signal.SIGKILL)  # a session of its own is its own affair
    assert code == 0


def test_environment():
    code, lines = run('import os; print(os.environ["X"])', env={**os.environ, 'X': 'y'})
    assert (code, lines) == (0, [('stdout', 'y')])


def test_a_program_that_does_not_exist_is_an_error():
    async def start():
        await ChildProcess.start(['/no/such'], on_line=print)

    with pytest.raises(OSError, match='/no/such'):
        asyncio.run(start())
