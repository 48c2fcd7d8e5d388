# SPDX-License-Identifier: Apache-2.0
"""Sound of any rate to 16 kHz: against an analytic sine, in any cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.features.resample import RATE, Resampler

RATES = (8000, 22050, 44100, 48000, 192000)


def sine(frequency, rate, count, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(count) / rate + 0.3)


@pytest.mark.parametrize('rate', RATES)
@pytest.mark.parametrize('frequency', [100, 1000, 3000])
def test_a_sine_keeps_amplitude_and_phase(rate, frequency):
    out = Resampler(rate).push(sine(frequency, rate, rate // 2).astype(np.float32))
    expected = sine(frequency, RATE, len(out))
    # One sample's delay would be an error of 0.02 at 100 Hz and 0.5 at 3 kHz.
    tolerance = 0.02 if rate == 8000 and frequency == 3000 else 1e-3
    assert np.abs(out - expected)[400:-400].max() < tolerance
    assert abs(len(out) - RATE // 2) <= 24 and len(out) <= RATE // 2


@pytest.mark.parametrize('rate', [22050, 44100, 48000, 192000])
def test_what_16_khz_cannot_hold_does_not_come_back_as_an_alias(rate):
    for frequency in (9700, 10500, 0.47 * rate):
        out = Resampler(rate).push(sine(frequency, rate, rate // 4).astype(np.float32))
        assert np.abs(out[400:]).max() < 0.5 * 10 ** (-80 / 20), frequency


def test_a_constant_stays_what_it_is():
    for rate in RATES:
        out = Resampler(rate).push(np.full(rate // 4, 0.25, np.float32))
        assert np.allclose(out[40:], 0.25, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([*RATES, RATE, 11025, 44101]), st.lists(st.integers(0, 3000), max_size=12))
def test_any_cut_gives_the_same(rate, cuts):
    sound = np.random.default_rng(0).uniform(-1, 1, 9000).astype(np.float32)
    whole = Resampler(rate).push(sound)
    resampler = Resampler(rate)
    parts = [resampler.push(part) for part in np.split(sound, sorted(cuts))]
    assert np.allclose(np.concatenate(parts), whole, atol=1e-6)
    assert len(resampler._kept) <= 4 * resampler._half  # bounded, however long it runs


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(RATES), st.integers(100, 4000))
def test_the_future_is_seen_for_twelve_samples_of_the_lower_rate_at_most(rate, change):
    sound = np.random.default_rng(1).uniform(-1, 1, 5000).astype(np.float32)
    other = sound.copy()
    other[change:] = 0.7
    one, two = Resampler(rate).push(sound), Resampler(rate).push(other)
    same = int(np.argmax(one != two))
    assert same / RATE >= change / rate - 12 / min(rate, RATE) - 1 / rate


def test_16_khz_passes_untouched_and_a_reset_begins_anew():
    sound = np.random.default_rng(2).uniform(-1, 1, 1000).astype(np.float32)
    assert Resampler(RATE).push(sound) is sound
    resampler = Resampler(44100)
    first = resampler.push(sound)
    resampler.reset()
    assert np.array_equal(resampler.push(sound), first)


@pytest.mark.parametrize('rate', [0, 999, 1_000_001, -16000, 16000.0, float('nan'), '16000'])
def test_impossible_rates_are_refused_by_name(rate):
    with pytest.raises(ValueError, match=f'^sample_rate = {rate}: expected a whole number'):
        Resampler(rate)
