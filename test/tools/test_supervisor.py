"""Launch files carried out: real processes, signals, deaths."""

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
import sys
from launch import LaunchDescription
from launch.actions import *
from launch.event_handlers import *
from launch.events.process import SignalProcess, matches_name
from launch.substitutions import *
import signal

def python(code, name='p', **kwargs):
    return ExecuteProcess(cmd=[sys.executable, '-u', '-c', code], name=name,
                          **{'output': 'screen', **kwargs})

# Says 'up' once it can be told to end, and then waits.
WAIT = '''
import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
print("up", flush=True)
while True: signal.pause()
'''
STUBBORN = '''
import signal
for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)
print("up", flush=True)
while True: signal.pause()
'''

def generate_launch_description():
    return LaunchDescription([
"""


class Launch:
    """`robot-face-gen bringup` with a launch file of the test's."""

    def __init__(self, folder, actions, *arguments):
        self.file = folder / 'test.launch.py'
        self.file.write_text(HEAD + textwrap.indent(textwrap.dedent(actions), '        ') + '])\n')
        self.log = folder / 'log'
        with self.log.open('wb') as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, '-m', 'robot_face_gen.cli', 'bringup'),
                    *('--launch-file', str(self.file), *arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
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
        return self.process.wait(20)


@pytest.fixture
def launch(tmp_path):
    started = []

    def start(actions, *arguments):
        started.append(Launch(tmp_path, actions, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_output_has_the_name_before_it_and_the_launch_ends_with_its_processes(launch):
    running = launch(
        """
        python('print("a"); print("b"); import sys; print("c", file=sys.stderr)', 'first'),
        python('print("hidden"); import sys; print("shown", file=sys.stderr)', 'second',
               output='log'),
        LogInfo(msg=['said ', TextSubstitution(text='so')]),
        """
    )
    assert running.end() == 0
    lines = running.text().splitlines()
    assert '[INFO] [launch.user]: said so' in lines
    for line in ('[first-1] a', '[first-1] b', '[first-1] c', '[second-2] shown'):
        assert line in lines
    assert not any('hidden' in line for line in lines)
    assert sum('process has finished cleanly' in line for line in lines) == 2


def test_very_long_and_unfinished_lines_come_whole(launch):
    running = launch('python(\'print("x" * 300_000); print("no end", end="")\'),')
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
def test_a_death_is_told_with_its_code_and_remembered(launch, code, told):
    running = launch(f'python({code!r}),')
    assert running.end() == 1
    assert re.search(rf'\[ERROR\] \[p-1\]: process has died \[pid \d+, {told} cmd', running.text())


def test_a_program_that_is_not_there_is_told_and_others_go_on(launch):
    running = launch("ExecuteProcess(cmd=['/no/such']), python('print(\"here\")'),")
    assert running.end() == 1
    assert re.search(r'\[such-1\]: process could not be started: .*/no/such', running.text())
    assert '[p-2] here' in running.text()


def test_a_launch_file_that_fails_ends_what_it_has_started(launch):
    running = launch(
        "python(WAIT), DeclareLaunchArgument('a', default_value='b', choices=['b']),"
        "ExecuteProcess(cmd=[LaunchConfiguration('nix')]),"
    )
    assert running.end() == 2
    assert (
        "Caught exception in launch: launch configuration 'nix' does not exist" in running.text()
    )


def test_respawn_until_it_lives(launch, tmp_path):
    code = f"""
import os, time
path = {str(tmp_path / 'starts')!r}
with open(path, 'a') as file: file.write(f'{{time.monotonic()}}\\n')
if len(open(path).readlines()) < 3: os._exit(1)
"""
    running = launch(f'python({code!r} + WAIT, respawn=True, respawn_delay=0.3),')
    running.says(r'^\[p-1\] up')
    starts = [float(line) for line in (tmp_path / 'starts').read_text().splitlines()]
    assert len(starts) == 3
    assert all(after - before >= 0.3 for before, after in pairwise(starts))
    assert running.end(signal.SIGINT) == 0, 'the last one ended as asked'


def test_respawn_gives_up_after_its_retries(launch):
    running = launch("python('raise SystemExit(4)', respawn=True, respawn_max_retries=2),")
    assert running.end() == 1
    assert running.text().count('process started') == 3


def test_the_end_of_a_required_process_ends_all(launch):
    running = launch(
        """
        python(WAIT, 'other'),
        python('input_closed = 1', 'needed', on_exit=Shutdown(reason='it was needed')),
        """
    )
    assert running.end() == 0
    assert 'process[needed-2] was required: shutting down' in running.text()
    assert re.search(r'\[other-1\]: process has finished cleanly', running.text())


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_all_cleanly(launch, number):
    running = launch("python(WAIT, 'a'), python(WAIT, 'b', respawn=True),")
    running.says(r'^\[a-1\] up')
    running.says(r'^\[b-2\] up')
    pids = [running.pid('a-1'), running.pid('b-2')]
    assert running.end(number) == 0
    assert not any(map(is_alive, pids))
    assert running.text().count('process has finished cleanly') == 2
    assert 'Traceback' not in running.text()


def test_a_stubborn_process_is_killed_in_steps(launch):
    running = launch('python(STUBBORN),', 'sigterm_timeout:=0.2', 'sigkill_timeout:=0.2')
    running.says(r'^\[p-1\] up')
    pid = running.pid('p-1')
    assert running.end(signal.SIGINT) == 1
    assert not is_alive(pid)
    text = running.text()
    assert "'0.2' seconds after receiving 'SIGINT', escalating to 'SIGTERM'" in text
    assert "'0.2' seconds after receiving 'SIGTERM', escalating to 'SIGKILL'" in text
    assert 'exit code -9 (SIGKILL)' in text


def test_ctrl_c_again_does_not_wait(launch):
    running = launch('python(STUBBORN),', 'sigterm_timeout:=60', 'sigkill_timeout:=60')
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


def test_what_a_process_leaves_behind_goes_with_it(launch):
    running = launch(f'python({CHILD!r}),')
    child = int(running.says(r'child (\d+)')[1])
    assert running.end() == 0
    until(lambda: not is_alive(child), what='the end of the grandchild')


def test_nothing_is_left_when_the_launch_is_killed(launch):
    running = launch(f"python({CHILD!r} + STUBBORN, 'a'), python(STUBBORN, 'b'),")
    child = int(running.says(r'child (\d+)')[1])
    running.says(r'^\[a-1\] up')
    running.says(r'^\[b-2\] up')
    tree = [one.pid for one in psutil.Process(running.process.pid).children(recursive=True)]
    assert {child, running.pid('a-1'), running.pid('b-2')} < set(tree)
    assert running.end(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: not any(map(is_alive, tree)), what='the end of all')


@pytest.mark.skipif(sys.platform != 'linux', reason="the parent-death signal is Linux' own")
def test_processes_die_with_the_launch_even_if_their_guard_is_gone(launch):
    running = launch('python(STUBBORN),')
    running.says(r'^\[p-1\] up')
    pid = running.pid('p-1')
    for one in psutil.Process(running.process.pid).children():
        if one.pid != pid:
            one.kill()
            until(lambda one=one: not is_alive(one.pid))
    running.end(signal.SIGKILL)
    until(lambda: not is_alive(pid), what='the end of the process')


def test_events_start_and_stop_things(launch):
    running = launch(
        """
        TimerAction(period=0.05, actions=[
            LogInfo(msg='time is up'), first := python('print("first")', 'first')]),
        RegisterEventHandler(OnProcessExit(target_action=first, on_exit=[
            LogInfo(msg=['gone: ', LocalSubstitution('event.process_name')]),
            python(WAIT, 'second'),
        ])),
        RegisterEventHandler(OnProcessIO(on_stdout=lambda event: EmitEvent(event=SignalProcess(
            signal_number=signal.SIGINT, process_matcher=matches_name('second-2')))
            if event.text == b'up\\n' else None)),
        RegisterEventHandler(OnProcessStart(on_start=lambda event, context: LogInfo(
            msg=f'started {event.process_name} {event.pid > 0}'))),
        TimerAction(period=60.0, actions=[LogInfo(msg='too late')]),
        RegisterEventHandler(OnProcessExit(
            target_action=lambda action: action.final_name.startswith('second'),
            on_exit=Shutdown(reason='done'))),
        RegisterEventHandler(OnShutdown(on_shutdown=LogInfo(msg='shutting down'))),
        """
    )
    assert running.end() == 0
    told = re.findall(r'^\[INFO\] \[launch.user\]: (.*)', running.text(), re.MULTILINE)
    assert {'gone: first-1', 'started first-1 True', 'started second-2 True'} <= set(told)
    assert {'time is up', 'shutting down'} <= set(told)
    assert 'too late' not in told


def test_waiting_costs_next_to_nothing(launch):
    running = launch('python(WAIT),')
    running.says(r'^\[p-1\] up')
    process = psutil.Process(running.process.pid)
    switches, cpu = process.num_ctx_switches().voluntary, sum(process.cpu_times()[:2])
    end = time.monotonic() + 0.5
    until(lambda: time.monotonic() > end)
    assert process.num_ctx_switches().voluntary - switches < 10, 'it looks again and again'
    assert sum(process.cpu_times()[:2]) - cpu < 0.05
