# SPDX-License-Identifier: Apache-2.0
"""Recordings that are played in real time: which samples are due when."""

import tracemalloc

import numpy as np
import pytest
from sound_files import write_wav

from robot_face_gen.features.audio_source import SECOND_NS, AudioFileSource

RATE = 22050
SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)


BEGIN = 5 * SECOND_NS


@pytest.fixture
def play(tmp_path):
    def play(sound=SOUND, rate=RATE, **options):
        write_wav(tmp_path / 'voice.wav', sound, rate)
        return AudioFileSource(tmp_path / 'voice.wav', start_time_ns=BEGIN, **options)

    return play


def blocks_of(source):
    """All blocks, and when they were due."""
    heard = []
    while (due_ns := source.next_due_ns) is not None:
        heard.append((source.take(), due_ns))
    return heard


def test_every_sample_once_at_its_time_without_drift(play):
    source = play(chunk_s=0.02)
    heard = blocks_of(source)
    blocks = [block for block, _ in heard]
    assert np.array_equal(np.concatenate([b.samples for b in blocks]), SOUND)
    assert [b.first_sample for b in blocks] == list(range(0, RATE, 441))
    assert [b.stamp_ns for b in blocks] == [
        BEGIN + b.first_sample * SECOND_NS // RATE for b in blocks
    ]
    # Each is due when its last sample has been captured.
    late_ns = [due - b.stamp_ns - len(b.samples) * SECOND_NS / RATE for b, due in heard]
    assert max(map(abs, late_ns)) <= 1
    assert source.ended and source.take() is None


def test_at_another_speed_rate_and_stamps_agree(play):
    source = play(speed=2.0)
    heard = blocks_of(source)
    blocks = [block for block, _ in heard]
    assert {b.sample_rate for b in blocks} == {2 * RATE} == {source.sample_rate}
    assert [b.stamp_ns for b in blocks] == [
        BEGIN + b.first_sample * SECOND_NS // (2 * RATE) for b in blocks
    ]
    assert heard[-1][1] - BEGIN == pytest.approx(0.5 * SECOND_NS, abs=1)


def test_a_loop_goes_on_in_numbers_and_stamps(play):
    source = play(loop=True, chunk_s=0.03)
    heard = [source.take() for _ in range(80)]
    joined = np.concatenate([b.samples for b in heard])
    assert np.array_equal(joined[RATE : 2 * RATE], SOUND)
    ends = [b.first_sample + len(b.samples) for b in heard]
    assert [b.first_sample for b in heard[1:]] == ends[:-1]
    assert not source.ended
    source.close()
    assert source.ended and source.next_due_ns is None and source.take() is None


@pytest.mark.parametrize(
    'wrong',
    [{'speed': 0.0}, {'speed': float('nan')}, {'speed': float('inf')}, {'speed': 1e-3},
     {'speed': 100.0}, {'chunk_s': 0.0}, {'chunk_s': float('nan')}],
)  # fmt: skip
def test_impossible_numbers_are_refused_by_name(play, wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f'^{name} = .*expected'):
        play(**wrong)


def test_a_loop_is_filled_with_silence_to_the_period(play):
    source = play(loop=True, chunk_s=0.03, period_s=1.5)
    heard = [source.take() for _ in range(120)]
    joined = np.concatenate([b.samples for b in heard])
    period = round(1.5 * RATE)
    assert np.array_equal(joined[:RATE], SOUND) and not joined[RATE:period].any()
    assert np.array_equal(joined[period : period + RATE], SOUND)
    ends = [b.first_sample + len(b.samples) for b in heard]
    assert [b.first_sample for b in heard[1:]] == ends[:-1]
    shorter = play(loop=True, period_s=0.1)
    joined = np.concatenate([shorter.take().samples for _ in range(100)])
    assert np.array_equal(joined[RATE : RATE + 9000], SOUND[:9000])


def test_a_file_is_decoded_while_it_is_played(tmp_path):
    """An hour of sound needs no more memory than a second."""
    write_wav(tmp_path / 'long.wav', np.zeros(30 * 60 * 8000, np.int16), 8000)
    tracemalloc.start()
    source = AudioFileSource(tmp_path / 'long.wav', chunk_s=1.0)
    assert sum(len(source.take().samples) for _ in range(300)) == 2_400_000
    assert tracemalloc.get_traced_memory()[1] < 6e6
    tracemalloc.stop()


def test_impossible_samples_are_silenced_and_counted(play):
    sound = SOUND.copy()
    sound[RATE // 2] = np.nan
    source = play(sound, chunk_s=1.0)
    assert source.take().samples[RATE // 2] == 0 and source.counters['bad_samples'] == 1


@pytest.mark.parametrize('samples', [1, 3, 319])
def test_a_loop_of_a_sound_shorter_than_a_block_gives_whole_blocks(tmp_path, samples):
    """One message for each sample would be 16,000 a second."""
    sound = np.linspace(0.1, 0.4, samples).astype(np.float32)
    path = tmp_path / 'short.wav'
    write_wav(path, sound, 16000)
    source = AudioFileSource(path, loop=True, start_time_ns=0)
    blocks = [source.take() for _ in range(20)]
    assert [len(block.samples) for block in blocks] == [320] * 20
    assert [block.first_sample for block in blocks] == list(range(0, 6400, 320))
    heard = np.concatenate([block.samples for block in blocks])
    assert np.allclose(heard, np.resize(sound, 6400), atol=1e-3)


@pytest.mark.parametrize('period_s', [0.0, 1.5])
def test_rounds_of_a_loop_are_left_out_after_a_jump_of_the_clock(play, period_s):
    """As if they had been played: the sound after an hour is the one that belongs there."""
    source, other = (play(loop=True, chunk_s=0.05, period_s=period_s) for _ in '12')
    for each in (source, other):
        for _ in range(45):  # into the third second
            each.take()
    rounds_s = 360 * (period_s or 1.0)
    jumped_ns = source.next_due_ns + round(rounds_s * SECOND_NS) + SECOND_NS // 10
    skipped = source.skip_rounds(jumped_ns)
    assert skipped == rounds_s * RATE
    assert source.skip_rounds(jumped_ns) == 0
    for _ in range(100):
        jumped, played = source.take(), other.take()
        assert np.array_equal(jumped.samples, played.samples)
        assert jumped.first_sample - played.first_sample == skipped
        assert jumped.stamp_ns - played.stamp_ns == round(rounds_s * SECOND_NS)
