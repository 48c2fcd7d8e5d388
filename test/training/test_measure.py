# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen measure` on files: known events, other rates, missing columns, clear errors."""

import json

import numpy as np
import pytest

from robot_face_gen.cli import main
from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.features.openface_write import write_openface_csv
from robot_face_gen.features.sound_file import write_flac
from robot_face_gen.layout import AU
from robot_face_gen.training.liveliness import MEASURES


def bump(t, begin, length, height):
    phase = (t - begin) / length
    return height * 0.5 * (1 - np.cos(2 * np.pi * phase)) if 0 < phase < 1 else 0.0


def write_face(path, seconds, *, blinks=(), nods=(), speech=(), fps=25.0, confidence=0.98):
    """A face that blinks for 0.4 s, nods for 0.5 s and talks at known times."""
    frames, points = [], np.random.default_rng(1).uniform(100, 300, 136).astype(np.float32)
    for k in range(round(seconds * fps)):
        t = k / fps
        au = np.full(18, 0.2, np.float32)
        au[AU['AU45']] += sum(bump(t, begin, 0.4, 2.5) for begin in blinks)
        talks = any(begin <= t < end for begin, end in speech)
        au[AU['AU25']] += 1.5 * talks
        rx = np.radians(sum(bump(t, begin, 0.5, 6.0) for begin in nods))
        pose = np.array([rx, 0.0, 0.0, 0.6], np.float32)
        frames.append(
            FaceFrame(round(t * 1e9), confidence, confidence > 0.5, 640, 480, points, au, pose,
                      np.zeros(2, np.float32))
        )  # fmt: skip
    write_openface_csv(path, frames)
    return str(path)


SPEECH = [(begin, begin + 4.0) for begin in range(1, 60, 6)]
BLINKS = np.arange(12) * 4.7 + 1.3
NODS = [end + 0.3 for _, end in SPEECH if end < 58]


@pytest.mark.parametrize('fps', [25.0, 30.0, 60.0])
def test_a_minute_with_known_events(tmp_path, capsys, fps):
    reaction = write_face(tmp_path / 'r.csv', 60, blinks=BLINKS, nods=NODS, fps=fps)
    speaker = write_face(tmp_path / 's.csv', 60, blinks=BLINKS[:6], speech=SPEECH)
    out = tmp_path / 'out.json'
    assert main(['measure', reaction, '--speaker', speaker, '--json', str(out)]) == 0
    content = json.loads(out.read_text())
    found = content['reaction']
    assert set(found) == set(MEASURES)
    assert found['blinks_per_min'] == pytest.approx(12, abs=0.1)
    assert found['blink_duration_s'] == pytest.approx(0.2, abs=0.02)
    assert found['nods_per_min'] == pytest.approx(len(NODS), abs=0.1)
    # All nods are 0.55 s after a pause began, in 21 of each 150 frames.
    assert found['nod_at_pause_lift'] == pytest.approx(150 / 21, rel=0.15)
    assert content['speaker']['blinks_per_min'] == pytest.approx(6, abs=0.1)
    assert content['speaker']['nods_per_min'] == 0
    assert content['about']['duration_s'] == pytest.approx(60, abs=0.05)
    text = capsys.readouterr().out
    assert 'blinks_per_min' in text
    assert '12.0' in text


def test_pauses_from_the_sound(tmp_path, capsys):
    reaction = write_face(tmp_path / 'r.csv', 60, nods=NODS)
    t = np.arange(60 * 16000) / 16000
    said = np.any([(t >= begin) & (t < end) for begin, end in SPEECH], axis=0)
    rng = np.random.default_rng(0)
    sound = (0.3 * np.sin(1200 * t) * said + 0.002 * rng.standard_normal(len(t))).astype(
        np.float32
    )
    write_flac(tmp_path / 'voice.flac', sound, 16000)
    out = tmp_path / 'out.json'
    words = ['measure', reaction, '--audio', str(tmp_path / 'voice.flac'), '--json', str(out)]
    assert main(words) == 0
    found = json.loads(out.read_text())['reaction']
    assert found['nod_at_pause_lift'] == pytest.approx(150 / 21, rel=0.1)
    assert found['smile_lag_s'] is None
    assert found['jerk_ratio_au'] is None


def test_missing_columns_short_files_and_a_lost_face(tmp_path, capsys):
    whole = write_face(tmp_path / 'r.csv', 60, blinks=BLINKS, nods=NODS)
    lines = (tmp_path / 'r.csv').read_text().splitlines()
    names = lines[0].split(',')
    kept = [i for i, name in enumerate(names) if name not in ('AU45_r', 'x_3', 'gaze_angle_x')]
    rows = [','.join(line.split(',')[i] for i in kept) for line in lines]
    (tmp_path / 'part.csv').write_text('\n'.join(rows) + '\n')
    out = tmp_path / 'out.json'
    assert main(['measure', str(tmp_path / 'part.csv'), '--json', str(out)]) == 0
    found = json.loads(out.read_text())['reaction']
    assert found['blinks_per_min'] is None
    assert found['nods_per_min'] == pytest.approx(len(NODS), abs=0.1)
    assert 'AU45' in capsys.readouterr().out  # a note says what is missing

    short = write_face(tmp_path / 'short.csv', 2)
    assert main(['measure', short, '--json', str(out)]) == 0
    assert set(json.loads(out.read_text())['reaction'].values()) == {None}
    assert 'rates need 5 s' in capsys.readouterr().out
    assert main(['measure', whole, '--speaker', short]) == 0
    assert 'short.csv ends 58.0 s before the reaction' in capsys.readouterr().out

    lost = write_face(tmp_path / 'lost.csv', 3, confidence=0.1)
    assert main(['measure', lost]) == 2
    assert 'lost.csv: no face in 75 frames' in capsys.readouterr().err


def test_errors_name_the_file(tmp_path, capsys):
    whole = write_face(tmp_path / 'r.csv', 6)
    missing = str(tmp_path / 'none.csv')
    (tmp_path / 'other.csv').write_text('a,b\n1,2\n')
    for words in (
        ['measure', missing],
        ['measure', whole, '--speaker', missing],
        ['measure', whole, '--audio', str(tmp_path / 'none.wav')],
        ['measure', str(tmp_path / 'other.csv')],
        ['measure', whole, '--json', str(tmp_path / 'no_folder' / 'out.json')],
    ):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert error.count('\n') == 1
        assert any(name in error for name in ('none.csv', 'none.wav', 'other.csv', 'no_folder'))


def test_a_real_recording(real_recordings, tmp_path):
    out = tmp_path / 'out.json'
    words = [str(real_recordings.openface), '--speaker', str(real_recordings.openface)]
    assert main(['measure', *words, '--json', str(out)]) == 0
    found = json.loads(out.read_text())
    # 15 blinks can be counted in 19.6 s of this recording.
    assert found['reaction']['blinks_per_min'] == pytest.approx(46, abs=1)
    assert 0.1 < found['reaction']['blink_duration_s'] < 0.3
    assert found['reaction']['jerk_ratio_au'] == found['reaction']['jerk_ratio_pose'] == 1
    assert found['reaction']['spectrum_db'] == pytest.approx(0)
