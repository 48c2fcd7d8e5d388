# SPDX-License-Identifier: Apache-2.0
"""A real PortAudio on a virtual microphone; what no machine has at will is simulated."""

import builtins
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from launching import run_python
from virtual_microphone import RATE, VirtualMicrophone, missing

from robot_face_gen.features import microphone, sound_card
from robot_face_gen.features.microphone import MicrophoneSource

BLOCK = RATE // 50


@pytest.fixture
def room(tmp_path, monkeypatch):
    if reason := missing():
        pytest.skip(f'no virtual microphone: {reason}')
    room = VirtualMicrophone(tmp_path)
    for name, value in room.environment.items():
        monkeypatch.setenv(name, value)
    yield room
    room.kill()


@pytest.fixture
def source(room):
    source = MicrophoneSource(retry_s=0.1)
    yield source
    source.close()


def listen(source, until, limit_s=30.0):
    """Blocks and their arrivals until the condition holds of them."""
    heard, deadline = [], time.monotonic() + limit_s
    while not until(heard):
        assert time.monotonic() < deadline, (source.trouble, source.counters, len(heard))
        block = source.read(0.05)
        if block is not None:
            heard.append((block, time.time_ns()))
    return heard


@pytest.mark.real_time
def test_hears_what_is_played_loses_the_server_and_hears_again(room, source):
    listen(source, lambda heard: source.trouble)
    assert source.trouble == 'no microphone: this machine has no sound input'
    room.start()
    listen(source, lambda heard: len(heard) > 5)
    listen(source, lambda heard: not source.trouble)

    sound = np.random.default_rng(0).uniform(-0.3, 0.3, 4 * RATE).astype(np.float32)
    room.play(sound)
    heard = listen(source, lambda heard: len(heard) == 125)
    blocks = [block for block, _ in heard]
    assert {(len(b.samples), b.samples.dtype.name, b.sample_rate) for b in blocks} == {
        (BLOCK, 'float32', RATE)
    }
    assert set(np.diff([b.first_sample for b in blocks])) == {BLOCK}
    steps_ms = np.diff([b.stamp_ns for b in blocks]) / 1e6
    assert steps_ms.min() >= 15 and steps_ms.max() <= 25 and abs(steps_ms.mean() - 20) < 1
    # In real time: a block comes when its sound is over, and not before.
    ages_ms = np.array([now - b.stamp_ns for b, now in heard]) / 1e6
    assert 10 < np.median(ages_ms) < 150
    # The very sound: piece by piece, at one place of the recording.
    got = np.concatenate([b.samples for b in blocks])
    begin = int(np.flatnonzero(np.abs(got) > 1e-3)[0])
    got = got[begin:]
    matches = 0
    for at in range(0, len(got) - RATE // 4, RATE // 4):
        piece = got[at : at + RATE // 4]
        spectrum = np.fft.rfft(sound, 2**18) * np.conj(np.fft.rfft(piece, 2**18))
        found = int(np.argmax(np.fft.irfft(spectrum)))
        played = sound[found : found + len(piece)]
        matches += len(played) == len(piece) and np.corrcoef(piece, played)[0, 1] > 0.9
    assert matches >= 3, matches  # a server without a processor skips; most of it is there

    room.kill()
    listen(source, lambda heard: source.counters['losses'] == 1 and source.trouble, 10)
    listen(source, lambda heard: 'no sound input' in source.trouble, 10)
    room.start()
    again = listen(source, lambda heard: len(heard) == 30)
    assert source.counters['opens'] == 2
    first, last = again[0][0], blocks[-1]
    away_s = (first.stamp_ns - last.stamp_ns) / 1e9
    assert away_s > 0.2
    assert (first.first_sample - last.first_sample) / RATE == pytest.approx(away_s, abs=0.02)
    assert set(np.diff([b.first_sample for b, _ in again])) == {BLOCK}
    assert not source.trouble


@pytest.mark.real_time
def test_names_of_devices(room):
    room.start()
    sound_card.look_again()
    assert sound_card.find_device(' PULSE ') == sound_card.find_device('pulse')
    with pytest.raises(
        OSError, match=r"^no microphone 'no such card'; expected one of \d+: \w+"
    ) as e:
        sound_card.find_device('no such card')
    assert 'pulse' in str(e.value) and '\n' not in str(e.value)
    source = MicrophoneSource('pulse', sample_rate=None, block_s=0.04)
    try:
        ((block, _),) = listen(source, lambda heard: heard)
    finally:
        source.close()
    assert block.sample_rate == source.sample_rate > 8000
    assert len(block.samples) == round(0.04 * block.sample_rate)


HANGS = """
import os, signal, sys, time
from robot_face_gen.features.microphone import MicrophoneSource
source = MicrophoneSource(retry_s=0.1)
while source.read(0.1) is None: pass
os.kill(int(sys.argv[1]), signal.SIGSTOP)
while not source.trouble: source.read(0.1)
print(source.trouble)
begin = time.monotonic()
source.close()
assert source.ended and source.read(1.0) is None
assert time.monotonic() - begin < 5
"""


@pytest.mark.real_time
def test_a_sound_server_that_hangs_holds_up_nobody(room):
    room.start()
    try:
        done = subprocess.run(
            [sys.executable, '-c', HANGS, str(room.server.pid)],
            capture_output=True, text=True, timeout=40, env=os.environ | room.environment,
        )  # fmt: skip
    finally:
        room.server.send_signal(signal.SIGCONT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == 'the microphone has stopped\n'
    assert 'Traceback' not in done.stderr


LOGS = """
import os, threading
from robot_face_gen.features import sound_card
sound_card.load()
done, lines = threading.Event(), 0
def log():
    global lines
    while not done.wait(0.001):
        lines += os.write(2, b'a line\\n') == 7
logging = threading.Thread(target=log)
logging.start()
for _ in range(5): sound_card.look_again()
done.set()
logging.join()
print(lines)
"""


def test_what_is_logged_while_devices_are_looked_for_is_not_lost():
    """sounddevice mutes standard error meanwhile; nor do ALSA and JACK print what they miss."""
    try:
        sound_card.load()
    except OSError as error:
        pytest.skip(str(error))
    done = run_python(LOGS)
    assert done.returncode == 0, done.stderr
    assert done.stderr == 'a line\n' * int(done.stdout) != ''


@pytest.mark.parametrize(
    ('error', 'words'),
    [
        (OSError('PortAudio library not found'), 'PortAudio is missing: .*libportaudio2'),
        (ImportError('no'), 'sounddevice is missing: pip install sounddevice'),
    ],
)
def test_a_missing_library_is_said_in_one_line(monkeypatch, error, words):
    usual = builtins.__import__

    def fails(name, *args, **kwargs):
        if name == 'sounddevice':
            raise error
        return usual(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', fails)
    with pytest.raises(OSError, match=f'^{words}$'):
        sound_card.find_device(None)
    source = MicrophoneSource(retry_s=0.01)
    listen(source, lambda heard: source.counters['failed_opens'] > 2)
    source.close()
    assert source.trouble.startswith(str(words)[:12]) and source.counters['opens'] == 0


class FakeError(Exception):
    """In PortAudioError's place."""


def fake_sounddevice(*inputs, default=-1, streams=None):
    devices = [{'name': 'HDMI 1 out', 'max_input_channels': 0}]
    devices += [{'name': name, 'max_input_channels': 1} for name in inputs]
    return SimpleNamespace(
        query_devices=lambda *args: {'default_samplerate': 44100.0} if args else devices,
        default=SimpleNamespace(device=[default, -1]), PortAudioError=FakeError,
        InputStream=streams)  # fmt: skip


def test_a_number_is_a_number_and_not_a_part_of_a_name(monkeypatch):
    fake = fake_sounddevice('card 2', 'USB mic', 'USB', default=2)
    monkeypatch.setattr(sound_card, 'load', lambda: fake)
    assert sound_card.find_device('2') == 2
    assert sound_card.find_device('card') == 1
    assert sound_card.find_device('usb') == 3  # the whole name before a part
    assert sound_card.find_device(None) == sound_card.find_device(' ') == 2
    with pytest.raises(OSError, match="no microphone '0'; expected one of 1: card 2, 2: USB mic"):
        sound_card.find_device('0')  # it has no input
    monkeypatch.setattr(sound_card, 'load', lambda: fake_sounddevice('card 2'))
    assert sound_card.find_device(None) == 1  # no default, but one there
    monkeypatch.setattr(sound_card, 'load', fake_sounddevice)
    with pytest.raises(OSError, match=r'^no microphone: this machine has no sound input$'):
        sound_card.find_device('card')


def test_a_rate_that_the_card_does_not_have_becomes_its_own(monkeypatch):
    rates = []

    class Stream:
        def __init__(self, samplerate, **kwargs):
            rates.append(samplerate)
            if samplerate != 44100:
                raise FakeError('Invalid sample rate', -9997)
            assert kwargs['blocksize'] == 882

        def start(self):
            pass

        def close(self):
            rates.append('closed')

    fake = fake_sounddevice('card', streams=Stream)
    monkeypatch.setattr(sound_card, 'load', lambda: fake)
    sound_card.open_input(None, 16000, 0.02, print, print)
    assert rates == [16000, 44100]
    Stream.start = lambda self: (_ for _ in ()).throw(FakeError('Device\n gone'))
    with pytest.raises(OSError, match=r'^the microphone cannot be opened: Device gone$'):
        sound_card.open_input(None, 44100, 0.02, print, print)
    assert rates == [16000, 44100, 44100, 'closed']


@pytest.fixture
def driven(monkeypatch):
    """A source whose blocks the test itself delivers."""
    opened = threading.Event()
    handle = SimpleNamespace(
        streams=0, now_ns=1_000_000_000_000, stream=SimpleNamespace(abort=int, close=int)
    )

    def open_input(device, rate, block_s, callback, finished):
        handle.callback, handle.finished = callback, finished
        handle.streams += 1
        opened.set()
        return handle.stream

    monkeypatch.setattr(microphone, 'open_input', open_input)
    monkeypatch.setattr(microphone, 'look_again', lambda: None)
    source = MicrophoneSource(retry_s=0.01, clock=lambda: handle.now_ns)
    assert source.read(0) is None
    assert opened.wait(10)
    yield source, handle
    source.close()


def test_blocks_that_nobody_reads_are_bounded_and_counted(driven):
    source, handle = driven
    for number in range(600):
        handle.callback(np.full(BLOCK, number, np.float32), RATE, number == 3)
    blocks = listen(source, lambda heard: len(heard) == 500)
    assert source.read(0) is None
    assert [b.samples[0] for b, _ in blocks] == list(range(100, 600))
    assert [b.first_sample for b, _ in blocks] == [BLOCK * n for n in range(100, 600)]
    assert source.counters['dropped_blocks'] == 100 and source.counters['overflows'] == 1


def test_a_device_that_ends_or_falls_silent_is_opened_again(driven):
    source, handle = driven
    late = handle.callback
    handle.callback(np.zeros(BLOCK, np.float32), RATE, False)
    handle.finished()
    listen(source, lambda heard: handle.streams == 2, 5)
    late(np.ones(BLOCK, np.float32), RATE, False)  # of the stream before: not wanted any more
    handle.callback(np.zeros(BLOCK, np.float32), RATE, False)
    ((block, _),) = listen(source, lambda heard: heard)
    assert not block.samples.any()
    listen(source, lambda heard: handle.streams == 3, 5)  # half a second without a block
    assert source.counters['losses'] == 2
    handle.stream.abort = lambda: 1 / 0
    handle.finished()
    listen(source, lambda heard: handle.streams == 4, 5)
    assert source.counters['failed_closes'] == 1


def test_stamps_follow_a_clock_that_is_set(driven):
    source, handle = driven
    stamps = []
    for step_ns in (0, 0, -3_600_000_000_000, 0, 7_200_000_000_000):
        handle.now_ns += step_ns
        handle.callback(np.zeros(BLOCK, np.float32), RATE, False)
        ((block, _),) = listen(source, lambda heard: heard)
        stamps.append(block.stamp_ns - handle.now_ns)
    assert np.abs(stamps).max() < 200_000_000


@pytest.mark.parametrize(
    'wrong', [{'block_s': 0.0}, {'block_s': 60.0}, {'retry_s': -1.0}, {'retry_s': float('nan')}]
)
def test_impossible_numbers_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f'^{name} = '):
        MicrophoneSource(**wrong)


def test_a_closed_microphone_gives_nothing_and_needs_no_opening():
    source = MicrophoneSource()
    source.close()
    assert source.ended and source.read(1.0) is None and source.counters['opens'] == 0
