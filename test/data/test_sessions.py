# SPDX-License-Identifier: Apache-2.0
import pytest

from robot_face_gen.data.sessions import SessionsWriter, read_sessions


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


def test_the_reader_reads_what_the_writer_writes(tmp_path):
    with SessionsWriter(tmp_path) as writer:
        writer.write('one', 'train', 'b', 'g1')
        # Each row is written immediately.
        assert [s.name for s in read_sessions(tmp_path)] == ['one']
        writer.write('two', 'test', 'b', 'g1')
    sessions = read_sessions(tmp_path)
    assert [(s.name, s.split, s.listeners, s.groups) for s in sessions] == [
        ('one', 'train', 'b', ('g1', '')),
        ('two', 'test', 'b', ('g1', '')),
    ]
