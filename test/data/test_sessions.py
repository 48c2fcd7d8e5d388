# SPDX-License-Identifier: Apache-2.0
import pytest

from robot_face_gen.data.sessions import read_sessions


def table(folder, text):
    (folder / 'sessions.csv').write_text(text, encoding='utf-8')
    return folder


def test_a_table_as_users_write_it(tmp_path):
    folder = tmp_path / 'monday 1'
    folder.mkdir()
    (folder / 'b.wav').touch()
    (folder / 'voice.ogg').touch()
    (tmp_path / 'bag' / 'x').mkdir(parents=True)
    (tmp_path / 'bag' / 'x' / 'metadata.yaml').touch()
    text = (
        '\ufeffsession, split, listener, group_a, sound_a, topics_b\r\n'
        'monday 1, train, , tells a joke, voice.ogg,\r\n'
        '\r\n'
        'bag/x, test, b,,,robot/b\r\n'
    )
    first, second = read_sessions(table(tmp_path, text))
    assert (first.name, first.split, first.listeners) == ('monday 1', 'train', 'ab')
    assert first.groups == ('tells a joke', '')
    assert not first.is_bag
    assert first.people[0].face == folder / 'a.csv'
    assert first.people[0].sound == folder / 'voice.ogg'
    assert first.people[1].sound == folder / 'b.wav'
    assert second.is_bag
    assert second.listeners == 'b'
    assert [person.topics for person in second.people] == ['a', 'robot/b']


def test_a_person_without_sound(tmp_path):
    (session,) = read_sessions(table(tmp_path, 'session,split\nx,val\n'))
    assert session.people[0].sound is None


@pytest.mark.parametrize(
    'names, sound_a, sound_b, common',
    [
        (['A.CSV', 'A.WAV', 'B.Csv', 'b.Flac'], 'A.WAV', 'b.Flac', [False, False]),
        (['a.csv', 'a.mp4', 'b.csv', 'b.MOV'], 'a.mp4', 'b.MOV', [False, False]),
        # Sound before films.
        (['a.csv', 'a.mp4', 'a.opus', 'b.csv', 'b.m4a'], 'a.opus', 'b.m4a', [False, False]),
        # One film of both people.
        (['a.csv', 'b.csv', 'clip.mp4'], 'clip.mp4', 'clip.mp4', [True, True]),
        (['a.csv', 'a.wav', 'b.csv', 'clip.mp4'], 'a.wav', 'clip.mp4', [False, True]),
        # It is not known which one is meant; a person's own sound is not the other's.
        (['a.csv', 'b.csv', 'one.mp4', 'two.mp4'], None, None, [False, False]),
        (['a.csv', 'b.csv', 'b.wav', 'notes.txt'], None, 'b.wav', [False, False]),
    ],
)
def test_files_are_found_by_name(tmp_path, names, sound_a, sound_b, common):
    folder = tmp_path / 'x'
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    (session,) = read_sessions(table(tmp_path, 'session,split\nx,val\n'))
    assert [p.sound.name if p.sound else None for p in session.people] == [sound_a, sound_b]
    assert [p.common_sound for p in session.people] == common
    assert [p.face.name.lower() for p in session.people] == ['a.csv', 'b.csv']
    assert all(p.face.is_file() for p in session.people)
    assert session.people[0].listing == f'{folder} holds {", ".join(sorted(names))}'
    assert session.people[0].sound_names.startswith('a.flac, a.wav, a.ogg')


def test_names_of_the_table_are_the_same_in_any_case(tmp_path):
    (tmp_path / 'x').mkdir()
    (tmp_path / 'x' / 'Voice.OGG').touch()
    text = 'session,split,sound_a,face_b\nx,val,voice.ogg,../y/Face.csv\n'
    (tmp_path / 'Sessions.CSV').write_text(text)
    (tmp_path / 'y').mkdir()
    (tmp_path / 'y' / 'face.CSV').touch()
    (session,) = read_sessions(tmp_path)
    assert session.people[0].sound == tmp_path / 'x' / 'Voice.OGG'
    assert session.people[1].face.resolve() == tmp_path / 'y' / 'face.CSV'


def test_the_csv_may_be_where_openface_writes_it(tmp_path):
    (tmp_path / 'x' / 'processed').mkdir(parents=True)
    for name in ('processed/a.csv', 'processed/b.csv', 'b.csv'):
        (tmp_path / 'x' / name).touch()
    (session,) = read_sessions(table(tmp_path, 'session,split\nx,val\n'))
    assert [p.face.relative_to(tmp_path / 'x').as_posix() for p in session.people] == [
        'processed/a.csv', 'b.csv',
    ]  # fmt: skip


def test_a_missing_folder_is_named(tmp_path):
    (session,) = read_sessions(table(tmp_path, 'session,split\nx,val\n'))
    assert session.people[0].listing == f'there is no folder {tmp_path / "x"}'


@pytest.mark.parametrize(
    'text, message',
    [
        ('session\nx\n', "line 1: no column 'split'"),
        ('session,split,sex\nx,train,f\n', r"line 1: unknown columns \['sex'\]"),
        ('session,split\nx,training\n', "line 2: split = 'training': expected one of train"),
        ('session,split,listener\nx,val,c\n', "line 2: listener = 'c'"),
        ('session,split\n,val\n', 'line 2: session is empty'),
        ('session,split\nx,val\n../y,val\n', 'line 3: session = .* expected a folder below'),
        ('session,split\nx,val\ny,val\nx,test\n', "line 4: session 'x' is also in line 2"),
        ('session,split\nx,val,train\n', 'line 2: more fields than columns'),
        ('session,split\n', 'contains no session'),
    ],
)
def test_a_wrong_table_is_refused_with_line_number(tmp_path, text, message):
    with pytest.raises(ValueError, match=r'sessions.csv.*' + message):
        read_sessions(table(tmp_path, text))


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'sessions\.csv: not found'):
        read_sessions(tmp_path)
