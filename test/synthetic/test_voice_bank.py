# SPDX-License-Identifier: Apache-2.0
"""Voice banks: what is stored, what is refused, and speakers who talk with these voices."""

from dataclasses import replace

import numpy as np
import pytest

from robot_face_gen.cli import main
from robot_face_gen.data.lip_sync import IN_SYNC, judge_lip_sync
from robot_face_gen.synthetic.config import (
    CONTROL_HZ,
    CameraConfig,
    GeneratorConfig,
    SpeakerConfig,
)
from robot_face_gen.synthetic.conversation import generate_conversation
from robot_face_gen.synthetic.script import Script, make_phrase
from robot_face_gen.synthetic.spoken import mouth_of, speak
from robot_face_gen.synthetic.texts import LANGUAGES, is_question, phrases
from robot_face_gen.synthetic.voice import Voice, articulate, synthesise
from robot_face_gen.synthetic.voice_bank import VoiceBank, decode_mu_law, encode_mu_law, load_bank

RATE = 16_000
CONFIG = GeneratorConfig(
    duration_s=12.0, listeners=1, camera=CameraConfig(missing=0.0, absent=0.0)
)


@pytest.fixture(scope='module')
def bank(tmp_path_factory):
    """A bank with two voices for training and one for tests, made with the formant synthesiser."""
    codes, rows = [], []
    for number, pitch_hz in enumerate((100.0, 160.0, 220.0)):
        rng = np.random.default_rng(number)
        for k in range(6):
            phrase = make_phrase(rng, 'question' if k % 2 else 'statement', 0.0, 8, 4.5)
            a = articulate(Script([phrase]), round(phrase.stop_s * CONTROL_HZ))
            sound = synthesise(a, Voice(pitch_hz, 1.0, 0.02), rng, RATE)
            codes.append(encode_mu_law(0.9 * sound / np.abs(sound).max()))
            rows.append((f'voice{number}', 'en', f'text {k}', bool(k % 2), number == 2))
    stop = np.cumsum([len(part) for part in codes]).astype(np.int64)
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    path = tmp_path_factory.mktemp('bank') / 'voices.npz'
    VoiceBank(np.concatenate(codes), stop, *columns).save(path)
    return path


def test_mu_law_keeps_quiet_and_loud_sound():
    x = np.linspace(-1, 1, 4001)
    y = decode_mu_law(encode_mu_law(x))
    assert np.abs(y - x).max() < 0.025
    assert np.abs(y - x)[np.abs(x) < 0.01].max() < 4e-4
    assert decode_mu_law(encode_mu_law(np.array([2.0, -2.0]))) == pytest.approx([1, -1])


def test_a_bank_is_read_as_written(bank):
    found = load_bank(bank)
    assert len(found) == 18
    assert found.speakers == {
        False: [('voice0', 'en'), ('voice1', 'en')], True: [('voice2', 'en')]
    }  # fmt: skip
    assert found.phrases('voice1', 'en').tolist() == list(range(6, 12))
    assert 0.85 < np.abs(found.sound(7)).max() < 0.95
    assert sum(len(found.sound(k)) for k in range(18)) == len(found.codes)


def test_other_files_are_refused(bank, tmp_path):
    def changed(**arrays):
        with np.load(bank) as file:
            content = dict(file) | arrays
        path = tmp_path / f'{len(list(tmp_path.iterdir()))}.npz'
        np.savez(path, **{k: v for k, v in content.items() if v is not None})
        return path

    text = tmp_path / 'text.npz'
    text.write_text('no bank')
    stop = load_bank(bank).stop
    for path, message in (
        (text, 'text.npz: no voice bank'),
        (changed(version=np.array(9)), 'voice bank of version 9, expected 1'),
        (changed(language=None), "expected a one-dimensional array 'language'"),
        (changed(codes=np.zeros(9)), "array 'codes' has type float64, expected uint8"),
        (changed(stop=stop[:-1]), 'expected one value for each phrase'),
        (changed(stop=stop + 1), "array 'stop' does not fit the sound"),
        (changed(held_out=np.ones(18, bool)), 'all speakers are held out'),
    ):
        with pytest.raises(ValueError, match=message):
            load_bank(path)
    with pytest.raises(FileNotFoundError, match='`robot-face-gen voices` makes one'):
        load_bank(tmp_path / 'none.npz')


def pitch_of(sound):
    spectrum = np.abs(np.fft.rfft(sound, 1 << 19)) ** 2
    return np.fft.irfft(spectrum)[RATE // 400 : RATE // 70].argmax() + RATE // 400


def test_tests_use_voices_that_training_never_had(bank):
    found = load_bank(bank)
    for held_out in (False, True):
        for seed in range(4):
            speech = speak(
                np.random.default_rng(seed), SpeakerConfig(), 20.0, found, held_out=held_out
            )
            pitch_hz = RATE / pitch_of(speech.sound)
            # The voices have 100, 160 and 220 Hz, shifted by a factor of 0.86 to 1.17.
            assert (pitch_hz > 187) == held_out, pitch_hz


def test_phrases_pauses_and_sound_belong_together(bank):
    speech = speak(
        np.random.default_rng(3), SpeakerConfig(), 20.0, load_bank(bank), held_out=False
    )
    assert len(speech.script.phrases) >= 4
    assert len(speech.sound) == 20 * RATE
    for before, after in zip(speech.script.phrases, speech.script.phrases[1:], strict=False):
        assert after.start_s - before.stop_s > 0.4
        begin, end = (round(t * RATE) for t in (before.stop_s + 0.02, after.start_s - 0.02))
        assert not speech.sound[begin:end].any()
        begin, end = (round(t * RATE) for t in (before.start_s, before.stop_s))
        assert speech.sound[begin:end].std() > 0.02
    rate = len(speech.script.syllables) / sum(p.stop_s - p.start_s for p in speech.script.phrases)
    assert 2.5 < rate < 7
    assert any(s.stress for s in speech.script.syllables)


def test_a_mouth_from_sound_opens_with_the_voice():
    rng = np.random.default_rng(0)
    script = Script([make_phrase(rng, 'statement', 0.5, 12, 4.5)])
    a = articulate(script, 5 * CONTROL_HZ)
    mouth = mouth_of(synthesise(a, Voice(120.0, 1.0, 0.02), rng, RATE).astype(float), len(a.open))
    assert len(mouth.open) == len(a.open)
    assert np.corrcoef(mouth.open * mouth.voiced, a.open * a.voiced)[0, 1] > 0.7
    assert not mouth.open[: CONTROL_HZ // 3].any()


def test_conversations_with_a_bank(bank):
    first, again = (generate_conversation(3, CONFIG, bank) for _ in range(2))
    assert np.array_equal(first.speaker.sound, again.speaker.sound)
    assert not np.array_equal(first.speaker.sound, generate_conversation(3, CONFIG).speaker.sound)
    synchronous = [
        judge_lip_sync(d.speaker.frames, d.speaker.sound, RATE, 24.0).verdict
        for d in (
            generate_conversation(seed, replace(CONFIG, duration_s=24.0), bank)
            for seed in range(3)
        )
    ]
    assert synchronous.count(IN_SYNC) >= 2
    with pytest.raises(ValueError, match='sample_rate = 8000: expected 16000'):
        generate_conversation(0, replace(CONFIG, sample_rate=8000), bank)


def test_the_command_refuses_a_bad_bank_and_notes_a_good_one(bank, tmp_path, capsys):
    words = ['generate', str(tmp_path / 'out'), '--duration', '2', '--listeners', '1',
             '--workers', '1', '--test', '1']  # fmt: skip
    assert main([*words, '--voices', str(tmp_path / 'none.npz')]) == 2
    assert 'no such voice bank' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
    assert main([*words, '--voices', str(bank)]) == 0
    capsys.readouterr()
    assert main(words) == 2
    assert 'was generated with another voices, held_out' in capsys.readouterr().err


def test_texts_are_different_and_reproducible():
    for language in LANGUAGES:
        some = phrases(language, 40, 0)
        assert len(set(some)) == len(some) == 40
        assert some == phrases(language, 40, 0)
        assert some != phrases(language, 40, 1)
        assert 0 < sum(map(is_question, some)) < 20
