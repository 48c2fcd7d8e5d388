# SPDX-License-Identifier: Apache-2.0
"""Voice banks made by a synthesiser that is installed, and the demo's recording."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robot_face_gen.cli import main
from robot_face_gen.data.lip_sync import IN_SYNC, judge_lip_sync
from robot_face_gen.features.openface import read_openface_csv
from robot_face_gen.features.sound_file import read_audio
from robot_face_gen.synthetic.make_bank import installed_sources, make_bank, trimmed
from robot_face_gen.synthetic.texts import is_question
from robot_face_gen.synthetic.voice_bank import load_bank

ROOT = Path(__file__).parents[2]
RATE = 16_000
needs_espeak = pytest.mark.skipif(
    shutil.which('espeak-ng') is None, reason='needs the program espeak-ng'
)


@needs_espeak
def test_a_bank_of_a_real_synthesiser(tmp_path):
    path = tmp_path / 'new' / 'voices.npz'
    assert main(['voices', str(path), '--only', 'espeak', '--phrases', '4', '--seed', '3']) == 0
    bank = load_bank(path)
    assert {'cmn', 'de', 'en', 'es', 'fr'} == set(bank.language.tolist())
    assert all(name.startswith('espeak/') for name in bank.speaker)
    assert not set(bank.speakers[True]) & set(bank.speakers[False])
    assert {language for _, language in bank.speakers[True]} == {'cmn', 'de'}
    assert len(set(bank.text.tolist())) > 0.9 * len(bank)
    for k in range(len(bank)):
        sound = bank.sound(k)
        assert 0.4 <= len(sound) / RATE <= 8
        assert 0.8 < np.abs(sound).max() <= 1
        assert bank.question[k] == is_question(str(bank.text[k]))
        # A character is spoken in 0.03 to 0.2 s, a Mandarin one in 0.1 to 0.5 s.
        least, most = (0.1, 0.5) if bank.language[k] == 'cmn' else (0.03, 0.2)
        assert least < len(sound) / RATE / len(bank.text[k]) < most, bank.text[k]
        level = np.sqrt(np.square(sound[: len(sound) // 160 * 160]).reshape(-1, 160).mean(1))
        silent = level < 0.01 * level.max()
        assert not silent[:3].all() and not silent[-6:].all()


@needs_espeak
def test_the_speed_of_a_speaker_changes_the_length():
    source = next(s for s in installed_sources() if s.synthesiser == 'espeak')
    slow, fast = (len(trimmed(*source.speak('你好，我是王老师。', speed))) for speed in (0.8, 1.3))
    assert 1.3 < slow / fast < 2.0
    bank, again = (make_bank([source], 3, 1) for _ in range(2))
    assert np.array_equal(bank.codes, again.codes)


def test_silence_around_and_inside_a_phrase_is_cut():
    rng = np.random.default_rng(0)
    word = rng.standard_normal(8000)
    sound = np.concatenate((np.zeros(5000), word, np.zeros(20_000), word, np.zeros(9000)))
    assert len(trimmed(sound, RATE)) / RATE == pytest.approx(0.5 + 0.25 + 0.5, abs=0.06)
    assert len(trimmed(np.zeros(RATE), RATE)) == 0


def test_sources_that_are_not_there_are_named(tmp_path, capsys):
    out = tmp_path / 'voices.npz'
    assert main(['voices', str(out), '--only', 'none']) == 2
    assert '--only none: expected one of those installed: ' in capsys.readouterr().err
    assert main(['voices', str(out), '--phrases', '0']) == 2
    assert '--phrases 0: expected at least 1' in capsys.readouterr().err
    assert main(['voices', str(out), '--kokoro-voices', str(tmp_path / 'none')]) == 2
    assert f'{tmp_path / "none"}: ' in capsys.readouterr().err
    assert not out.exists()


@needs_espeak
def test_a_file_that_cannot_be_written_is_found_before_anybody_speaks(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(
        'robot_face_gen.synthetic.make_bank.make_bank', lambda *_: pytest.fail('spoke')
    )
    assert main(['voices', str(tmp_path)]) == 2
    assert f'{tmp_path}: is a folder: expected a file' in capsys.readouterr().err


@needs_espeak
def test_the_demo_recording_can_be_made_again(tmp_path):
    tool = ROOT / 'tools' / 'make_demo_recording.py'
    subprocess.run([sys.executable, tool, tmp_path], check=True, capture_output=True)
    frames = read_openface_csv(tmp_path / 'speaker.csv').frames
    sound, rate = read_audio(tmp_path / 'speaker.flac')
    assert 15 > sum(not frame.success for frame in frames) > 0
    assert judge_lip_sync(frames, sound, rate, 21.0).verdict == IN_SYNC
