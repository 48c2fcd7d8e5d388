# SPDX-License-Identifier: Apache-2.0
"""What a microphone in a room records of a voice: echoes, colour, noise and level."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

from .config import SoundConfig
from .signals import draw

NOISES = ('white', 'pink', 'hum', 'babble')
_PEAK = 0.98


def speech_rms(sound: np.ndarray, sample_rate: int) -> float:
    """Root mean square of the parts with speech (20 ms blocks within 30 dB of the loudest)."""
    block = sample_rate // 50
    power = np.square(sound[: len(sound) // block * block], dtype=float)
    power = power.reshape(-1, block).mean(axis=1)
    if not power.size or power.max() <= 0:
        return 0.0
    return float(np.sqrt(power[power > 1e-3 * power.max()].mean()))


def _pink(rng: np.random.Generator, count: int) -> np.ndarray:
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    return np.asarray(np.fft.irfft(spectrum, count))


def make_noise(
    rng: np.random.Generator, kind: str, count: int, sample_rate: int, others: list[np.ndarray]
) -> np.ndarray:
    """Background noise (count,) of a kind of `NOISES` with a root mean square of 1.

    Babble without `others`, the voices of other people, is pink noise that swells like speech.
    """
    if kind == 'white':
        noise = rng.standard_normal(count)
    elif kind == 'hum':
        t = np.arange(count) / sample_rate
        mains = rng.choice((50.0, 60.0))
        noise = 0.2 * _pink(rng, count) / 0.05
        for k in range(1, 7):
            phase = 2 * np.pi * (k * mains * t + rng.uniform())
            noise = noise + rng.uniform(0, 1 / k) * np.sin(phase)
    elif kind == 'babble' and others:
        noise = 0.02 * rng.standard_normal(count)
        for voice in others:
            at = int(rng.integers(count))
            noise = noise + np.roll(np.resize(voice / max(voice.std(), 1e-6), count), at)
    else:
        noise = _pink(rng, count)
        if kind == 'babble':
            slow = np.interp(
                np.arange(count), np.arange(0, count + sample_rate, sample_rate // 5),
                rng.uniform(0.3, 1, len(range(0, count + sample_rate, sample_rate // 5))),
            )  # fmt: skip
            noise = noise * slow
    return np.asarray(noise / max(noise.std(), 1e-12))


def _echoes(rng: np.random.Generator, config: SoundConfig, sample_rate: int) -> np.ndarray:
    """Impulse response of a room: the direct sound, then noise that decays."""
    decay_s = draw(rng, config.reverberation_s)
    t = np.arange(int(decay_s * sample_rate)) / sample_rate
    tail = rng.standard_normal(len(t)) * np.exp(-6.9 * t / decay_s)
    gap = int(rng.uniform(0.002, 0.012) * sample_rate)
    tail[:gap] = 0
    tail *= 10 ** (-draw(rng, config.direct_db) / 20) / max(np.sqrt(np.sum(tail**2)), 1e-12)
    tail[0] = 1.0
    return tail


def _microphone(
    rng: np.random.Generator, config: SoundConfig, sound: np.ndarray, sample_rate: int
) -> np.ndarray:
    """Limit the band, and colour it by up to 6 dB around one frequency."""
    phone = rng.random() < config.telephone
    low = 300.0 if phone else float(np.exp(rng.uniform(np.log(40), np.log(160))))
    high = 3400.0 if phone else rng.uniform(5500.0, 0.49 * sample_rate)
    high = min(high, 0.49 * sample_rate)
    out = sosfilt(butter(2, (low, high), 'bandpass', fs=sample_rate, output='sos'), sound)
    centre = float(np.exp(rng.uniform(np.log(400), np.log(3000))))
    band = (centre / 1.4, min(1.4 * centre, 0.48 * sample_rate))
    colour = sosfilt(butter(1, band, 'bandpass', fs=sample_rate, output='sos'), out)
    return np.asarray(out + rng.uniform(-0.5, 1.0) * colour)


def record(
    rng: np.random.Generator,
    config: SoundConfig,
    voice: np.ndarray,
    sample_rate: int,
    others: list[np.ndarray] | None = None,
) -> np.ndarray:
    """Record a voice (n,): (n,) float32 at the same time, without clipping.

    `others` are voices of other people, for babble.
    """
    level_db, noise_db = draw(rng, config.level_db), draw(rng, config.noise_db)
    echoed = fftconvolve(voice, _echoes(rng, config, sample_rate))[: len(voice)]
    kind = str(rng.choice(NOISES))
    noise = make_noise(rng, kind, len(voice), sample_rate, others or [])
    loud = speech_rms(echoed, sample_rate)
    mixed = echoed / (loud or 1.0) + 10 ** (noise_db / 20) * noise
    out = _microphone(rng, config, mixed, sample_rate)
    out *= 10 ** (level_db / 20) / (speech_rms(out, sample_rate) or 1.0)
    return np.asarray(_PEAK * np.tanh(out / _PEAK), np.float32)
