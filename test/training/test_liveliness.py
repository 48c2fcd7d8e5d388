# SPDX-License-Identifier: Apache-2.0
"""Measures of liveliness of sequences whose answers are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.layout import AU, BRANCH_SLICES, FACE_DIM
from robot_face_gen.training import events
from robot_face_gen.training.liveliness import MEASURES, Liveliness
from robot_face_gen.training.two_sample import Decisions, one_sample_each

FPS = 25
AU_BEGIN, RX = BRANCH_SLICES['au'].start, BRANCH_SLICES['pose'].start
AUS = slice(AU_BEGIN, AU_BEGIN + 17)
POSE = BRANCH_SLICES['pose']


def face(seconds, **values):
    """A still face (T, 160); values of AUs by name, or `rx`."""
    x = np.zeros((round(seconds * FPS), FACE_DIM))
    for name, value in values.items():
        x[:, RX if name == 'rx' else AU_BEGIN + AU[name]] = value
    return x


def bumps(seconds, times_s, length_s, height):
    t = np.arange(round(seconds * FPS)) / FPS
    phases = [(t - begin) / length_s for begin in times_s]
    return sum(
        (height * 0.5 * (1 - np.cos(2 * np.pi * p)) * ((p > 0) & (p < 1)) for p in phases),
        np.zeros(len(t)),
    )


def measure(one, speaker=None, real=None, pauses=None):
    one = np.asarray(one)
    P = one[None, None] if one.ndim == 2 else one
    return Liveliness(
        None if speaker is None else speaker[None],
        None if real is None else real[None],
        None if pauses is None else [pauses],
    ).measure(P)


def test_all_measures_are_there_and_null_where_there_is_nothing():
    found = measure(face(60))
    assert set(found) == set(MEASURES)
    assert found['blinks_per_min'] == found['nods_per_min'] == 0
    assert found['frown_share'] == 0
    for name in set(MEASURES) - {'frown_share'}:
        if not name.endswith('_per_min'):
            assert found[name] is None, name


def test_rates_durations_intervals_and_frowns_of_a_minute():
    blinks = np.cumsum([3, 2, 6, 2, 6, 2, 6, 2, 6, 2, 6, 2.0])
    half = np.where(np.arange(60 * FPS) < 15 * FPS, 1.5, 0.6)
    one = face(
        60,
        AU45=bumps(60, blinks, 0.4, 2.5),
        rx=np.radians(bumps(60, np.arange(5, 55, 5.0), 0.5, 5)),
        AU12=bumps(60, [10, 30, 50], 2.0, 2.5),
        AU01=bumps(60, [15, 45], 0.8, 2.5),
        AU02=bumps(60, [15, 45], 0.8, 2.0),
        AU04=half,
    )
    found = measure(one)
    assert found['blinks_per_min'] == pytest.approx(12)
    assert found['blink_duration_s'] == pytest.approx(0.2, abs=0.01)
    intervals = np.diff(blinks)
    assert found['blink_interval_cv'] == pytest.approx(
        intervals.std() / intervals.mean(), abs=0.02
    )
    assert found['nods_per_min'] == pytest.approx(10)
    assert found['smiles_per_min'] == pytest.approx(3)
    assert found['brow_raises_per_min'] == pytest.approx(2)
    assert found['frown_share'] == pytest.approx(0.25)


def test_nods_half_a_second_after_each_pause_and_at_random():
    starts = np.arange(5.0, 60.0, 10.0)
    pauses = events.Events(starts, np.full(len(starts), 1.0))
    after = measure(face(65, rx=np.radians(bumps(65, starts + 0.25, 0.5, 5))), pauses=pauses)
    # All of the nods lie in windows of 0.8 s (21 frames), which are 6 of 65 s.
    assert after['nod_at_pause_lift'] == pytest.approx(65 * FPS / (6 * 21), rel=0.01)
    before = measure(face(65, rx=np.radians(bumps(65, starts - 2, 0.5, 5))), pauses=pauses)
    assert before['nod_at_pause_lift'] == 0
    rng = np.random.default_rng(0)
    P = []
    for _ in range(80):
        times = np.cumsum(rng.uniform(0.8, 3.2, 32))
        P.append(face(65, rx=np.radians(bumps(65, times[times < 64], 0.5, 5))))
    random = measure(np.stack(P)[None], pauses=pauses)
    assert random['nod_at_pause_lift'] == pytest.approx(1.0, abs=0.15)


def test_the_expected_number_is_that_of_all_circular_shifts():
    starts = np.array([3.0, 3.6, 11.0, 19.7])
    nods = np.array([4.0, 9.0, 12.1])
    pauses = events.Events(starts, np.full(4, 0.5))
    found = measure(face(20, rx=np.radians(bumps(20, nods - 0.25, 0.5, 5))), pauses=pauses)
    frames = 20 * FPS
    window = np.zeros(frames, bool)
    for start in starts:
        window[round((start + 0.2) * FPS) : round((start + 1.0) * FPS) + 1] = True
    at = np.round(nods * FPS).astype(int)
    shifted = [window[(at + shift) % frames].sum() for shift in range(frames)]
    assert found['nod_at_pause_lift'] == pytest.approx(
        window[at].sum() / np.mean(shifted), rel=0.05
    )


@pytest.mark.parametrize('lag_s', [0.0, 0.6, 1.2])
def test_lag_of_mirrored_smiles(lag_s):
    rng = np.random.default_rng(1)
    smile = bumps(60, np.cumsum(rng.uniform(3, 9, 8)), 2.5, 2.0)
    late = np.roll(smile, round(lag_s * FPS))
    speaker = face(60, AU12=0.3 + smile + 0.1 * rng.standard_normal(len(smile)))
    listener = face(60, AU12=0.7 * late + 0.1 * rng.standard_normal(len(smile)))
    assert measure(listener, speaker)['smile_lag_s'] == pytest.approx(lag_s, abs=0.05)
    assert measure(face(60), speaker)['smile_lag_s'] is None
    other = face(60, AU12=bumps(60, [2.0, 33.0, 41.0], 1.0, 2.0))
    assert measure(other, face(60, AU12=bumps(60, [20.0], 1.0, 2.0)))['smile_lag_s'] is None


def wave(hz, size=1.0, seconds=30):
    return size * np.sin(2 * np.pi * hz * np.arange(round(seconds * FPS)) / FPS)


def test_spectra_of_sinusoids_and_noise():
    noise = np.random.default_rng(2).standard_normal((2, 750, FACE_DIM))
    real = 0.1 * noise[0]
    double = measure(2 * real, real=real)
    # Twice the amplitude is 6 dB at every frequency.
    assert double['spectrum_db'] == pytest.approx(20 * np.log10(2), abs=0.01)
    assert double['spectrum_above_6hz_db'] == pytest.approx(20 * np.log10(2), abs=0.01)
    assert double['jerk_ratio_au'] == pytest.approx(2)
    assert double['jerk_ratio_pose'] == pytest.approx(2)
    other = measure(0.1 * noise[1], real=real)
    assert other['spectrum_db'] < 1.7  # two realisations of the same process
    assert abs(other['spectrum_above_6hz_db']) < 0.5
    slow, fast = real.copy(), real.copy()
    slow += wave(1.0)[:, None]
    fast += wave(9.0)[:, None]
    assert measure(slow, real=real)['spectrum_above_6hz_db'] == pytest.approx(0, abs=0.1)
    # White noise of variance 0.01 has 52 % of its power above 6 Hz; the sinusoid has 0.5.
    expected = 10 * np.log10((0.01 * 0.52 + 0.5) / (0.01 * 0.52))
    assert measure(fast, real=real)['spectrum_above_6hz_db'] == pytest.approx(expected, abs=0.6)
    still = measure(np.zeros((750, FACE_DIM)), real=real)
    assert still['spectrum_db'] == pytest.approx(60, abs=1.5)  # the floor
    assert still['jerk_ratio_au'] == 0


def test_the_second_difference_is_the_curvature_and_offsets_do_not_count():
    t = np.arange(500) / FPS
    real, one = np.zeros((500, FACE_DIM)), np.full((500, FACE_DIM), 7.0)
    real[:, AUS] = real[:, POSE] = (0.5 * t**2)[:, None]
    one[:, AUS] += (0.1 * t**2)[:, None]
    one[:, POSE] += (0.6 * t**2)[:, None]
    one += 3 * t[:, None]  # a steady movement has no second difference
    found = measure(one, real=real)
    assert found['jerk_ratio_au'] == pytest.approx(0.2)
    assert found['jerk_ratio_pose'] == pytest.approx(1.2)


def lively(rng, count, seconds=30):
    faces = []
    for _ in range(count):
        one = 0.05 * rng.standard_normal((round(seconds * FPS), FACE_DIM))
        times = np.cumsum(rng.uniform(1.5, 6, 12))
        one[:, AU_BEGIN + AU['AU45']] += bumps(seconds, times[times < seconds - 1], 0.3, 2.5)
        one[:, RX] = 0.1 * one[:, RX] + np.radians(bumps(seconds, times + 0.7, 0.6, 5))
        faces.append(one)
    return np.stack(faces)


def test_intervals_are_over_speakers():
    rng = np.random.default_rng(3)
    # Four clips of each of 6 speakers, who blink 0 to 15 times in half a minute.
    faces = []
    for speaker in range(6):
        times = np.arange(3 * speaker) * 1.7 + 1.0
        faces += [face(30, AU45=bumps(30, times, 0.3, 2.5))] * 4
    P = np.stack(faces)[:, None]
    speakers = np.repeat(np.arange(6), 4)
    drawn = rng.integers(6, size=(400, 6))
    by_speaker = np.stack([np.bincount(d, minlength=6)[speakers] for d in drawn])
    by_clip = np.stack([np.bincount(rng.integers(24, size=24), minlength=24) for _ in range(400)])
    wide = Liveliness().measure(P, by_speaker)
    narrow = Liveliness().measure(P, by_clip)
    assert wide['blinks_per_min'] == narrow['blinks_per_min'] == pytest.approx(15.0)
    widths = [np.ptp(found['blinks_per_min_ci95']) for found in (wide, narrow)]
    assert widths[0] > 1.7 * widths[1]  # 2 in theory: four equal clips are one observation
    expected = 2 * 1.96 * np.std(6 * np.arange(6)) / 6**0.5
    assert widths[0] == pytest.approx(expected, rel=0.2)
    assert wide['smile_lag_s_ci95'] is None


def test_samples_are_averaged_and_identical_ones_measured_once():
    rng = np.random.default_rng(4)
    faces = lively(rng, 6)
    real = lively(rng, 2)
    P = faces.reshape(2, 3, *faces.shape[1:])
    both = Liveliness(real=real).measure(P)
    rates = [Liveliness(real=real).measure(P[:, i : i + 1])['blinks_per_min'] for i in range(3)]
    assert both['blinks_per_min'] == pytest.approx(np.mean(rates))
    same = np.broadcast_to(P[:, :1], P.shape)
    assert Liveliness(real=real).measure(same) == Liveliness(real=real).measure(P[:, :1])


def test_decisions_become_an_accuracy():
    decisions = Decisions(np.array([3.0, 1.0]), np.array([4.0, 4.0]))
    P = lively(np.random.default_rng(5), 2)[:, None]
    found = Liveliness().measure(P, np.array([[2.0, 0.0], [0.0, 2.0]] * 20), decisions)
    assert found['two_sample_accuracy'] == pytest.approx(0.5)
    assert found['two_sample_accuracy_ci95'] == pytest.approx([0.25, 0.75])
    assert np.array_equal(one_sample_each(P), P[:, 0])


def test_missing_values_do_not_count():
    rng = np.random.default_rng(6)
    real = lively(rng, 1)[0]
    one = real.copy()
    one[:375] = np.nan
    found = measure(one, real, real)
    assert all(value is None or np.isfinite(value) for value in found.values())
    whole = measure(real[375:], real[375:], real)
    assert found['blinks_per_min'] == pytest.approx(whole['blinks_per_min'], abs=4.1)
    assert found['jerk_ratio_au'] == pytest.approx(whole['jerk_ratio_au'])
    assert found['spectrum_db'] == pytest.approx(whole['spectrum_db'], abs=0.5)
    no_mouth = real.copy()
    no_mouth[:, AU_BEGIN + AU['AU26']] = np.nan  # a tracker without this unit
    assert measure(real, no_mouth)['nod_at_pause_lift'] is None
    nothing = measure(np.full((750, FACE_DIM), np.nan), real, real)
    assert all(value is None for value in nothing.values())


@pytest.mark.parametrize('frames', [0, 1, 2, 3, 30, 100])
def test_short_clips_have_no_value(frames):
    x = np.ones((frames, FACE_DIM))
    found = measure(x, x, x)
    assert found['blinks_per_min'] is None
    assert found['frown_share'] is None
    assert found['blink_interval_cv'] is None
    assert found['spectrum_db'] is None


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), offset=st.floats(-0.5, 2.0))
def test_an_offset_of_a_person_changes_only_the_share_of_frowns(seed, offset):
    rng = np.random.default_rng(seed)
    real, one, speaker = lively(rng, 3, seconds=20)
    base, moved = measure(one, speaker, real), measure(one + offset, speaker - offset, real + 1)
    for name in set(MEASURES) - {'frown_share'}:
        assert moved[name] == (None if base[name] is None else pytest.approx(base[name], abs=1e-6))
