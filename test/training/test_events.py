# SPDX-License-Identifier: Apache-2.0
"""Events in sequences whose answer is known, with the noise, offsets and gaps of real trackers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from robot_face_gen.training import events

FPS = 25
T_60 = np.arange(60 * FPS) / FPS
RNG = np.random.default_rng(0)


def bumps(times_s, length_s, height, t=T_60):
    """Raised cosines; the width at half height is half of the length."""
    x = np.zeros(len(t))
    for begin in times_s:
        phase = (t - begin) / length_s
        x += np.where((phase > 0) & (phase < 1), height * 0.5 * (1 - np.cos(2 * np.pi * phase)), 0)
    return x


def quantised(x):
    """As OpenFace writes intensities."""
    return np.round(np.clip(x, 0, 5), 2)


@pytest.mark.parametrize('offset', [0.0, 0.4, 1.3])
def test_twelve_blinks_of_a_fifth_of_a_second(offset):
    times = np.arange(12) * 4.7 + 1.013
    au45 = quantised(offset + bumps(times, 0.4, 2.5) + 0.06 * RNG.standard_normal(len(T_60)))
    found = events.find_blinks(au45)
    assert len(found) == 12
    assert found.time_s == pytest.approx(times + 0.2, abs=0.041)
    assert np.median(found.duration_s) == pytest.approx(0.2, abs=0.02)


def test_two_blinks_in_quick_succession_are_two():
    found = events.find_blinks(bumps([10.0, 10.32], 0.3, 2.5))
    assert len(found) == 2


@pytest.mark.parametrize(
    'au45',
    [
        bumps([10.0], 0.4, 0.8),  # too small
        bumps([10.0], 3.0, 3.0),  # the person looks down
        np.where(np.arange(1500) % 97 == 3, 3.0, 0.0),  # spikes of one frame
        0.1 * RNG.standard_normal(1500),
        np.linspace(0, 4, 1500),
        np.where(T_60 < 30, 0.0, 2.0),  # the person closes the eyes, or the camera moves
    ],
)
def test_no_blink(au45):
    assert len(events.find_blinks(au45)) == 0


def nods(times_s, length_s, degrees):
    return np.radians(bumps(times_s, length_s, degrees))


@pytest.mark.parametrize('length_s', [0.3, 0.5, 0.9])
def test_nods_are_found_under_noise_and_drift(length_s):
    times = np.arange(10) * 5.3 + 2.02
    drift = np.radians(6 * np.sin(2 * np.pi * T_60 / 30))
    rx = nods(times, length_s, 5.0) + drift + 0.006 * RNG.standard_normal(len(T_60))
    found = events.find_nods(rx)
    assert len(found) == 10
    assert found.time_s == pytest.approx(times + length_s / 2, abs=0.13)
    assert np.median(found.duration_s) == pytest.approx(length_s, rel=0.2)


def test_repeated_nods_are_counted_each():
    times = 5 + 0.4 * np.arange(4)
    assert len(events.find_nods(nods(times, 0.4, 4.0))) == 4


@pytest.mark.parametrize(
    'rx',
    [
        nods([10.0, 20.0], 0.5, 1.5),  # too small
        nods([10.0, 20.0], 3.0, 8.0),  # too slow
        -nods([10.0, 20.0], 0.5, 5.0),  # the head goes up and down again
        np.radians(np.where((T_60 > 20) & (T_60 < 24), 8.0, 0.0)),  # the head stays down
        np.radians(10 * np.sin(2 * np.pi * T_60 / 10)),
        0.006 * RNG.standard_normal(1500),  # noise of the tracker
        np.radians(np.where(T_60 < 30, 0.0, 5.0)),  # the head stays down to the end
    ],
)
def test_no_nod(rx):
    assert len(events.find_nods(rx)) == 0


def test_smiles_and_brow_raises():
    held = np.interp(T_60, [10, 10.4, 13, 13.5, 30, 30.4, 36, 36.5], [0, 2, 2, 0, 0, 2, 2, 0])
    noise = 0.1 * RNG.standard_normal((2, len(T_60)))
    for offset in (0.0, 0.8):  # a person whose smile is always on
        found = events.find_smiles(offset + held + noise[0])
        assert found.time_s == pytest.approx([10.1, 30.1], abs=0.12)
        assert found.duration_s == pytest.approx([3.28, 6.28], abs=0.2)
        raised = events.find_brow_raises(offset + held + noise[0], held + noise[1])
        assert raised.time_s == pytest.approx([10.1, 30.1], abs=0.12)
    assert len(events.find_smiles(bumps([10.0], 0.4, 2.0))) == 0  # too short
    assert len(events.find_brow_raises(bumps([10.0], 0.75, 2.0), bumps([10.0], 0.75, 1.6))) == 1
    assert len(events.find_smiles(0.4 * held)) == 0


def talk(spans, t=T_60):
    return np.any([(t >= begin) & (t < end) for begin, end in spans], axis=0)


def test_pauses_from_the_mouth_and_from_the_voice():
    spans = [(0.5, 3.0), (3.2, 6.0), (6.8, 10.0), (20.0, 20.2), (22.0, 30.0)]
    said = talk(spans)
    syllables = np.abs(np.sin(2 * np.pi * 2.2 * T_60))
    mouth = 0.3 + said * (0.4 + 1.5 * syllables)
    for au25, au26 in ((mouth, 0.0 * mouth), (0.6 * mouth, 0.4 * mouth)):
        pauses = events.find_pauses(events.talking_mouth(au25, au26))
        assert pauses.time_s == pytest.approx([6.0, 10.0, 30.0], abs=0.09)
    rate = 16000
    t = np.arange(60 * rate) / rate
    sound = 0.001 * RNG.standard_normal(len(t)) + 0.2 * talk(spans, t) * np.sin(880 * t)
    for gain in (0.02, 1.0):
        talks = events.talking_voice(gain * sound, rate, len(T_60))
        assert events.find_pauses(talks).time_s == pytest.approx([6.0, 10.0, 30.0], abs=0.05)
    only_noise = events.talking_voice(0.001 * RNG.standard_normal(rate * 9), rate, 1500)
    assert len(events.find_pauses(only_noise)) == 0
    assert np.isfinite(only_noise).sum() == 225


def test_short_gaps_are_bridged_and_long_ones_are_not():
    au45 = bumps([10.0, 20.0, 30.0], 0.4, 2.5)
    au45[round(10.1 * FPS) : round(10.2 * FPS)] = np.nan
    au45[round(20.2 * FPS) : round(24.0 * FPS)] = np.nan
    found = events.find_blinks(au45)
    assert found.time_s == pytest.approx([10.2, 30.2], abs=0.09)
    rx = nods([10.0, 20.0, 30.0], 0.6, 6.0)
    rx[round(20.3 * FPS) : round(24.0 * FPS)] = np.nan
    assert events.find_nods(rx).time_s == pytest.approx([10.3, 30.3], abs=0.09)


FINDERS = {
    'blinks': events.find_blinks,
    'nods': events.find_nods,
    'smiles': events.find_smiles,
    'brows': lambda x: events.find_brow_raises(x, x),
    'pauses': lambda x: events.find_pauses(events.talking_mouth(x, x)),
}
ANY = arrays(
    np.float64,
    st.integers(0, 200),
    elements=st.one_of(st.just(np.nan), st.floats(-5, 5, width=16)),
)


@pytest.mark.parametrize('name', FINDERS)
@settings(deadline=None)
@given(x=ANY)
def test_any_sequence_gives_events_inside_of_it(name, x):
    found = FINDERS[name](x)
    assert np.isfinite(found.time_s).all()
    assert np.isfinite(found.duration_s).all()
    assert (np.diff(found.time_s) > 0).all()
    assert ((found.time_s >= 0) & (found.time_s < max(len(x), 1) / FPS)).all()


@pytest.mark.parametrize('name', FINDERS)
@settings(deadline=None)
@given(offset=st.floats(-4, 4, width=16), seed=st.integers(0, 1000))
def test_a_constant_offset_changes_nothing(name, offset, seed):
    steps = np.random.default_rng(seed).standard_normal(400)
    x = np.round(np.convolve(steps, np.hanning(9) * 0.6, 'same') * 16) / 16
    one, other = FINDERS[name](x), FINDERS[name](x + np.round(offset * 16) / 16)
    assert np.array_equal(one.time_s, other.time_s)
    assert one.duration_s == pytest.approx(other.duration_s)


@pytest.mark.parametrize('name', FINDERS)
def test_nothing_happens_in_a_constant_missing_or_empty_sequence(name):
    for x in (np.full(500, 1.7), np.full(500, np.nan), np.empty(0), np.ones(1), np.ones(2)):
        assert len(FINDERS[name](x)) == 0
