# SPDX-License-Identifier: Apache-2.0
"""A folder as the published description of the Seamless Interaction data set gives it."""

import json
import shutil

import numpy as np
import pytest
from sound_files import write_wav

from robot_face_gen.cli import main
from robot_face_gen.data.prepare import prepare
from robot_face_gen.data.seamless import read_sessions
from robot_face_gen.data.store import read_catalogue, read_track
from robot_face_gen.data.tracks import EmbeddingConfig
from robot_face_gen.features.sound_file import read_audio
from robot_face_gen.synthetic.config import GeneratorConfig
from robot_face_gen.synthetic.plan import make_plan
from robot_face_gen.synthetic.recordings import generate_recordings

QUICK = EmbeddingConfig('untrained', hop_s=0.08, context_s=0.4, settle_s=0.04, device='cpu')
SECONDS = 3
ONE, OTHER = 'V00_S0809_I00000582', 'V01_S0223_I00000127'


def write_participant(folder, stem, face, sound):
    """The four files of a participant, and the CSV that a tracker wrote of the film."""
    folder.mkdir(parents=True, exist_ok=True)
    samples, _ = read_audio(sound)
    write_wav(folder / f'{stem}.wav', (np.repeat(samples, 3) * 30000).astype(np.int16), 48000)
    (folder / f'{stem}.mp4').write_bytes(b'')  # is not read, because there are a CSV and a WAV
    shutil.copy(face, folder / f'{stem}.csv')
    frames = 30 * SECONDS
    np.savez(
        folder / f'{stem}.npz',
        **{
            'boxes_and_keypoints:keypoints': np.zeros((frames, 68, 2), np.float32),
            'movement:FAUValue': np.zeros((frames, 24), np.float32),
            'movement:is_valid': np.ones((frames, 1), bool),
        },
    )
    vad = [{'start': 0.1, 'end': 0.9}]
    (folder / f'{stem}.json').write_text(
        json.dumps({'id': stem, 'metadata:vad': vad, 'metadata:transcript': []})
    )


@pytest.fixture(scope='module')
def data_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp('seamless')
    config = GeneratorConfig(duration_s=SECONDS, listeners=1)
    generate_recordings(make_plan(1, 3, config, 'train'), folder / 'source')
    source = folder / 'source' / 'dyad_00000_0'
    for part, interaction, people in (
        ('improvised/train/0000/0005', ONE, ('P0947', 'P0948')),
        ('naturalistic/dev/0001/0000', OTHER, ('P1505', 'P1506')),
    ):
        for person, who in zip(people, 'ab', strict=True):
            stem = f'{interaction}_{person}'
            # The voice of both is the speaker's, so that each can be the speaker.
            write_participant(
                folder / 'data' / part, stem, source / f'{who}.csv', source / 'a.flac'
            )
    return folder / 'data'


def test_both_labels_are_prepared(data_set, tmp_path):
    found = prepare(data_set, tmp_path / 'out', QUICK)
    assert [f for f in found if f.level == 'error'] == []
    sessions = read_catalogue(tmp_path / 'out').sessions
    assert [(s.name, s.split, s.listeners) for s in sessions] == [
        (ONE, 'train', 'ab'), (OTHER, 'val', 'ab'),
    ]  # fmt: skip
    assert {s.frames for s in sessions} == {25 * SECONDS}
    track = read_track(tmp_path / 'out', sessions[0].tracks[1])
    assert track['audio_valid'].any() and track['face_valid'].mean() > 0.7


def test_one_folder_for_each_kind_of_file(data_set, tmp_path):
    """As the bucket has them; a part of the data set can be given."""
    base = tmp_path / 'improvised' / 'dev'
    for kind, name in (('.wav', 'audio'), ('.mp4', 'video'), ('.csv', 'processed')):
        (base / name).mkdir(parents=True)
        for path in data_set.rglob(f'{ONE}*{kind}'):
            shutil.copy(path, base / name)
    (session,) = read_sessions(base)
    assert session.split == 'val'
    assert [p.face for p in session.people] == [
        base / 'processed' / f'{ONE}_{person}.csv' for person in ('P0947', 'P0948')
    ]
    assert all(p.sound.parent.name == 'audio' for p in session.people)


def test_what_is_missing_is_reported(data_set, tmp_path):
    source = tmp_path / 'in'
    shutil.copytree(data_set, source)
    train = source / 'improvised/train/0000/0005'
    (train / f'{ONE}_P0948.csv').unlink()
    for path in source.rglob(f'{OTHER}_P1506.*'):
        path.unlink()
    with pytest.raises(ValueError, match='none of 2 sessions can be used'):
        prepare(source, tmp_path / 'out', QUICK)
    report = (tmp_path / 'out' / 'report.csv').read_text()
    assert f'no {ONE}_P0948.csv; to write it: robot-face-gen track {train}' in report
    assert f'no {OTHER}_P?.csv; only P1505 is there' in report


def test_folders_that_are_not_clear(data_set, tmp_path, capsys):
    archives = tmp_path / 'improvised' / 'dev' / '0000'
    archives.mkdir(parents=True)
    (archives / '0003.tar').write_bytes(b'')
    with pytest.raises(ValueError, match=r'0003\.tar: an archive .* Unpack it'):
        read_sessions(tmp_path)
    (tmp_path / 'x').mkdir()
    with pytest.raises(FileNotFoundError, match=r'sessions\.csv: not found'):
        read_sessions(tmp_path / 'x')
    (tmp_path / 'x' / f'{ONE}_P0947.wav').write_bytes(b'')
    with pytest.raises(ValueError, match='none of its folders is named train, val, test, dev'):
        read_sessions(tmp_path / 'x')
    (tmp_path / 'test').mkdir()
    for person in ('P1', 'P2', 'P3'):
        (tmp_path / 'test' / f'{ONE}_{person}.wav').write_bytes(b'')
    with pytest.raises(ValueError, match=f'{ONE} has 3 participants: expected 2'):
        read_sessions(tmp_path / 'test')
    assert main(['sync', str(data_set)]) == 2  # whose files begin together
    assert 'sessions.csv: not found' in capsys.readouterr().err
