# SPDX-License-Identifier: Apache-2.0
"""Groups of processes: real processes, signals, deaths."""

import re
import signal
import subprocess
import sys
import textwrap
import time
from itertools import pairwise

import psutil
import pytest
from launching import is_alive, until

HEAD = """
import asyncio, sys
from robot_face_gen.tools.process_group import ProcessGroup
from robot_face_gen.tools.supervisor import ProcessSettings

def python(code, name='p', **settings):
    return name, [sys.executable, '-u', '-c', code], settings

# Prints 'up', then exits cleanly on SIGINT. `signal.pause` could miss a signal just before it.
WAIT = '''
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("up", flush=True)
signal.sigwait([signal.SIGINT])
'''
STUBBORN = '''
import signal
for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)
print("up", flush=True)
while True: signal.pause()
'''
PROCESSES = [
"""
TAIL = """
]
settings = [ProcessSettings(f'{name}-{number}', cmd, **settings)
            for number, (name, cmd, settings) in enumerate(PROCESSES, 1)]
sys.exit(asyncio.run(ProcessGroup(settings).run()))
"""


def reset_signals():
    """Restore the default handlers: a test run under `nohup` or in the background ignores some."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Group:
    """A program that runs a process group."""

    def __init__(self, folder, processes, *before):
        self.file = folder / 'group.py'
        self.file.write_text(HEAD + textwrap.dedent(processes) + TAIL)
        self.log = folder / 'log'
        with self.log.open('wb') as log:
            self.process = subprocess.Popen(
                [*before, sys.executable, str(self.file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=reset_signals,
            )

    def text(self):
        return self.log.read_text()

    def says(self, pattern):
        """Wait for a line; its match."""
        return until(
            lambda: re.search(pattern, self.text(), re.MULTILINE), what=f'{pattern!r} in the log'
        )

    def pid(self, name):
        return int(self.says(rf'\[{name}\]: process started with pid \[(\d+)\]')[1])

    def end(self, number=None):
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def group(tmp_path):
    started = []

    def start(processes, *before):
        started.append(Group(tmp_path, processes, *before))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_output_is_prefixed_with_the_name_and_the_group_ends_with_its_processes(group):
    running = group(
        """
        python('print("a"); print("b"); import sys; print("c", file=sys.stderr)', 'first'),
        python('print("d")', 'second'),
        """
    )
    assert running.end() == 0
    lines = running.text().splitlines()
    for line in ('[first-1] a', '[first-1] b', '[first-1] c', '[second-2] d'):
        assert line in lines
    assert len([line for line in lines if 'process has finished cleanly' in line]) == 2
    assert re.search(r'^\[INFO\] \[first-1\]: process started with pid \[\d+\]$', lines[0])


def test_long_and_unfinished_lines_are_kept_whole(group):
    running = group('python(\'print("x" * 300_000); print("no end", end="")\'),')
    assert running.end() == 0
    assert f'[p-1] {"x" * 300_000}\n' in running.text()
    assert '[p-1] no end\n' in running.text()


@pytest.mark.parametrize(
    'code, told',
    [
        ('import sys; sys.exit(3)', 'exit code 3,'),
        ('import os, signal; os.kill(os.getpid(), signal.SIGSEGV)', r'exit code -11 \(SIGSEGV\),'),
    ],
)
def test_a_death_is_reported_with_its_code_and_makes_the_exit_code(group, code, told):
    running = group(f'python({code!r}), python("", "other")')
    assert running.end() == 1
    assert re.search(rf'\[ERROR\] \[p-1\]: process has died \[pid \d+, {told} cmd', running.text())


def test_a_missing_program_is_reported_and_the_others_run(group):
    running = group("('such', ['/no/such'], {}), python('print(\"here\")'),")
    assert running.end() == 1
    assert re.search(r'\[such-1\]: process could not be started: .*/no/such', running.text())
    assert '[p-2] here' in running.text()


def test_respawn_until_it_lives(group, tmp_path):
    code = f"""
import os, time
path = {str(tmp_path / 'starts')!r}
with open(path, 'a') as file: file.write(f'{{time.monotonic()}}\\n')
if len(open(path).readlines()) < 3: os._exit(1)
"""
    running = group(f'python({code!r} + WAIT, respawn=True, respawn_delay_s=0.3),')
    running.says(r'^\[p-1\] up')
    starts = [float(line) for line in (tmp_path / 'starts').read_text().splitlines()]
    assert len(starts) == 3
    assert all(after - before >= 0.3 for before, after in pairwise(starts))
    assert running.end(signal.SIGINT) == 0, 'the last one ended as asked'


def test_a_respawned_process_has_time_to_end(group, tmp_path):
    """SIGTERM follows SIGINT after a delay, also if the process has exited by itself before."""
    slow_end = f"""
import os, signal, time
path = {str(tmp_path / 'started')!r}
if not os.path.exists(path): open(path, 'w').close(); os._exit(1)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print('up', flush=True)
signal.sigwait([signal.SIGINT])
time.sleep(0.3)
print('ended', flush=True)
"""
    running = group(f'python({slow_end!r}, respawn=True),')
    running.says(r'^\[p-1\] up')
    assert running.end(signal.SIGINT) == 0
    assert '[p-1] ended' in running.text()


def test_ctrl_c_during_the_respawn_delay(group):
    running = group('python("", respawn=True, respawn_delay_s=60.0),')
    running.says('process has finished cleanly')
    assert running.end(signal.SIGINT) == 0
    assert running.text().count('process started') == 1


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_all_cleanly(group, number):
    running = group("python(WAIT, 'a'), python(WAIT, 'b', respawn=True),")
    running.says(r'^\[a-1\] up')
    running.says(r'^\[b-2\] up')
    pids = [running.pid('a-1'), running.pid('b-2')]
    assert running.end(number) == 0
    assert not any(map(is_alive, pids))
    assert running.text().count('process has finished cleanly') == 2
    assert 'Traceback' not in running.text()


@pytest.mark.parametrize('ignored', ['INT', 'HUP'])
def test_signals_that_are_ignored_at_the_start(group, ignored):
    """A background job ignores SIGINT, but can be ended with it; `nohup` ignores SIGHUP."""
    running = group('python(WAIT),', 'env', f'--ignore-signal={ignored}')
    running.says(r'^\[p-1\] up')
    if ignored == 'HUP':
        running.process.send_signal(signal.SIGHUP)
    assert running.end(signal.SIGINT) == 0
    assert 'again' not in running.text() and 'SIGHUP' not in running.text()


def test_a_child_does_not_ignore_sigint_because_its_parent_did(group):
    code = 'import signal; print(signal.getsignal(signal.SIGINT) == signal.default_int_handler)'
    running = group(f'python({code!r}),', 'env', '--ignore-signal=INT')
    assert running.end() == 0
    assert '[p-1] True' in running.text()


def test_a_stubborn_process_is_killed_in_steps(group):
    running = group('python(STUBBORN, sigterm_timeout_s=0.2, sigkill_timeout_s=0.2),')
    running.says(r'^\[p-1\] up')
    pid = running.pid('p-1')
    assert running.end(signal.SIGINT) == 1
    assert not is_alive(pid)
    text = running.text()
    assert "'0.2' seconds after receiving 'SIGINT', escalating to 'SIGTERM'" in text
    assert "'0.2' seconds after receiving 'SIGTERM', escalating to 'SIGKILL'" in text
    assert 'exit code -9 (SIGKILL)' in text


def test_ctrl_c_again_does_not_wait(group):
    running = group('python(STUBBORN, sigterm_timeout_s=60.0, sigkill_timeout_s=60.0),')
    running.says(r'^\[p-1\] up')
    running.process.send_signal(signal.SIGINT)
    running.says('user interrupted with ctrl-c')
    running.process.send_signal(signal.SIGINT)
    running.says('again: ending processes at once')
    assert running.end(signal.SIGINT) == 1
    assert 'exit code -9 (SIGKILL)' in running.text()


CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
print('child', child.pid, flush=True)
"""


def test_what_a_process_leaves_behind_is_killed(group):
    running = group(f'python({CHILD!r}),')
    child = int(running.says(r'child (\d+)')[1])
    assert running.end() == 0
    until(lambda: not is_alive(child), what='the end of the grandchild')


def test_nothing_is_left_when_the_group_s_program_is_killed(group):
    running = group(f"python({CHILD!r} + STUBBORN, 'a'), python(STUBBORN, 'b'),")
    child = int(running.says(r'child (\d+)')[1])
    running.says(r'^\[a-1\] up')
    running.says(r'^\[b-2\] up')
    tree = [one.pid for one in psutil.Process(running.process.pid).children(recursive=True)]
    assert {child, running.pid('a-1'), running.pid('b-2')} < set(tree)
    assert running.end(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: not any(map(is_alive, tree)), what='the end of all')


@pytest.mark.skipif(sys.platform != 'linux', reason='signals at the death of the parent')
def test_nothing_is_left_when_the_guard_is_killed_first(group):
    running = group("python(STUBBORN, 'a'), python(STUBBORN, 'b'),")
    running.says(r'^\[a-1\] up')
    running.says(r'^\[b-2\] up')
    nodes = {running.pid('a-1'), running.pid('b-2')}
    children = psutil.Process(running.process.pid).children()
    (guard,) = (child for child in children if child.pid not in nodes)
    guard.kill()
    assert running.end(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: not any(map(is_alive, nodes)), what='the end of all')


def test_ctrl_c_while_a_process_is_forked_counts_once(group):
    """The terminal sends it to the new process, too, which shares asyncio's pipe for signals."""
    hook = 'os.register_at_fork(after_in_child=lambda: os.killpg(0, 2))'
    running = group(f"(os := __import__('os')) and {hook} or python(WAIT, blocks_sigint=True),")
    assert running.end() == 0
    assert running.text().count('user interrupted') == 1, running.text()


def test_waiting_does_not_poll(group):
    running = group('python(WAIT),')
    running.says(r'^\[p-1\] up')
    process = psutil.Process(running.process.pid)
    switches, cpu = process.num_ctx_switches().voluntary, sum(process.cpu_times()[:2])
    end = time.monotonic() + 0.5
    until(lambda: time.monotonic() > end)
    assert process.num_ctx_switches().voluntary - switches < 10
    assert sum(process.cpu_times()[:2]) - cpu < 0.05
