# SPDX-License-Identifier: Apache-2.0
"""The synthesised voice has the pitch, formants and loudness of the script."""

import numpy as np
import pytest

from robot_face_gen.synthetic.config import CONTROL_HZ, SpeakerConfig
from robot_face_gen.synthetic.script import (
    VOWELS,
    Phrase,
    Script,
    Syllable,
    make_hum,
    write_script,
)
from robot_face_gen.synthetic.voice import Voice, articulate, envelope, synthesise

RATE = 16_000
VOICE = Voice(pitch_hz=120.0, vocal_tract=1.0, breath=0.02)


def speak(script, seconds, voice=VOICE, seed=0):
    a = articulate(script, round(seconds * CONTROL_HZ))
    return a, synthesise(a, voice, np.random.default_rng(seed), RATE)


def one_vowel(vowel, pitch=(1.0, 1.0), loudness=1.0):
    syllable = Syllable(0.1, 0.8, vowel, 'none', 0.0, pitch, loudness)
    return Script([Phrase('statement', (syllable,))])


def spectrum(sound, begin_s, end_s):
    part = sound[int(begin_s * RATE) : int(end_s * RATE)]
    power = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2
    return np.fft.rfftfreq(len(part), 1 / RATE), power


@pytest.mark.parametrize('pitch_hz', [100.0, 220.0])
def test_the_voice_has_its_pitch(pitch_hz):
    _, sound = speak(one_vowel(0), 1.0, Voice(pitch_hz, 1.0, 0.0))
    part = sound[int(0.4 * RATE) : int(0.7 * RATE)].astype(float)
    correlation = np.correlate(part, part, 'full')[len(part) - 1 :]
    low, high = int(RATE / 400), int(RATE / 70)
    period = low + np.argmax(correlation[low:high])
    assert RATE / period == pytest.approx(pitch_hz, rel=0.04)


def test_vowels_sound_different_and_have_their_formants():
    def band(vowel, low, high):
        hertz, power = spectrum(speak(one_vowel(vowel), 1.0)[1], 0.4, 0.7)
        return power[(hertz >= low) & (hertz < high)].sum() / power.sum()

    a, i, u = 0, 2, 4
    # "a" has its first formant near 730 Hz, "i" and "u" near 300 Hz.
    assert band(a, 550, 900) > 3 * band(i, 550, 900)
    # "i" has its second formant near 2250 Hz, "u" does not.
    assert band(i, 1900, 3200) > 3 * band(u, 1900, 3200)
    assert VOWELS[i].formants[1] > 2 * VOWELS[u].formants[1]


def test_loudness_follows_the_script():
    def loud(vowel, loudness):
        _, sound = speak(one_vowel(vowel, loudness=loudness), 1.0)
        return envelope(sound, RATE, CONTROL_HZ)[80:140].mean()

    # 1 is the mean loudness of normal vowels.
    assert np.mean([loud(vowel, 1.0) for vowel in range(len(VOWELS))]) == pytest.approx(
        1, abs=0.25
    )
    assert 1.8 < loud(0, 1.0) / loud(0, 0.5) < 2.2
    assert 1.5 < loud(0, 2.0) / loud(0, 1.0) < 2.2  # soft clipping


def test_pauses_are_quiet_and_words_are_not():
    rng = np.random.default_rng(2)
    script = write_script(rng, SpeakerConfig(), 20.0, 4.5)
    assert len(script.phrases) >= 4
    a, sound = speak(script, 20.0)
    assert sound.shape == (20 * RATE,)
    assert sound.dtype == np.float32
    assert np.abs(sound).max() < 1
    loud = envelope(sound, RATE, len(a.voiced))
    for before, after in zip(script.phrases, script.phrases[1:], strict=False):
        middle = round((before.stop_s + after.start_s) / 2 * CONTROL_HZ)
        assert loud[middle] < 0.05
    for syllable in script.syllables:
        at = round(syllable.peak_s * CONTROL_HZ)
        assert loud[at - 4 : at + 4].max() > 0.2


def test_questions_rise_and_raised_voices_are_louder():
    config = SpeakerConfig(question=0.5, raised=0.5, amused=0.0, emphatic=0.0)
    phrases = write_script(np.random.default_rng(0), config, 200.0, 4.5).phrases
    questions = [p for p in phrases if p.kind == 'question']
    raised = [p for p in phrases if p.kind == 'raised']
    assert len(questions) + len(raised) == len(phrases)
    assert min(len(questions), len(raised)) > 5
    assert all(p.syllables[-1].pitch[1] > p.syllables[0].pitch[0] for p in questions)
    assert all(p.syllables[-1].pitch[1] < p.syllables[0].pitch[0] for p in raised)

    def mean_loudness(some):
        return np.mean([s.loudness for p in some for s in p.syllables])

    assert mean_loudness(raised) > 1.8 * mean_loudness(questions)


def test_the_mouth_is_closed_in_a_hum():
    a = articulate(Script([make_hum(np.random.default_rng(0), 0.2)]), 2 * CONTROL_HZ)
    assert a.voiced.max() > 0.3
    assert a.open.max() == 0
    assert a.closed.max() > 0.5


def test_an_empty_script_is_silent():
    a, sound = speak(Script(), 1.0)
    assert not a.voiced.any()
    assert not sound.any()
