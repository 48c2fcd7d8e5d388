# SPDX-License-Identifier: Apache-2.0
"""Embeddings of an endless sound: the same in any cut, at exact times, whatever comes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.model import AudioEncoder, ModelDimensions

from robot_face_gen.features.log_mel import LogMel
from robot_face_gen.features.whisper_cache import UNTRAINED
from robot_face_gen.features.whisper_encoder import WhisperEncoder
from robot_face_gen.features.whisper_stream import WhisperStream, embed_recording

RATE = 16000
SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND + 123
MS = 1_000_000


@pytest.fixture(scope='module')
def encoder():
    return WhisperEncoder.from_name_or_path(UNTRAINED)


def noise(seconds, rate=RATE, seed=0):
    count = round(seconds * rate)
    return np.random.default_rng(seed).uniform(-0.3, 0.3, count).astype(np.float32)


def stream(encoder, hop_s=0.04, context_s=0.2, settle_s=0.0, **options):
    return WhisperStream(encoder, hop_s, context_s, settle_s, **options)


def joined(blocks):
    """Times of single embeddings, and the embeddings."""
    times = [b.stamp_ns + i * 20 * MS for b in blocks for i in range(len(b.data))]
    return np.array(times), np.concatenate([b.data for b in blocks])


def chunks(sound, rate=RATE, size=None, begin=BEGIN, first=0):
    size = size or rate // 50
    for at in range(0, len(sound), size):
        yield sound[at : at + size], rate, begin + at * SECOND // rate, first + at


def push_all(stream, pieces):
    return [block for piece in pieces for block in stream.push(*piece)]


@settings(deadline=None, max_examples=12)
@given(
    st.lists(st.integers(0, 13000), max_size=20),
    st.sampled_from([(0.04, 0.2, 0.0), (0.02, 0.1, 0.04), (0.08, 0.4, 0.02)]),
    st.sampled_from([RATE, 22050]),
)
def test_live_equals_offline_in_any_cut(encoder, cuts, numbers, rate):
    sound = noise(0.6, rate)
    hop_s, context_s, settle_s = numbers
    offline = embed_recording(sound, rate, encoder, stamp_ns=BEGIN, hop_s=hop_s,
                              context_s=context_s, settle_s=settle_s)  # fmt: skip
    live, blocks, at = WhisperStream(encoder, *numbers), [], 0
    for part in np.split(sound, sorted(min(cut, len(sound)) for cut in cuts)):
        blocks += live.push(part, rate, BEGIN + at * SECOND // rate, at)
        at += len(part)
    (times, data), (expected_times, expected) = joined(blocks), joined(offline)
    assert np.abs(data - expected).max() < 1e-4
    assert np.abs(times - expected_times).max() <= 2
    assert {b.data.shape for b in blocks} == {(round(hop_s * 50), 384)}
    assert {b.rate_hz for b in blocks} == {50.0}
    assert not live.counters


def test_the_defaults_of_what_checkpoints_are_trained_with(encoder):
    live = WhisperStream(encoder)
    assert live.description() == {'hop_s': 0.04, 'context_s': 2.0, 'settle_s': 0.0}
    sound = noise(0.5)
    one = joined(live.push(sound, RATE, BEGIN, 0))
    two = joined(push_all(WhisperStream(encoder), chunks(sound)))
    assert np.abs(one[1] - two[1]).max() < 1e-4 and one[1].shape == (24, 384)


@pytest.mark.parametrize(
    ('hop_s', 'settle_s', 'delay_s'), [(0.04, 0.0, 0.04), (0.04, 0.1, 0.14), (0.16, 0.04, 0.2)]
)
def test_an_embedding_is_complete_20_ms_before_its_delay_is_over(
    encoder, hop_s, settle_s, delay_s
):
    live, latest_s = WhisperStream(encoder, hop_s, 0.4, settle_s), 0.0
    for index, part in enumerate(np.split(noise(1.0), 100)):  # 10 ms each
        now_s = (index + 1) / 100
        for block in live.push(part, RATE, BEGIN + index * 10 * MS, index * 160):
            first_ends_s = (block.stamp_ns - BEGIN) / SECOND + 0.02
            latest_s = max(latest_s, now_s - first_ends_s)
    assert live.delay_s == pytest.approx(delay_s)
    assert latest_s == pytest.approx(delay_s - 0.02)


@pytest.mark.parametrize('settle_s', [0.0, 0.04])
@pytest.mark.parametrize('click_at', [8000, 8260, 8320, 9000])
def test_a_click_changes_its_embedding_and_none_before(encoder, click_at, settle_s):
    sound = noise(1.0)
    clicked = sound.copy()
    clicked[click_at] += 0.9
    # (Whisper's window is all but closed for the last 3 ms of an embedding that does not settle.)
    # One hop an embedding: each is made as soon as its sound is there, and settled.
    one, two = (
        joined(embed_recording(s, RATE, encoder, stamp_ns=BEGIN, hop_s=0.02, context_s=0.2,
                               settle_s=settle_s)) for s in (sound, clicked)
    )  # fmt: skip
    mine = click_at // 320
    changed = np.abs(one[1] - two[1]).max(axis=1)
    settled = round(settle_s * 50)  # so far the sound behind it is waited for
    assert np.all(changed[: mine - settled] < 1e-5)
    assert changed[mine] > 1e-3
    begin_ns = one[0][mine]
    assert begin_ns <= BEGIN + click_at * SECOND // RATE < begin_ns + 20 * MS


@pytest.mark.parametrize('settle', [0, 1, 2])
def test_each_embedding_is_of_its_own_place_under_the_loudest_so_far(encoder, settle):
    # A burst, then silence: what silence is lowered to says how loud it was, and how long ago.
    sound = np.zeros(RATE, np.float32)
    sound[3000:4000] = noise(1.0)[:1000]
    blocks = WhisperStream(encoder, 0.02, 0.2, settle * 0.02).push(sound, RATE, BEGIN, 0)
    mel, frames, loudest, expected = LogMel(encoder.filters).push(sound), 20, -4.0, []
    whole = np.concatenate((np.full((frames, 80), -10.0, np.float32), mel))
    for done in range(1, len(mel) + 1):
        # A factor of 10 in 10 s is forgotten, but never so much that silence is the loudest.
        loudest = max(loudest - 0.001, float(mel[done - 1].max()), -4.0)
        if done % 2 == 0 and done // 2 > settle:
            floor = round(8 * loudest) / 8 - 8  # in steps of an eighth
            context = (np.maximum(whole[done : done + frames], floor) + 4) / 4
            place = frames // 2 - 1 - settle
            expected.append(encoder.encode(context.T[None].astype(np.float32))[0, place])
    assert len(expected) == 50 - settle
    times, data = joined(blocks)
    assert np.array_equal(times, BEGIN + np.arange(50 - settle) * 20 * MS)
    assert np.abs(data - np.array(expected)).max() < 1e-4


@settings(deadline=None, max_examples=10)
@given(st.integers(4000, 12000), st.sampled_from([RATE, 8000, 44100]))
def test_the_future_changes_nothing_that_was(encoder, change, rate):
    change = change * rate // RATE
    sound = noise(1.0, rate)
    other = sound.copy()
    other[change:] = noise(1.0, rate, seed=9)[change:]
    one, two = (joined(embed_recording(s, rate, encoder, context_s=0.2)) for s in (sound, other))
    look_ahead_s = 0.0 if rate == RATE else 12 / min(rate, RATE) + 1 / rate
    # A hop of 40 ms is made at its end from all of its sound.
    same = int((change / rate - look_ahead_s) / 0.04) * 2
    assert np.abs(one[1][:same] - two[1][:same]).max() < 1e-5
    assert np.abs(one[1][same + 4 :] - two[1][same + 4 :]).max() > 1e-2


@pytest.mark.parametrize('rate', [8000, 11025, 22050, 44100, 48000, 192000])
def test_any_rate_gives_the_same_sound_at_the_same_time(encoder, rate):
    def tone(rate):
        time = np.arange(round(0.8 * rate)) / rate
        return (0.4 * np.sin(2 * np.pi * (300 + 900 * time) * time)).astype(np.float32)

    times, data = joined(push_all(stream(encoder), chunks(tone(rate), rate)))
    expected_times, expected = joined(embed_recording(tone(RATE), RATE, encoder,
                                                      stamp_ns=BEGIN, context_s=0.2))  # fmt: skip
    count = len(times)
    assert len(expected) - count in (0, 2)  # the resampler's look-ahead may cost the last hop
    assert np.abs(times - expected_times[:count]).max() <= 2
    near = np.linalg.norm(data - expected[:count], axis=1)
    other = np.linalg.norm(data - expected[::-1][:count], axis=1)
    assert np.median(near) < 0.35 * np.median(other)


def test_channels_and_types_are_one_sound(encoder):
    mono = noise(0.4)
    expected = joined(stream(encoder).push(mono, RATE, BEGIN, 0))[1]
    left = (mono * 1.5, mono * 0.5)
    for sound, tolerance in (
        (np.stack(left, axis=1), 1e-3),
        (mono.astype(np.float64), 1e-6),
        (np.round(mono * 2.0**15).astype(np.int16), 0.05),
        (np.round(mono * 2.0**31).astype(np.int32), 1e-3),
        ((np.round(mono * 2.0**15) + 2**15).astype(np.uint16), 0.05),
        (np.stack([np.round(mono * 2.0**15).astype(np.int16)] * 2, axis=1), 0.05),
    ):
        live = stream(encoder)
        data = joined(live.push(sound, RATE, BEGIN, 0))[1]
        assert np.abs(data - expected).max() < tolerance, sound.dtype
        assert not live.counters['bad_samples']


@pytest.mark.parametrize(
    ('sound', 'words'),
    [
        (np.zeros((1, 2, 3)), r'samples of shape \(1, 2, 3\)'),
        (np.zeros((9, 0)), r'samples of shape \(9, 0\)'),
        (np.zeros(9, complex), 'samples of type complex128'),
        (np.array(['a']), 'samples of type <U1'),
    ],
)
def test_what_is_no_sound_is_refused_and_the_stream_goes_on(encoder, sound, words):
    good, live = noise(0.4), stream(encoder)
    blocks = live.push(good[:3200], RATE, BEGIN, 0)
    with pytest.raises(ValueError, match=words):
        live.push(sound, RATE, BEGIN, 3200)
    with pytest.raises(ValueError, match='sample_rate = 7'):
        live.push(good, 7, BEGIN, 3200)
    blocks += live.push(good[3200:], RATE, BEGIN + SECOND // 5, 3200)
    expected = joined(stream(encoder).push(good, RATE, BEGIN, 0))[1]
    assert np.abs(joined(blocks)[1] - expected).max() < 1e-4


def test_a_short_loss_is_filled_with_silence_and_counted(encoder):
    sound = noise(1.0)
    silenced = sound.copy()
    silenced[6400:8000] = 0
    live = stream(encoder)
    pieces = [p for p in chunks(sound) if not 6400 <= p[3] < 8000]
    times, data = joined(push_all(live, pieces))
    expected_times, expected = joined(stream(encoder).push(silenced, RATE, BEGIN, 0))
    assert np.abs(data - expected).max() < 1e-4
    assert np.abs(times - expected_times).max() <= 2
    assert dict(live.counters) == {'lost_samples': 1600}


def test_a_long_loss_begins_anew(encoder):
    sound, later = noise(0.4), noise(0.4, seed=1)
    live = stream(encoder)
    push_all(live, chunks(sound))
    first, begin = 3 * RATE, BEGIN + 3 * SECOND
    times, data = joined(push_all(live, chunks(later, begin=begin, first=first)))
    expected_times, expected = joined(push_all(stream(encoder), chunks(later, begin=begin)))
    assert np.array_equal(times, expected_times) and times[0] == begin
    assert np.abs(data - expected).max() < 1e-4
    assert live.counters['resets'] == 1 and not live.counters['lost_samples']


def test_a_looping_bag_is_heard_in_every_round(encoder):
    """The same numbers at the same times again: no chunk that comes late."""
    sound, live = noise(2.0), stream(encoder)
    rounds = [joined(push_all(live, chunks(sound)))[0] for _ in range(3)]
    assert len(rounds[0]) == 100 and rounds[0][0] == BEGIN
    for again in rounds[1:]:
        assert len(again) >= 90 and BEGIN < again[0] <= BEGIN + 200 * MS
        assert (np.diff(again) > 0).all() and abs(again[-1] - rounds[0][-1]) <= 40 * MS
    assert live.counters['resets'] == 2
    assert live.counters['duplicate_samples'] <= 2 * 0.1 * RATE


@pytest.mark.parametrize('number', [int, np.uint64])
def test_what_comes_twice_or_too_late_is_left_out(encoder, number):
    sound = noise(0.6)
    a, b, c, *rest = list(chunks(sound))
    overlap = (sound[800:1280], RATE, BEGIN + 50 * MS, 800)
    live = stream(encoder)
    pieces = [a, b, b, a, c, overlap, *rest]
    blocks = push_all(live, [(s, r, t, number(n)) for s, r, t, n in pieces])
    times, data = joined(blocks)
    expected_times, expected = joined(stream(encoder).push(sound, RATE, BEGIN, 0))
    assert np.abs(data - expected).max() < 1e-4
    assert np.abs(times - expected_times).max() <= 2
    assert live.counters['duplicate_samples'] == 320 + 320 + 160 + 320
    assert all(type(block.stamp_ns) is int for block in blocks)


@pytest.mark.parametrize('pause_ns', [-3600 * SECOND, 0, 700 * MS, 3600 * SECOND])
def test_a_sender_that_begins_anew_or_a_clock_that_jumps(encoder, pause_ns):
    sound, later = noise(0.4), noise(0.4, seed=1)
    begin = BEGIN + 400 * MS + pause_ns
    live = stream(encoder)
    push_all(live, chunks(sound))
    times, data = joined(push_all(live, chunks(later, begin=begin)))
    expected_times, expected = joined(push_all(stream(encoder), chunks(later, begin=begin)))
    assert live.counters['resets'] == 1
    assert np.abs(data - expected).max() < 1e-4 and np.array_equal(times, expected_times)


def test_times_follow_a_clock_that_drifts(encoder):
    live, blocks = stream(encoder), []
    for piece, rate, stamp_ns, first in chunks(noise(2.0)):
        drifted = stamp_ns + (stamp_ns - BEGIN) // 1000  # a card that is slow by 0.1 %
        blocks += live.push(piece, rate, drifted, first)
    times, _ = joined(blocks)
    true = BEGIN + np.arange(len(times)) * 20 * MS * 1.001
    assert np.abs(times - true).max() < 0.1 * MS and not live.counters['resets']


def test_without_numbers_chunks_follow_each_other(encoder):
    sound = noise(0.6)
    live = stream(encoder)
    blocks = push_all(live, [(s, r, t, None) for s, r, t, _ in chunks(sound)])
    expected = joined(stream(encoder).push(sound, RATE, BEGIN, 0))
    assert np.abs(joined(blocks)[1] - expected[1]).max() < 1e-4
    live.push(sound[:320], RATE, BEGIN + 9 * SECOND)
    assert live.counters['resets'] == 1


def test_another_rate_begins_anew(encoder):
    live, sound = stream(encoder), noise(0.4, 8000)
    push_all(live, chunks(noise(0.4)))
    data = joined(push_all(live, chunks(sound, 8000)))[1]
    expected = joined(push_all(stream(encoder), chunks(sound, 8000)))[1]
    assert np.abs(data - expected).max() < 1e-4 and live.counters['resets'] == 1


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 1e30, 20000.0])
def test_bad_samples_are_counted_and_soon_forgotten(encoder, bad):
    sound = noise(1.2)
    worse = sound.copy()
    worse[1000:1010] = bad
    live = stream(encoder)
    data = joined(live.push(worse, RATE, BEGIN, 0))[1]
    expected = joined(stream(encoder).push(sound, RATE, BEGIN, 0))[1]
    assert np.isfinite(data).all() and live.counters['bad_samples'] == 10
    assert np.abs(data[-20:] - expected[-20:]).max() < 1.0  # out of the context again


def test_silence_and_clipping_are_finite_and_apart(encoder):
    silence, loud = np.zeros(RATE, np.float32), np.sign(noise(1.0))
    quiet = noise(1.0) * 1e-3
    all_data = [joined(stream(encoder).push(s, RATE, BEGIN, 0))[1] for s in (silence, quiet, loud)]
    assert all(np.isfinite(data).all() for data in all_data)
    one, two, three = (data[-1] for data in all_data)
    assert min(np.linalg.norm(a - b) for a, b in ((one, two), (two, three), (one, three))) > 1.0


def test_state_stays_bounded():
    dims = ModelDimensions(80, 1500, 16, 2, 1, 9, 9, 16, 1, 1)
    small = WhisperEncoder(AudioEncoder(80, 1500, 16, 2, 1), dims, 'small')
    live = stream(small)

    def size():
        return (live._mel.nbytes, len(live._log_mel._kept) < 560, len(live._resampler._kept) < 999)

    sound = noise(2.0, 44100)
    push_all(live, chunks(sound, 44100))
    before = size()
    for turn in range(1, 15):
        push_all(live, chunks(sound, 44100, begin=BEGIN + turn * 2 * SECOND, first=turn * 88200))
    assert size() == before == (live._mel.nbytes, True, True)


def test_catching_up_costs_one_context_and_says_what_it_skips(encoder):
    live = stream(encoder)
    (block,) = live.push(noise(2.0), RATE, BEGIN, 0, catch_up=True)
    assert len(block.data) == 10  # the context's 0.2 s
    assert block.stamp_ns == BEGIN + 1800 * MS
    assert (live.counters['hops_at_once'], live.counters['skipped_hops']) == (4, 45)
    expected = joined(stream(encoder).push(noise(2.0), RATE, BEGIN, 0))[1]
    assert np.abs(block.data[-2:] - expected[-2:]).max() < 1e-4
    assert live.push(np.zeros(9, np.float32), RATE, BEGIN + 2 * SECOND, 32000, catch_up=True) == []


@pytest.mark.parametrize(
    'wrong',
    [{'hop_s': 0.0}, {'hop_s': 0.03}, {'hop_s': -0.04}, {'hop_s': float('nan')},
     {'hop_s': float('inf')}, {'context_s': 0.02}, {'context_s': 30.02}, {'settle_s': -0.02},
     {'settle_s': 0.001}],
)  # fmt: skip
def test_impossible_numbers_are_refused_by_name(encoder, wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f'^{name} = .*: expected'):
        stream(encoder, **wrong)
