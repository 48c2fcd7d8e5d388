# SPDX-License-Identifier: Apache-2.0
"""Rooms and microphones: level, noise, band and echoes are as asked for."""

import numpy as np
import pytest

from robot_face_gen.synthetic.config import SoundConfig
from robot_face_gen.synthetic.room import NOISES, make_noise, record, speech_rms

RATE = 16_000
CLEAN = {
    'level_db': (-20, -20), 'noise_db': (-80, -80), 'reverberation_s': (0.1, 0.1),
    'direct_db': (40, 40), 'telephone': 0.0,
}  # fmt: skip


def bursts(seconds=10.0):
    """Noise like speech: 1 s on, 1 s off."""
    t = np.arange(int(seconds * RATE)) / RATE
    return 0.05 * np.random.default_rng(0).standard_normal(len(t)) * (t % 2 < 1)


@pytest.mark.parametrize('level_db', [-40.0, -12.0])
def test_the_level_of_speech(level_db):
    for seed in range(4):
        config = SoundConfig(**CLEAN | {'level_db': (level_db, level_db)})
        sound = record(np.random.default_rng(seed), config, bursts(), RATE)
        assert 20 * np.log10(speech_rms(sound, RATE)) == pytest.approx(level_db, abs=1)
        assert np.abs(sound).max() < 1
        assert sound.dtype == np.float32


def test_noise_and_echoes():
    def silence_db(**changes):
        config = SoundConfig(**CLEAN | changes)
        levels = []
        for seed in range(8):
            sound = record(np.random.default_rng(seed), config, bursts(), RATE)
            parts = sound.reshape(10, -1)
            silent = parts[1::2, RATE // 2 :].std()
            levels.append(20 * np.log10(silent / parts[::2].std()))
        return np.median(levels)

    assert silence_db() < -50
    assert silence_db(noise_db=(-20, -20)) == pytest.approx(-20, abs=4)
    echo = silence_db(reverberation_s=(1.5, 1.5), direct_db=(0, 0))
    assert -50 < echo < -15  # the tail, half a second after the speech


def test_a_telephone_passes_its_band_only():
    config = SoundConfig(**CLEAN | {'telephone': 1.0})
    sound = record(np.random.default_rng(0), config, bursts(), RATE)
    power = np.abs(np.fft.rfft(sound)) ** 2
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    inside = power[(hertz > 500) & (hertz < 3000)].mean()
    assert power[(hertz > 6000)].mean() < 0.01 * inside
    assert power[(hertz > 20) & (hertz < 100)].mean() < 0.05 * inside


@pytest.mark.parametrize('kind', NOISES)
def test_kinds_of_noise(kind):
    for others in ([], [bursts(3.0), bursts(2.0)]):
        noise = make_noise(np.random.default_rng(0), kind, 5 * RATE, RATE, others)
        assert noise.shape == (5 * RATE,)
        assert noise.std() == pytest.approx(1, rel=1e-6)


def test_silence_stays_finite_and_a_level_that_clips_is_refused():
    sound = record(np.random.default_rng(0), SoundConfig(), np.zeros(RATE), RATE)
    assert np.isfinite(sound).all() and np.abs(sound).max() < 1
    with pytest.raises(ValueError, match=r'level_db = .* at most -6 dB'):
        SoundConfig(level_db=(-20, 0))
