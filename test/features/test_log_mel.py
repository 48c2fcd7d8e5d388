# SPDX-License-Identifier: Apache-2.0
"""Log-mel frame by frame, against Whisper's own."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from whisper.audio import log_mel_spectrogram, mel_filters

from robot_face_gen.features.log_mel import FLOOR, LogMel

FILTERS = mel_filters('cpu', 80).numpy()


def voice(count=16000, seed=0):
    time = np.arange(count) / 16000
    noise = np.random.default_rng(seed).normal(0, 0.02, count)
    return (0.3 * np.sin(2 * np.pi * (200 + 400 * time) * time) + noise).astype(np.float32)


def test_the_numbers_are_whispers():
    sound = voice()
    mine = LogMel(FILTERS).push(sound)
    assert mine.shape == (100, 80) and mine.dtype == np.float32
    # Whisper's frame k is centred on sample 160 k, mine ends with sample 160 (k + 1): Whisper
    # sees the same 400 samples where 40 stand before the sound.
    theirs = log_mel_spectrogram(np.concatenate((np.zeros(40, np.float32), sound))).numpy().T
    here = slice(3, 98)  # Whisper mirrors the sound at both ends
    loudest = mine.max()
    scaled = (np.maximum(mine, loudest - 8.0) + 4.0) / 4.0
    assert np.isclose(theirs.max(), (loudest + 4.0) / 4.0, atol=1e-4)
    assert np.abs(scaled[here] - theirs[here]).max() < 1e-4
    assert np.abs(scaled[here] - theirs[1:][here]).max() > 0.1  # and no other frame


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 5000), max_size=15))
def test_any_cut_gives_the_same(cuts):
    sound, log_mel = voice(5000), LogMel(FILTERS)
    parts = [log_mel.push(part) for part in np.split(sound, sorted(cuts))]
    assert np.array_equal(np.concatenate(parts), LogMel(FILTERS).push(sound))
    assert len(log_mel._kept) < 400


def test_a_frame_covers_the_sound_up_to_its_end_and_nothing_later():
    sound, other = voice(4000), voice(4000)
    other[1600:] = 0.5
    one, two = LogMel(FILTERS).push(sound), LogMel(FILTERS).push(other)
    assert np.array_equal(one[:10], two[:10])
    assert np.abs(one[10:] - two[10:]).max(axis=1).min() > 0.01


def test_silence_is_the_floor_and_a_reset_begins_anew():
    log_mel = LogMel(FILTERS)
    assert np.allclose(log_mel.push(np.zeros(1600, np.float32)), FLOOR, atol=1e-5)
    log_mel.push(voice(1000))
    log_mel.reset()
    assert np.array_equal(log_mel.push(voice(1000)), LogMel(FILTERS).push(voice(1000)))
