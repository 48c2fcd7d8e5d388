# SPDX-License-Identifier: Apache-2.0
"""A process of our own: its lines, its end, its group."""

import asyncio
import logging
import os
import signal
import sys

import pytest
from launching import is_alive, until

from robot_face_gen.tools.supervisor import ProcessSettings, Supervisor, respawn_delay_s


def run(code, *, meanwhile=None, cmd=None, **settings):
    """Run Python code as a process; its exit code and lines."""
    lines, codes = [], []
    command = cmd or [sys.executable, '-u', '-c', code]
    supervisor = Supervisor(
        ProcessSettings('p', command, **settings),
        on_line=lines.append,
        on_started=lambda pid: None,
        on_exited=codes.append,
        log=logging.getLogger('p'),
    )

    async def go():
        both = [supervisor.run()] + ([meanwhile(supervisor, lines)] if meanwhile else [])
        await asyncio.wait_for(asyncio.gather(*both), 15)

    asyncio.run(go())
    return codes[-1], lines


@pytest.mark.parametrize('code', [0, 7])
def test_exit_code_and_lines(code):
    program = f'import sys; print("a\\r\\nb\\n\\nc", end=""); sys.exit({code})'
    assert run(program) == (code, ['a', 'b', '', 'c'])


def test_bytes_that_are_no_text_are_shown_somehow():
    program = 'import sys; sys.stderr.buffer.write(b"\\xff\\n")'
    assert run(program) == (0, ['\N{REPLACEMENT CHARACTER}'])


def test_signal_reaches_the_whole_group():
    program = (
        'import subprocess, sys, time\n'
        'child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])\n'
        'print(child.pid, flush=True); time.sleep(60)\n'
    )

    async def end(supervisor, lines):
        while not lines:
            await asyncio.sleep(0.01)
        supervisor.stop()

    code, lines = run(program, meanwhile=end)
    assert code == -signal.SIGINT
    until(lambda: not is_alive(int(lines[0])), what='the end of the grandchild')


def test_a_grandchild_that_keeps_the_output_open_is_not_waited_for():
    program = (
        'import subprocess, sys\n'
        'child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],'
        ' start_new_session=True)\n'
        'print(child.pid, flush=True)\n'
    )
    code, lines = run(program)
    os.kill(int(lines[0]), signal.SIGKILL)  # a session of its own is its own affair
    assert code == 0


def test_environment():
    code, lines = run('import os; print(os.environ["X"])', env={**os.environ, 'X': 'y'})
    assert (code, lines) == (0, ['y'])


def test_a_program_that_does_not_exist_is_reported(caplog):
    assert run('', cmd=['/no/such']) == (127, [])
    assert '/no/such' in caplog.text


def test_a_process_that_fails_at_its_start_is_started_less_and_less_often():
    delays, delay_s = [], 0.0
    for _ in range(9):
        delay_s = respawn_delay_s(0.1, delay_s, 1, 1.0)
        delays.append(delay_s)
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0])
    assert respawn_delay_s(0.1, 10.0, -signal.SIGKILL, 1.0) == 0.1
    assert respawn_delay_s(0.1, 10.0, 1, 60.0) == 0.1
    assert respawn_delay_s(0.0, 0.0, 0, 0.01) == 0.1  # never in a busy loop


def test_a_failing_process_is_respawned_until_it_is_stopped():
    async def end_after_three(supervisor, lines):
        while len(lines) < 3:
            await asyncio.sleep(0.01)
        supervisor.stop()

    code, lines = run('print("up"); exit(3)', meanwhile=end_after_three, respawn=True)
    assert len(lines) >= 3 and code in (3, -signal.SIGINT)
