# SPDX-License-Identifier: Apache-2.0
"""A speaker whose phrases come from a voice bank; mouth and stress are taken from the sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks, resample_poly

from robot_face_gen.timing import AUDIO_RATE_HZ

from .config import CONTROL_HZ, SpeakerConfig
from .motion import Mouth
from .room import speech_rms
from .script import KINDS, Phrase, Script, Syllable
from .signals import draw, smooth
from .voice import SPEECH_LEVEL, envelope
from .voice_bank import VoiceBank

# Share of speakers of each language; languages of a bank that are not listed share the rest.
_LANGUAGE_SHARES = {'en': 0.5, 'cmn': 0.25}
_SHIFT = (0.86, 1.17)  # of pitch, formants and rate; other people with the same voice
_LOUDNESS = {'raised': 2.2, 'emphatic': 1.2}
_WINDOW, _HOP = 400, AUDIO_RATE_HZ // CONTROL_HZ


@dataclass(frozen=True)
class Speech:
    """What a person says, with sound and mouth."""

    script: Script  # phrases and stress
    mouth: Mouth
    sound: np.ndarray  # (n,) float64, the voice alone, at 16 kHz
    others: list[np.ndarray]  # voices of other people of the bank, for babble


def syllables_of(sound: np.ndarray, start_s: float) -> tuple[Syllable, ...]:
    """Syllables of a phrase (n,) at 16 kHz: the peaks of loudness; the loudest are stressed."""
    steps = max(2, len(sound) * CONTROL_HZ // AUDIO_RATE_HZ)
    level = smooth(envelope(sound.astype(np.float32), AUDIO_RATE_HZ, steps), 0.02)
    peaks, _ = find_peaks(level, distance=CONTROL_HZ // 8, prominence=0.15 * level.max())
    if not len(peaks):
        peaks = np.array([int(np.argmax(level))])
    between = (peaks[1:] + peaks[:-1]) // 2
    edges = np.concatenate(([0], between, [steps])) / CONTROL_HZ
    loud = level[peaks] / max(level[peaks].mean(), 1e-9)
    stress = np.where(loud > 1.15, np.clip(loud - 0.4, 0.6, 1.0), 0.0)
    return tuple(
        Syllable(start_s + edges[k], edges[k + 1] - edges[k], 5, 'none', float(stress[k]),
                 (1.0, 1.0), float(loud[k]))
        for k in range(len(peaks))
    )  # fmt: skip


def mouth_of(sound: np.ndarray, steps: int) -> Mouth:
    """Control signals of the mouth that made a sound, from its loudness and spectrum.

    A lower jaw raises the first formant, spread lips the second; noise is above 4 kHz; short dips
    without noise inside of speech are closures, half of them of the lips.
    """
    padded = np.pad(sound, (_WINDOW // 2, _WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][:steps]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), axis=1)) ** 2
    hertz = np.fft.rfftfreq(_WINDOW, 1 / AUDIO_RATE_HZ)

    def band(low: float, high: float) -> np.ndarray:
        return power[:, (hertz >= low) & (hertz < high)].sum(axis=1) + 1e-12

    level = np.sqrt(np.square(frames).mean(axis=1)) / SPEECH_LEVEL
    whole = band(80, 8000)
    noisy = band(4000, 8000) / whole
    jaw = band(550, 1100) / (band(150, 500) + band(550, 1100))
    front = band(1700, 2900) / (band(550, 1400) + band(1700, 2900))
    near = smooth(level, 0.06)
    dips = (level < 0.35 * near) & (near > 0.15) & (noisy < 0.3)
    closed = np.zeros(len(level))
    edges = np.flatnonzero(np.diff(np.concatenate(([0], dips.astype(int), [0]))))
    for number, (begin, end) in enumerate(edges.reshape(-1, 2)):
        if end - begin < 0.15 * CONTROL_HZ and number % 2:
            closed[begin:end] = 1.0
    voice = smooth(np.clip(1 - 1.6 * noisy, 0, 1), 0.015)
    mouth = Mouth(
        voiced=level * voice,
        hiss=0.4 * level * np.clip(noisy - 0.2, 0, 1),
        open=voice * smooth(np.clip(0.25 + 1.1 * jaw, 0, 1), 0.015) * (level > 0.03),
        round=voice * smooth(np.clip(0.6 - 4 * front, 0, 1), 0.02) * (level > 0.1),
        spread=voice * smooth(np.clip(2.5 * front, 0, 1), 0.02) * (level > 0.05),
        closed=closed,
    )
    missing = steps - len(level)
    for name, x in vars(mouth).items():
        setattr(mouth, name, np.pad(x, (0, max(0, missing)))[:steps])
    return mouth


def _choose_voice(rng: np.random.Generator, bank: VoiceBank, held_out: bool) -> tuple[str, str]:
    voices = bank.speakers[held_out] or bank.speakers[False]
    languages = sorted({language for _, language in voices})
    rest = [name for name in languages if name not in _LANGUAGE_SHARES]
    shares = np.array([_LANGUAGE_SHARES.get(name, 0.25 / max(1, len(rest))) for name in languages])
    language = str(rng.choice(languages, p=shares / shares.sum()))
    own = [voice for voice in voices if voice[1] == language]
    return own[int(rng.integers(len(own)))]


def speak(
    rng: np.random.Generator,
    config: SpeakerConfig,
    duration_s: float,
    bank: VoiceBank,
    *,
    held_out: bool,
) -> Speech:
    """What a speaker says who talks for the whole clip, see `script.write_script`.

    `held_out`: use the speakers that are kept for tests.
    """
    count = round(duration_s * AUDIO_RATE_HZ)
    indices = bank.phrases(*_choose_voice(rng, bank, held_out))
    shift = float(np.exp(rng.uniform(*np.log(_SHIFT))))
    special = [config.question, config.raised, config.amused, config.emphatic]
    shares = np.array([max(0.0, 1 - sum(special)), *special])
    script, sound = Script(), np.zeros(count)
    last = -1
    t = float(rng.uniform(0.1, 0.8))
    while t < duration_s:
        kind = str(rng.choice(KINDS, p=shares / shares.sum()))
        fitting = indices[bank.question[indices] == (kind == 'question')]
        fitting = fitting[fitting != last] if len(fitting) > 1 else indices
        last = int(rng.choice(fitting))
        higher = shift * {'raised': 1.06, 'amused': 1.03}.get(kind, 1.0)
        said = resample_poly(bank.sound(last).astype(float), 100, round(100 * higher))
        said *= _LOUDNESS.get(kind, 1.0) * SPEECH_LEVEL / speech_rms(said, AUDIO_RATE_HZ)
        begin = round(t * AUDIO_RATE_HZ)
        stop_s = (begin + len(said)) / AUDIO_RATE_HZ
        if stop_s > duration_s:
            break
        sound[begin : begin + len(said)] = said
        script.phrases.append(Phrase(kind, syllables_of(said, t)))
        t = stop_s + draw(rng, config.answer_pause_s if kind == 'question' else config.pause_s)
    others = [bank.sound(int(k)) for k in rng.integers(len(bank), size=5)]
    mouth = mouth_of(sound, round(duration_s * CONTROL_HZ))
    return Speech(script, mouth, sound, others)
