# SPDX-License-Identifier: Apache-2.0
import os
import stat
from pathlib import Path

import pytest

from robot_face_gen.files import (
    atomic_file,
    error_text,
    expect_writable,
    results_folder,
    write_text,
)


def test_a_file_is_complete_or_not_there(tmp_path):
    path = tmp_path / 'a.txt'
    with pytest.raises(RuntimeError), atomic_file(path) as partial:
        partial.write_text('half')
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    write_text(path, 'whole')
    with pytest.raises(RuntimeError), atomic_file(path) as partial:
        partial.write_text('half')
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ['a.txt'] and path.read_text() == 'whole'


def test_a_link_stays(tmp_path):
    (tmp_path / 'real.txt').write_text('old')
    (tmp_path / 'link.txt').symlink_to('real.txt')
    write_text(tmp_path / 'link.txt', 'new')
    assert (tmp_path / 'link.txt').is_symlink()
    assert (tmp_path / 'real.txt').read_text() == 'new'


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='no named pipes on this system')
def test_what_is_no_regular_file_is_written_in_place(tmp_path):
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, 'through')
        assert os.read(reader, 100) == b'through'
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [p.name for p in tmp_path.iterdir()] == ['pipe']


def test_an_error_names_the_file(tmp_path):
    path = tmp_path / 'missing' / 'a.txt'
    with pytest.raises(FileNotFoundError) as error:
        write_text(path, 'x')
    assert error.value.filename == str(path)
    assert error_text(error.value) == f'{path}: there is no folder {path.parent}'
    path.parent.write_text('a file, not a folder')
    for attempt in (lambda: write_text(path, 'x'), lambda: expect_writable(path)):
        with pytest.raises(FileNotFoundError) as error:
            attempt()
        assert error_text(error.value) == f'{path}: there is no folder {path.parent}'
    with pytest.raises(FileExistsError) as found, results_folder(path.parent):
        pass
    assert error_text(found.value) == f'{path.parent}: is a file: expected a folder'


def test_what_cannot_be_written_is_found_before_the_work(tmp_path, monkeypatch):
    path = tmp_path / 'a.txt'
    expect_writable(path)
    assert not path.exists()
    write_text(path, 'kept')
    expect_writable(path)
    assert path.read_text() == 'kept'
    expect_writable(Path('/dev/null'))
    with pytest.raises(IsADirectoryError, match='is a folder: expected a file'):
        expect_writable(tmp_path)
    monkeypatch.setattr(os, 'access', lambda path, mode: False)  # root may write everything
    with pytest.raises(PermissionError) as error:
        expect_writable(path)
    assert error_text(error.value) == f'{path}: permission denied'


def test_an_error_is_one_line(tmp_path):
    with pytest.raises(OSError) as error:
        tmp_path.open()
    assert error_text(error.value) == f'{tmp_path}: is a directory'
    assert error_text(ValueError('two\n  lines')) == 'two lines'
    assert error_text(KeyboardInterrupt()) == 'KeyboardInterrupt'


def test_an_error_leaves_no_new_empty_folder(tmp_path):
    (tmp_path / 'old').mkdir()
    for name, content in (('old', ''), ('new', ''), ('full', 'x')):
        with pytest.raises(ValueError), results_folder(tmp_path / name) as out:
            if content:
                (out / 'kept').write_text(content)
            raise ValueError
    assert sorted(path.name for path in tmp_path.iterdir()) == ['full', 'old']
    with results_folder(tmp_path / 'good' / 'one'):
        pass
    assert (tmp_path / 'good' / 'one').is_dir()
