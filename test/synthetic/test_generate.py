# SPDX-License-Identifier: Apache-2.0
"""The command `generate`: reproducible recordings and prepared data, never replaced silently."""

from dataclasses import replace
from pathlib import Path

import pytest
from prepared_data import data_set_files

from robot_face_gen.cli import main
from robot_face_gen.data.sessions import SPLITS, read_sessions
from robot_face_gen.data.store import read_catalogue, track_path
from robot_face_gen.data.tracks import EmbeddingConfig
from robot_face_gen.features.sound_file import SoundFile
from robot_face_gen.synthetic.config import GeneratorConfig
from robot_face_gen.synthetic.generate import generate_prepared
from robot_face_gen.synthetic.plan import make_plan, split_of
from robot_face_gen.synthetic.recordings import generate_recordings

CONFIG = GeneratorConfig(duration_s=4.0, listeners=2)
PLAN = make_plan(3, 7, CONFIG, 'train')


@pytest.fixture(scope='module')
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp('recordings')
    generate_recordings(PLAN, folder)
    return folder


def test_recordings_have_the_documented_format(recordings):
    sessions = read_sessions(recordings)
    assert [s.name for s in sessions] == ['dyad_00000_0', 'dyad_00000_1', 'dyad_00001_0']
    assert [s.groups[0] for s in sessions] == ['speaker_00000', 'speaker_00000', 'speaker_00001']
    assert all(s.listeners == 'b' for s in sessions)
    for session in sessions:
        for person in session.people:
            assert person.face.is_file()
            assert SoundFile(person.sound).duration_s == 4.0
    a, b = (recordings / name / 'a.csv' for name in ('dyad_00000_0', 'dyad_00000_1'))
    assert a.read_bytes() == b.read_bytes()
    assert a.read_bytes() != (recordings / 'dyad_00001_0' / 'a.csv').read_bytes()


def test_the_same_seed_writes_the_same_files(recordings, tmp_path):
    generate_recordings(PLAN[1:], tmp_path, workers=1)
    for file in ('a.csv', 'a.flac', 'b.csv', 'b.flac'):
        name = f'dyad_00001_0/{file}'
        assert (tmp_path / name).read_bytes() == (recordings / name).read_bytes()


def test_interrupted_generation_continues(recordings, tmp_path):
    generate_recordings(PLAN[:1], tmp_path)
    kept = tmp_path / 'dyad_00000_0' / 'a.csv'
    (tmp_path / 'dyad_00000_1' / 'generated.json').unlink()  # as after an interruption
    generate_recordings(PLAN, tmp_path)
    assert [s.name for s in read_sessions(tmp_path)] == [s.name for s in read_sessions(recordings)]
    assert kept.read_bytes() == (recordings / 'dyad_00000_0' / 'a.csv').read_bytes()
    before = kept.stat().st_mtime_ns
    generate_recordings(PLAN, tmp_path)
    assert kept.stat().st_mtime_ns == before
    other = make_plan(3, 8, CONFIG)
    with pytest.raises(ValueError, match='dyad_00000_0: was generated with another seed'):
        generate_recordings(other, tmp_path)
    for damaged in ('{"seed": ', '[1]'):
        (tmp_path / 'dyad_00000_0' / 'generated.json').write_text(damaged)
        with pytest.raises(ValueError, match='dyad_00000_0: was generated with another seed'):
            generate_recordings(PLAN, tmp_path)


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no device that is always full')
def test_a_full_disk_is_an_error_with_the_path(tmp_path):
    (tmp_path / 'sessions.csv').symlink_to('/dev/full')
    with pytest.raises(OSError, match='No space left') as error:
        generate_recordings(PLAN[:1], tmp_path)
    assert error.value.filename == str(tmp_path / 'sessions.csv')


def test_generated_data_is_never_replaced_silently(tmp_path, capsys):
    out = tmp_path / 'out'
    how = '--dyads 2 --duration 2.5 --listeners 1 --workers 1 --context 0.4 --device cpu'
    words = [*how.split(), '--prepared', '--encoder', 'untrained']
    assert main(['generate', str(out), '--seed', '1', *words]) == 0
    before = data_set_files(out)
    assert main(['generate', str(out), '--seed', '1', *words]) == 0
    assert data_set_files(out) == before
    capsys.readouterr()
    assert main(['generate', str(out), '--seed', '2', *words]) == 2
    error = capsys.readouterr().err
    assert "session 'dyad_00000_0' is there with other content" in error
    assert 'replace the data set with --overwrite' in error
    words[1] = '1'
    assert main(['generate', str(out), '--seed', '1', *words]) == 2
    assert "(2 sessions), session 'dyad_00001_0' would be lost" in capsys.readouterr().err
    assert data_set_files(out) == before
    assert main(['generate', str(out), '--seed', '2', '--overwrite', *words]) == 0
    assert [s.name for s in read_catalogue(out).sessions] == ['dyad_00000_0']
    assert len(list((out / 'tracks').iterdir())) == 2
    assert read_catalogue(out).description['name'].startswith('generated conversations, seed 2')


def test_a_table_of_recordings_is_never_replaced_silently(tmp_path, capsys):
    source = tmp_path / 'mine'
    (source / 'monday').mkdir(parents=True)
    (source / 'monday' / 'a.csv').touch()
    table = 'session,split,listener,group_a\nmonday,train,b,\n'
    (source / 'sessions.csv').write_text(table)
    words = ['generate', str(source), '--dyads', '1', '--duration', '2', '--workers', '1']
    assert main(words) == 2
    assert "sessions.csv, line 2: 'monday,train,b,' would be lost" in capsys.readouterr().err
    assert (source / 'sessions.csv').read_text() == table
    assert main([*words, '--overwrite']) == 0
    assert [s.name for s in read_sessions(source)] == ['dyad_00000_0']
    assert (source / 'monday' / 'a.csv').is_file()
    first = (source / 'dyad_00000_0' / 'a.csv').read_bytes()
    assert main([*words, '--seed', '3']) == 2
    assert 'was generated with another seed' in capsys.readouterr().err
    assert main([*words, '--seed', '3', '--overwrite']) == 0
    assert (source / 'dyad_00000_0' / 'a.csv').read_bytes() != first


def test_each_speaker_and_listener_has_its_own_track(tmp_path):
    """Also with equal settings: only the number of the speaker differs between the jobs."""
    plan = make_plan(4, 7, replace(CONFIG, duration_s=2.0), 'train')
    assert plan[0] == replace(plan[1], index=0)
    generate_prepared(plan, tmp_path, EmbeddingConfig(encoder='untrained', context_s=0.4))
    sessions = read_catalogue(tmp_path).sessions
    assert [s.groups[0] for s in sessions] == ['speaker_00000'] * 2 + ['speaker_00001'] * 2
    assert len({s.tracks[0] for s in sessions}) == 2
    assert len({s.tracks[1] for s in sessions}) == 4
    content = {track_path(tmp_path, t).read_bytes() for s in sessions for t in s.tracks}
    assert len(content) == 6


def test_splits_keep_speakers_together():
    plan = make_plan(42, 0, CONFIG)
    assert sum(job.config.listeners for job in plan) == 42
    splits = [job.split for job in plan]
    assert splits == ['train'] * 17 + ['val'] * 2 + ['test'] * 2
    assert [split_of(i, 2) for i in range(2)] == ['train', 'train']
    assert [split_of(i, 3) for i in range(3)] == ['train', 'val', 'test']


def test_speakers_of_each_split(tmp_path, capsys):
    words = ['generate', str(tmp_path), '--seed', '1', '--duration', '2', '--listeners', '2',
             '--workers', '1', '--val', '1', '--test', '2']  # fmt: skip
    assert main([*words, '--train', '1']) == 0
    sessions = read_sessions(tmp_path)
    speakers = {split: {s.groups[0] for s in sessions if s.split == split} for split in SPLITS}
    assert {split: len(names) for split, names in speakers.items()} == {
        'train': 1, 'val': 1, 'test': 2
    }  # fmt: skip
    assert len(sessions) == 8
    assert len(set.union(*speakers.values())) == 4
    # More training speakers later: nothing that was there changes.
    before = {path: path.read_bytes() for path in tmp_path.glob('*/*.csv')}
    assert main([*words, '--train', '3']) == 0
    more = read_sessions(tmp_path)
    assert [s.name for s in more if s.split == 'test'] == [
        s.name for s in sessions if s.split == 'test'
    ]
    assert len(more) == 12
    assert all(path.read_bytes() == content for path, content in before.items())
    for wrong, message in (
        (['--train', '1', '--dyads', '4'], '--dyads and --train: expected one of the two'),
        (['--val', '-1'], '--val -1: expected at least 0'),
        (['--test', '0'], '--test 0: expected at least one speaker'),
        (['--test', '1', '--split', 'test'], '--split and --test: expected one of the two'),
    ):
        assert main(['generate', str(tmp_path), *wrong]) == 2
        assert message in capsys.readouterr().err
