# SPDX-License-Identifier: Apache-2.0
"""From recordings to clips, end to end, with the robot's encoder and short contexts."""

import csv
import json
import shutil

import numpy as np
import pytest
from films import write_film
from prepared_data import data_set_files

from robot_face_gen.cli import main
from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.data.prepare import prepare
from robot_face_gen.data.sessions import read_sessions
from robot_face_gen.data.store import read_catalogue, read_track
from robot_face_gen.data.tracks import Embedder, EmbeddingConfig
from robot_face_gen.features.sound_file import read_audio, write_flac
from robot_face_gen.layout import BRANCHES, VALUE_MASK_SLICES
from robot_face_gen.synthetic.config import GeneratorConfig
from robot_face_gen.synthetic.generate import generate_prepared
from robot_face_gen.synthetic.plan import make_plan
from robot_face_gen.synthetic.recordings import generate_recordings

QUICK = EmbeddingConfig('untrained', hop_s=0.08, context_s=0.4, settle_s=0.04, device='cpu')
CONFIG = GeneratorConfig(duration_s=4.0, listeners=2)
PLAN = make_plan(3, 7, CONFIG, 'train')
GRAY = [np.full((32, 32, 3), 128, np.uint8)] * round(25 * CONFIG.duration_s)


@pytest.fixture(scope='module')
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp('recordings')
    generate_recordings(PLAN, folder)
    return folder


@pytest.fixture(scope='module')
def prepared(recordings, tmp_path_factory):
    folder = tmp_path_factory.mktemp('prepared')
    assert [f for f in prepare(recordings, folder, QUICK) if f.level == 'error'] == []
    return folder


def copied(recordings, folder, names=('dyad_00000_0', 'dyad_00000_1')):
    """A copy of some sessions that a test may change."""
    for name in names:
        (folder / name).mkdir(parents=True)
        for file in ('a.csv', 'a.flac', 'b.csv', 'b.flac'):
            (folder / name / file).write_bytes((recordings / name / file).read_bytes())
    rows = ''.join(f'{name},train,b\n' for name in names)
    (folder / 'sessions.csv').write_text(f'session,split,listener\n{rows}')
    return folder


def test_prepared_clips_of_100_frames(prepared):
    data = ClipDataset(prepared, 'train', frames=100)
    assert len(data) == 3
    np.testing.assert_array_equal(data.appropriate(), [[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    for clip in data:
        speaker, listener = clip['speaker'], clip['listener']
        assert speaker['audio'].shape == (100, 2, 384)
        assert not speaker['audio_valid'][:3].any() and speaker['audio_valid'][5:].all()
        assert speaker['face_valid'].float().mean() > 0.7
        for person in (speaker, listener):
            seen = person['landmarks'][person['face_valid']]
            assert seen.min() > 0 and seen.max() < 1
            assert all(bool(np.isfinite(x.numpy()).all()) for x in person.values())
    description = data.description
    assert description['audio_encoder'] == Embedder(QUICK).description['audio_encoder']
    assert description['audio'] == {
        'hop_s': 0.08, 'context_s': 0.4, 'settle_s': 0.04, 'delay_s': 0.12, 'weights': 'untrained',
    }  # fmt: skip
    assert 'memory_frames' in description['face_crop']


def test_one_speaker_is_stored_once(prepared):
    sessions = read_catalogue(prepared).sessions
    assert sessions[0].tracks[0] == sessions[1].tracks[0] != sessions[2].tracks[0]
    assert len(list((prepared / 'tracks').glob('*.safetensors'))) == 5
    listener = read_track(prepared, sessions[0].tracks[1])
    assert listener['audio'].shape[-1] == 0  # whose voice nobody needs


def test_features_equal_those_of_the_recording(recordings, prepared):
    """The speaker's face and voice in frame k are those recorded at 40 k ms."""
    from robot_face_gen.features.openface import read_openface_csv
    from robot_face_gen.features.whisper_encoder import WhisperEncoder
    from robot_face_gen.features.whisper_stream import WhisperStream

    folder = recordings / 'dyad_00001_0'
    clip = ClipDataset(prepared, 'train', frames=100)[2]['speaker']
    track = read_openface_csv(folder / 'a.csv')
    stamps = np.array([f.stamp_ns for f in track.frames]) / 1e9
    au = np.stack([f.au for f in track.frames])
    checked = 0
    for k in np.flatnonzero(clip['face_valid'].numpy()):
        near = np.flatnonzero(np.abs(stamps - 0.04 * k) < 0.0201)
        same = [np.allclose(clip['au'][k], au[j]) for j in near]
        held = np.allclose(clip['au'][k], clip['au'][k - 1])
        assert any(same) or held
        checked += any(same)
    assert checked > 70

    # Stream the voice in pieces of 20 ms.
    samples, rate = read_audio(folder / 'a.flac')
    stream = WhisperStream(WhisperEncoder.from_name_or_path('untrained'), 0.08, 0.4, 0.04)
    live = {}
    for begin in range(0, len(samples), 320):
        part = samples[begin : begin + 320]
        for block in stream.push(part, rate, round(begin * 1e9 / rate), begin):
            for i, row in enumerate(block.data):
                live[(block.stamp_ns + i * 20_000_000 + 20_000_000) // 1_000_000] = row
    for k in (20, 50, 90):
        expected = np.stack([live[40 * k - 120 - 20], live[40 * k - 120]])  # as old as the delay
        np.testing.assert_allclose(clip['audio'][k], expected, atol=2e-3)  # half precision


def test_generate_prepared_equals_generate_and_prepare(prepared, tmp_path):
    generate_prepared(PLAN, tmp_path, QUICK)
    there, here = (ClipDataset(folder, 'train', frames=100) for folder in (prepared, tmp_path))
    np.testing.assert_array_equal(there.appropriate(), here.appropriate())
    for one, other in zip(there, here, strict=True):
        for who in ('speaker', 'listener'):
            for name in ('face_valid', *BRANCHES):
                a, b = one[who][name].numpy(), other[who][name].numpy()
                # The CSV rounds.
                np.testing.assert_allclose(a, b, atol=2e-4)
        a, b = one['speaker']['audio'], other['speaker']['audio']
        np.testing.assert_allclose(a, b, atol=5e-3)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / 'tracks').iterdir()}
    generate_prepared(PLAN, tmp_path, QUICK)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / 'tracks').iterdir()} == before


def test_several_processes_give_the_same_result(recordings, prepared, tmp_path):
    prepare(recordings, tmp_path, QUICK, workers=2)
    for a, b in zip(
        ClipDataset(prepared, frames=100), ClipDataset(tmp_path, frames=100), strict=True
    ):
        np.testing.assert_allclose(a['speaker']['audio'], b['speaker']['audio'], atol=2e-3)
        np.testing.assert_array_equal(a['listener']['landmarks'], b['listener']['landmarks'])


def test_interrupted_preparation_continues(recordings, prepared, tmp_path):
    names = {p.name for p in (prepared / 'tracks').iterdir()}
    for name in names:
        (tmp_path / 'tracks').mkdir(exist_ok=True)
        (tmp_path / 'tracks' / name).write_bytes((prepared / 'tracks' / name).read_bytes())
    gone = sorted(n for n in names if n.endswith('.safetensors'))[0]
    (tmp_path / 'tracks' / gone).unlink()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / 'tracks').glob('*.safetensors')}
    prepare(recordings, tmp_path, QUICK)
    assert {p.name for p in (tmp_path / 'tracks').iterdir()} == names
    assert all(p.stat().st_mtime_ns == at for p, at in before.items())
    # Other settings give other tracks, and another data set.
    other = EmbeddingConfig('untrained', hop_s=0.08, context_s=0.48, device='cpu')
    with pytest.raises(ValueError, match=r"dataset\.json: this data set has audio = .*'context_s"):
        prepare(recordings, tmp_path, other)
    assert data_set_files(tmp_path) == data_set_files(prepared)
    prepare(recordings, tmp_path, other, overwrite=True)
    assert read_catalogue(tmp_path).description['audio']['context_s'] == 0.48
    tracks = {p.name for p in (tmp_path / 'tracks').glob('*.safetensors')}
    assert len(tracks) == 5
    assert not tracks & names


def test_a_data_set_is_never_replaced_silently(recordings, prepared, tmp_path, capsys):
    out = tmp_path / 'out'
    shutil.copytree(prepared, out)
    first = copied(recordings, tmp_path / 'first', ['dyad_00000_0'])
    how = '--encoder untrained --hop 0.08 --context 0.4 --settle 0.04 --workers 1 --device cpu'
    words = ['prepare', str(first), str(out), *how.split()]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "session 'dyad_00000_0' is there with other content" in error  # here without a group
    assert '--overwrite' in error
    (first / 'sessions.csv').write_text('session,split,listener\nmine,val,b\n')
    (first / 'dyad_00000_0').rename(first / 'mine')
    assert main(words) == 2
    error = capsys.readouterr().err
    assert (
        "dataset.json: contains another data set (3 sessions), session 'dyad_00000_0' would"
        in (error)
    )
    assert data_set_files(out) == data_set_files(prepared)
    assert main([*words, '--append']) == 0
    sessions = read_catalogue(out).sessions
    assert [s.name for s in sessions] == ['dyad_00000_0', 'dyad_00000_1', 'dyad_00001_0', 'mine']
    assert read_catalogue(out).description['name'] == read_catalogue(prepared).description['name']
    assert len(ClipDataset(out, 'train', 100)) == 3 and len(ClipDataset(out, 'val', 100)) == 1
    assert main([*words, '--overwrite', '--name', 'mine alone']) == 0
    assert [s.name for s in read_catalogue(out).sessions] == ['mine']
    assert read_catalogue(out).description['name'] == 'mine alone'
    assert len(list((out / 'tracks').glob('*.safetensors'))) == 2
    assert len(ClipDataset(out, 'val', 100)) == 1


def test_more_sessions_of_the_same_recordings_are_added(recordings, prepared, tmp_path):
    source = tmp_path / 'in'
    shutil.copytree(recordings, source)
    lines = (recordings / 'sessions.csv').read_text().splitlines()
    (source / 'sessions.csv').write_text('\n'.join(lines[:2]))
    prepare(source, tmp_path / 'out', QUICK)
    assert len(read_catalogue(tmp_path / 'out').sessions) == 1
    (source / 'sessions.csv').write_text('\n'.join(lines))
    prepare(source, tmp_path / 'out', QUICK)
    assert data_set_files(tmp_path / 'out') == data_set_files(prepared)


def silence_sound(folder):
    write_flac(folder / 'a.flac', np.zeros(4 * 16000), 16000)


def shorten_sound(folder, seconds=2):
    samples, rate = read_audio(folder / 'a.flac')
    write_flac(folder / 'a.flac', samples[: seconds * rate], rate)


def change_columns(path, change, rows=dict):
    """Write a CSV again with `change(name, value)`; None leaves the column out."""
    with path.open(newline='') as file:
        rows = list(map(rows, csv.DictReader(file)))
    kept = [name for name in rows[0] if change(name, rows[0][name]) is not None]
    with path.open('w', newline='') as file:
        writer = csv.DictWriter(file, kept)
        writer.writeheader()
        for row in rows:
            writer.writerow({name: change(name, row[name]) for name in kept})


def lose_face(folder):
    change_columns(folder / 'b.csv', lambda name, value: '0' if name == 'success' else value)


@pytest.mark.parametrize(
    'damage, person, what, value',
    [
        (silence_sound, 'a', 'sound level', 'silence'),
        (lambda folder: (folder / 'a.flac').unlink(), 'a', 'sound',
         'none of a.flac, a.wav, a.ogg, a.mp3, a.opus, a.m4a, a.aac, a.aiff, a.aif, a.mp4, a.mov, '
         'a.mkv, a.webm, a.avi, a.m4v, a.mpg, a.wmv; {folder} holds a.csv, b.csv, b.flac'),
        (lambda folder: (folder / 'b.csv').unlink(), 'b', 'face file',
         'no b.csv; {folder} holds a.csv, a.flac, b.flac'),
        (lambda folder: (folder / 'a.flac').write_bytes(b'no sound'), 'a', 'sound',
         'holds no sound'),
        (lambda folder: (folder / 'a.flac').write_bytes(b''), 'a', 'sound', 'is empty'),
        (lambda folder: (folder / 'b.csv').write_text('1,2\n3,4\n'), 'b', 'face file',
         'no OpenFace CSV'),
        (lose_face, 'b', 'face seen', '0% of the time'),
    ],
)  # fmt: skip
def test_a_bad_session_is_reported_and_not_used(recordings, tmp_path, damage, person, what, value):
    source = copied(recordings, tmp_path / 'in')
    folder = source / 'dyad_00000_1'
    damage(folder)
    out = tmp_path / 'out'
    found = prepare(source, out, QUICK)
    errors = [f for f in found if f.level == 'error']
    assert [(f.session, f.person, f.what) for f in errors] == [('dyad_00000_1', person, what)]
    assert value.format(folder=folder) in errors[0].value
    assert [s.name for s in read_catalogue(out).sessions] == ['dyad_00000_0']
    with (out / 'report.csv').open() as file:
        (row,) = [row for row in csv.DictReader(file) if row['level'] == 'error']
    assert (row['session'], row['what'], row['found']) == (folder.name, what, errors[0].value)


def test_the_common_part_of_face_and_voice_is_used(recordings, prepared, tmp_path):
    source = copied(recordings, tmp_path / 'in', ('dyad_00001_0',))
    shorten_sound(source / 'dyad_00001_0')
    # The face is not judged where there is no voice.
    change_columns(
        source / 'dyad_00001_0' / 'a.csv', lambda name, value: value,
        rows=lambda row: {**row, 'success': '0'} if float(row['timestamp']) > 2.2 else row,
    )  # fmt: skip
    found = prepare(source, tmp_path / 'out', QUICK)
    values = {f.what: (f.level, f.value) for f in found}
    assert values == {
        'face and sound lengths': ('warning', '4.00 s and 2.00 s'),
        "both people's lengths": ('warning', '2.00 s and 4.00 s'),
    }
    with (tmp_path / 'out' / 'report.csv').open() as file:
        assert '4.00 s and 2.00 s' in [row['found'] for row in csv.DictReader(file)]
    assert '4.00 s and 2.00 s' in (tmp_path / 'out' / 'report.html').read_text()
    (session,) = read_catalogue(tmp_path / 'out').sessions
    assert session.frames == 50
    (clip,) = ClipDataset(tmp_path / 'out', 'train', frames=50)
    whole = ClipDataset(prepared, 'train', frames=50)[2 * 2]
    for name in ('au', 'pose', 'audio'):
        np.testing.assert_allclose(
            clip['speaker'][name][:45], whole['speaker'][name][:45], atol=1e-6
        )
    shorten_sound(source / 'dyad_00001_0', seconds=1)
    with pytest.raises(ValueError, match=r'first error: session dyad_00001_0, face length: 1\.0'):
        prepare(source, tmp_path / 'short', QUICK)


def test_two_sessions_without_a_face_name_their_own_folders(recordings, tmp_path):
    names = ('dyad_00000_0', 'dyad_00000_1', 'dyad_00001_0')
    source = copied(recordings, tmp_path / 'in', names)
    for name in names[1:]:
        (source / name / 'b.csv').unlink()
        (source / name / 'b.flac').unlink()
    found = prepare(source, tmp_path / 'out', QUICK)
    values = {f.session: f.value for f in found if f.level == 'error'}
    assert set(values) == set(names[1:])
    assert all(str(source / name) in value for name, value in values.items())


def test_an_empty_sound_is_not_a_missing_one(recordings, tmp_path):
    names = ('dyad_00000_0', 'dyad_00000_1')
    source = copied(recordings, tmp_path / 'in', names)
    (source / 'sessions.csv').write_text('session,split\n' + ''.join(f'{n},val\n' for n in names))
    face = (source / names[0] / 'b.csv').read_bytes()
    (source / names[1] / 'b.csv').write_bytes(face)
    (source / names[0] / 'b.flac').write_bytes(b'')
    (source / names[1] / 'b.flac').unlink()
    found = prepare(source, tmp_path / 'out', QUICK)
    values = {f.session: f.value for f in found if f.what == 'sound'}
    assert values[names[0]].startswith('b.flac: is empty')
    assert values[names[1]].startswith('none of b.flac, b.wav')


def missing_in(root, place):
    """Which branches of a person of the only session have no value at all, by the mask."""
    (session,) = read_catalogue(root).sessions
    track = read_track(root, session.tracks[place])
    return {name for name in BRANCHES if np.isnan(track[name][track['face_valid']]).all()}, track


@pytest.mark.parametrize(
    'absent, option, branch, lost',
    [
        (('x_', 'y_'), 'landmarks (FeatureExtraction -2Dfp)', 'landmarks', 1),
        (('gaze_',), 'gaze (FeatureExtraction -gaze)', 'gaze', 2),
        (('pose_',), 'head pose (FeatureExtraction -pose)', 'pose', 4),
        (('AU',), 'action units (FeatureExtraction -aus)', 'au', 18),
    ],
)
def test_a_partial_csv_is_used(recordings, tmp_path, absent, option, branch, lost):
    source = copied(recordings, tmp_path / 'in', ('dyad_00000_0',))
    for name in ('a.csv', 'b.csv'):
        change_columns(
            source / 'dyad_00000_0' / name,
            lambda name, value: None if name.startswith(absent) else value,
        )
    found = prepare(source, tmp_path / 'out', QUICK)
    assert [f.level for f in found] == ['warning'] * len(found)
    values = [f.value for f in found if f.what == 'missing values']
    assert values == [f'not in the file: {option}'] * 2
    for place in (0, 1):
        missing, track = missing_in(tmp_path / 'out', place)
        assert missing == {branch}
        assert track['face_valid'].mean() > 0.7
    seen = ClipDataset(tmp_path / 'out', 'train', frames=100)[0]['speaker']
    mask = seen['face_mask'][seen['face_valid']].numpy()
    assert mask.all(axis=0).tolist() == mask.any(axis=0).tolist()
    assert not mask[:, VALUE_MASK_SLICES[branch]].any() and mask[0].sum() == 25 - lost


def test_a_face_that_is_seen_late_keeps_its_time_and_the_voice(recordings, tmp_path):
    source = copied(recordings, tmp_path / 'in', ('dyad_00001_0',))
    path = source / 'dyad_00001_0' / 'a.csv'
    rows = path.read_text().splitlines()
    late = [row for row in rows[1:] if float(row.split(',')[2]) >= 1.2]
    path.write_text('\n'.join([rows[0], *late]))
    found = prepare(source, tmp_path / 'late', QUICK)
    (warning,) = [f for f in found if f.person == 'a']
    assert (warning.level, warning.what) == ('warning', 'OpenFace CSV')
    assert 'the first row is at 1.2' in warning.value
    (session,) = read_catalogue(tmp_path / 'late').sessions
    track = read_track(tmp_path / 'late', session.tracks[0])
    prepare(copied(recordings, tmp_path / 'in2', ('dyad_00001_0',)), tmp_path / 'whole', QUICK)
    (session,) = read_catalogue(tmp_path / 'whole').sessions
    whole = read_track(tmp_path / 'whole', session.tracks[0])
    assert not track['face_valid'][:30].any()
    np.testing.assert_array_equal(track['face_valid'][32:], whole['face_valid'][32:])
    for name in ('audio', 'audio_valid'):
        np.testing.assert_array_equal(track[name], whole[name])
    both = track['face_valid'] & whole['face_valid']
    np.testing.assert_array_equal(track['au'][both], whole['au'][both])


def both_ways(recordings, tmp_path, name='dyad_00001_0'):
    source = copied(recordings, tmp_path / 'in', (name,))
    (source / 'sessions.csv').write_text(f'session,split\n{name},train\n')
    return source, source / name


@pytest.mark.parametrize(
    'damage, what',
    [
        (lambda path: path.unlink(), 'sound'),
        (lambda path: path.write_bytes(b''), 'sound'),
        (lambda path: write_flac(path, np.zeros(64000), 16000), 'sound level'),
    ],
)
def test_a_person_without_a_voice_is_only_the_listener(recordings, tmp_path, damage, what):
    source, folder = both_ways(recordings, tmp_path)
    damage(folder / 'b.flac')
    for _ in range(2):  # the second time, the result is that of the first
        found = prepare(source, tmp_path / 'out', QUICK)
        assert ('warning', 'b', what) in [(f.level, f.person, f.what) for f in found]
        assert ('listener', 'only b') in [(f.what, f.value) for f in found]
        assert not [f for f in found if f.level == 'error']
        (session,) = read_catalogue(tmp_path / 'out').sessions
        assert session.listeners == 'b'
    assert len(ClipDataset(tmp_path / 'out', frames=100)) == 1
    damage(folder / 'a.flac')
    with pytest.raises(ValueError, match=f'none of 1 sessions can be used; .*a?, {what}'):
        prepare(source, tmp_path / 'none', QUICK)


def test_the_sound_of_a_listener_is_not_needed(recordings, tmp_path):
    source = copied(recordings, tmp_path / 'in', ('dyad_00001_0',))
    (source / 'dyad_00001_0' / 'b.flac').write_bytes(b'broken')
    found = prepare(source, tmp_path / 'out', QUICK)
    assert [(f.level, f.what) for f in found if f.person == 'b'] == [('warning', 'sound')]


def test_films_are_sound(recordings, prepared, tmp_path):
    source, folder = both_ways(recordings, tmp_path)
    samples, rate = read_audio(folder / 'a.flac')
    for name in ('a.flac', 'b.flac'):
        (folder / name).unlink()
    (folder / 'a.csv').rename(folder / 'A.CSV')
    write_film(folder / 'A.MP4', GRAY, sound=samples, sample_rate=rate)
    write_film(folder / 'b.mp4', GRAY, sound=samples, sample_rate=rate)
    assert [f for f in prepare(source, tmp_path / 'out', QUICK) if f.what == 'sound'] == []
    (session,) = read_catalogue(tmp_path / 'out').sessions
    assert session.listeners == 'ab'
    found = read_track(tmp_path / 'out', session.tracks[0])
    whole = read_track(prepared, read_catalogue(prepared).sessions[2].tracks[0])
    np.testing.assert_array_equal(found['audio_valid'], whole['audio_valid'])
    valid = found['audio_valid']
    x, y = (track['audio'][valid].ravel().astype(float) for track in (found, whole))
    assert np.corrcoef(x, y)[0, 1] > 0.99  # AAC loses something


def test_one_film_of_both_people(recordings, tmp_path):
    source, folder = both_ways(recordings, tmp_path)
    samples, rate = read_audio(folder / 'a.flac')
    for name in ('a.flac', 'b.flac'):
        (folder / name).unlink()
    write_film(folder / 'clip.mp4', GRAY, sound=samples, sample_rate=rate)
    found = prepare(source, tmp_path / 'out', QUICK)
    assert [(f.person, f.level, f.value) for f in found if f.what == 'sound'] == [
        (person, 'warning', 'clip.mp4 is used, the sound of the whole session') for person in 'ab'
    ]
    (session,) = read_catalogue(tmp_path / 'out').sessions
    assert session.listeners == 'ab'


def test_no_usable_session_is_an_error(recordings, tmp_path, capsys):
    source = copied(recordings, tmp_path / 'in', ('dyad_00000_0',))
    silence_sound(source / 'dyad_00000_0')
    words = ['--workers', '1', '--encoder', 'untrained']
    assert main(['prepare', str(source), str(tmp_path / 'out'), *words]) == 2
    error = capsys.readouterr().err
    assert 'robot-face-gen: error:' in error.splitlines()[-1]
    assert 'session dyad_00000_0, sound level' in error
    assert not (tmp_path / 'out' / 'dataset.json').exists()


def test_an_output_that_is_a_file_is_an_error_before_any_work(recordings, tmp_path, capsys):
    (tmp_path / 'out').touch()
    words = ['prepare', str(recordings), str(tmp_path / 'out'), '--encoder', 'untrained']
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error == f'robot-face-gen: error: {tmp_path / "out"}: is a file: expected a folder\n'


def test_the_commands(tmp_path, capsys):
    out, data = tmp_path / 'made', tmp_path / 'data'
    words = ['--duration', '2.5', '--listeners', '1', '--workers', '1']
    assert main(['generate', str(out), '--dyads', '3', '--seed', '4', *words]) == 0
    assert [s.split for s in read_sessions(out)] == ['train', 'val', 'test']
    words = ['--context', '0.4', '--workers', '1', '--device', 'cpu', '--encoder', 'untrained']
    assert main(['prepare', str(out), str(data), *words, '--name', 'mine']) == 0
    assert 'prepared data' in capsys.readouterr().out
    assert len(ClipDataset(data, 'test', frames=50)) == 1
    assert json.loads((data / 'dataset.json').read_text())['description']['name'] == 'mine'
    assert main(['generate', str(out), '--dyads', '0']) == 2
    assert '--dyads 0: expected at least 1' in capsys.readouterr().err
    for wrong, words_said in (
        (['--hop', '0.03'], 'hop_s = 0.03'),
        (['--delay', '1.5'], '--delay 1.5: expected 0 to 1 seconds'),
    ):
        assert main(['prepare', str(out), str(data), *words, *wrong]) == 2
        assert words_said in capsys.readouterr().err
    assert main(['prepare', str(tmp_path / 'no'), str(data)]) == 2
    assert 'sessions.csv' in capsys.readouterr().err
