# SPDX-License-Identifier: Apache-2.0
"""Recordings that are played in real time, by a clock of the test's own."""

import numpy as np
import pytest
import soundfile

from robot_face_gen.features.audio_source import SECOND_NS, AudioFileSource, read_audio

RATE = 22050
SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)


class Clock:
    """Time that passes while somebody sleeps, and 3 ms more: nobody wakes in time."""

    def __init__(self):
        self.now_ns, self.slept_s = 5 * SECOND_NS, []

    def __call__(self):
        return self.now_ns

    def sleep(self, seconds):
        self.slept_s.append(seconds)
        self.now_ns += round(seconds * SECOND_NS) + 3_000_000


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def play(clock, tmp_path):
    def play(sound=SOUND, rate=RATE, **options):
        soundfile.write(tmp_path / 'voice.wav', sound, rate, subtype='FLOAT')
        return AudioFileSource(tmp_path / 'voice.wav', clock=clock, sleep=clock.sleep, **options)

    return play


def blocks_of(source, clock):
    heard = []
    while not source.ended:
        if (block := source.read(1.0)) is not None:
            heard.append((block, clock.now_ns))
    return heard


def test_every_sample_once_at_its_time_without_drift(play, clock):
    begin = clock.now_ns
    heard = blocks_of(play(chunk_s=0.02), clock)
    blocks = [block for block, _ in heard]
    assert np.array_equal(np.concatenate([b.samples for b in blocks]), SOUND)
    assert [b.first_sample for b in blocks] == list(range(0, RATE, 441))
    assert [b.stamp_ns for b in blocks] == [
        begin + b.first_sample * SECOND_NS // RATE for b in blocks
    ]
    # Each comes when its last sample has been captured, and the 3 ms never add up.
    late_ns = [now - b.stamp_ns - len(b.samples) * SECOND_NS / RATE for b, now in heard]
    assert min(late_ns) >= 0 and max(late_ns) <= 3_000_001
    assert len(clock.slept_s) == len(blocks)


def test_at_another_speed_rate_and_stamps_agree(play, clock):
    begin = clock.now_ns
    source = play(speed=2.0)
    blocks = [block for block, _ in blocks_of(source, clock)]
    assert {b.sample_rate for b in blocks} == {2 * RATE} == {source.sample_rate}
    assert [b.stamp_ns for b in blocks] == [
        begin + b.first_sample * SECOND_NS // (2 * RATE) for b in blocks
    ]
    assert clock.now_ns - begin == pytest.approx(0.5 * SECOND_NS, abs=4_000_000)


def test_a_loop_goes_on_in_numbers_and_stamps(play, clock):
    source = play(loop=True, chunk_s=0.03)
    heard = [source.take() for _ in range(80)]
    joined = np.concatenate([b.samples for b in heard])
    assert np.array_equal(joined[RATE : 2 * RATE], SOUND)
    ends = [b.first_sample + len(b.samples) for b in heard]
    assert [b.first_sample for b in heard[1:]] == ends[:-1]
    assert not source.ended
    source.close()
    assert source.ended and source.read(1.0) is None and source.take() is None


def test_a_beginning_in_the_future_is_waited_for(play, clock):
    begin = clock.now_ns + SECOND_NS
    source = play(start_time_ns=begin)
    assert source.read(0.2) is None and clock.slept_s == [0.2]
    block = blocks_of(source, clock)[0][0]
    assert block.stamp_ns == begin and block.first_sample == 0
    assert source.next_due_ns is None and source.read(1.0) is None


def test_who_comes_late_gets_all_blocks_at_once(play, clock):
    source = play()
    clock.now_ns += 10 * SECOND_NS
    assert len(blocks_of(source, clock)) == 50 and not clock.slept_s


@pytest.mark.parametrize(
    'wrong',
    [{'speed': 0.0}, {'speed': float('nan')}, {'speed': float('inf')}, {'speed': 1e-3},
     {'speed': 100.0}, {'chunk_s': 0.0}, {'chunk_s': float('nan')}],
)  # fmt: skip
def test_impossible_numbers_are_refused_by_name(play, wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f'^{name} = .*expected'):
        play(**wrong)


@pytest.mark.parametrize(
    ('name', 'subtype', 'tolerance'),
    [('a.wav', 'PCM_16', 1e-4), ('a.wav', 'PCM_U8', 1e-2), ('a.wav', 'DOUBLE', 1e-6),
     ('a.flac', 'PCM_24', 1e-6), ('a.ogg', 'VORBIS', None)],
)  # fmt: skip
def test_formats_and_channels(tmp_path, name, subtype, tolerance):
    left = np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE) * 0.4
    soundfile.write(tmp_path / name, np.stack((left, 0.5 * left), 1), RATE, subtype=subtype)
    samples, rate = read_audio(tmp_path / name)
    assert (samples.dtype, samples.ndim, rate, len(samples)) == (np.float32, 1, RATE, RATE)
    if tolerance is None:
        assert np.corrcoef(samples, left)[0, 1] > 0.99
    else:
        assert np.abs(samples - 0.75 * left).max() < tolerance


def test_files_that_are_no_sound_are_one_clear_line(tmp_path):
    (tmp_path / 'text.wav').write_text('hello')
    (tmp_path / 'nothing.flac').write_bytes(b'')
    (tmp_path / 'a.raw').write_bytes(b'1234')
    soundfile.write(tmp_path / 'empty.wav', np.zeros(0), RATE)
    soundfile.write(tmp_path / 'nan.wav', np.array([0.0, np.nan]), RATE, subtype='FLOAT')
    loud = np.array([0.0, 30000.0])
    soundfile.write(tmp_path / 'loud.wav', loud, RATE, subtype='FLOAT')
    soundfile.write(tmp_path / 'slow.wav', np.zeros(9), 500)
    for name, words in (
        ('text.wav', 'no sound file that can be read'), ('nothing.flac', 'no sound file'),
        ('a.raw', 'no sound file'), ('empty.wav', 'holds no sound'),
        ('nan.wav', 'holds 1 samples that are no finite numbers, the first at 0.0'),
        ('loud.wav', r'holds samples of up to 3e\+04: expected -1 to 1'),
        ('slow.wav', '500 Hz: expected'),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words) as error:
            read_audio(tmp_path / name)
        assert str(error.value).startswith(f'{tmp_path / name}: ')
        assert '\n' not in str(error.value)
    for missing in (tmp_path / 'no.wav', tmp_path):
        with pytest.raises(FileNotFoundError, match='no such sound file'):
            read_audio(missing)


def test_a_recording_that_was_cut_off_gives_what_there_is(tmp_path):
    soundfile.write(tmp_path / 'a.wav', SOUND, RATE, subtype='FLOAT')
    whole = (tmp_path / 'a.wav').read_bytes()
    (tmp_path / 'a.wav').write_bytes(whole[: len(whole) // 2])
    samples, _ = read_audio(tmp_path / 'a.wav')
    assert RATE // 3 < len(samples) < RATE
    assert np.array_equal(samples, SOUND[: len(samples)])


def test_a_real_voice(real_recordings):
    samples, rate = read_audio(real_recordings.audio)
    assert rate >= 16000 and len(samples) > 5 * rate and 0.1 < np.abs(samples).max() <= 1.0
