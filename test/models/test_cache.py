# SPDX-License-Identifier: Apache-2.0
"""The export cache: an entry is made once, and a damaged one is made again."""

import errno
import os
import tempfile
import time

import numpy as np
import pytest

from robot_face_gen.files import atomic_file, temporary_folder
from robot_face_gen.models import cache
from robot_face_gen.models.cache import cache_path, cached, read_entry, weights_digest

CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    return tmp_path / 'robot_face_gen'


@pytest.fixture
def made():
    return []


@pytest.fixture
def make(made):
    def make(path):
        path.write_bytes(CONTENT)
        made.append(path)
        return {'dim': 3, 'filters': [0.5, 0.25]}

    return make


def test_an_entry_is_made_once_and_nothing_else_is_left(folder, make, made):
    assert read_entry('step') is None
    first = cached('step', make)
    assert cached('step', make) == first == read_entry('step')
    assert first.path.read_bytes() == CONTENT
    assert first.description == {'dim': 3, 'filters': [0.5, 0.25]}
    assert len(made) == 1
    assert sorted(folder.iterdir()) == [first.path, cache_path('step.json')]


@pytest.mark.parametrize('damaged', ['payload', 'index'])
@pytest.mark.parametrize('damage', ['empty', 'half', 'garbage', 'one byte', 'missing'])
def test_a_damaged_entry_is_detected_and_made_again(make, made, damaged, damage):
    entry = cached('step', make)
    path = entry.path if damaged == 'payload' else cache_path('step.json')
    good = path.read_bytes()
    if damage == 'missing':
        path.unlink()
    else:
        changed = bytearray(good)
        changed[-5] ^= 1
        path.write_bytes(
            {'empty': b'', 'half': good[: len(good) // 2], 'garbage': os.urandom(len(good)),
             'one byte': bytes(changed)}[damage]
        )  # fmt: skip
    assert read_entry('step') is None
    assert cached('step', make) == entry == read_entry('step')
    assert entry.path.read_bytes() == CONTENT
    assert len(made) == 2


def test_an_export_that_fails_leaves_nothing(folder):
    def fail(path):
        path.write_bytes(b'half')
        raise RuntimeError('no')

    with pytest.raises(RuntimeError, match='no'):
        cached('step', fail)
    assert list(folder.iterdir()) == []


def test_a_file_is_written_completely_or_not_at_all(tmp_path):
    path = tmp_path / 'file'
    path.write_text('old')
    with pytest.raises(KeyError), atomic_file(path) as partial:
        partial.write_text('ne')
        raise KeyError
    assert path.read_text() == 'old'
    with atomic_file(path) as partial:
        partial.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'
    assert list(tmp_path.iterdir()) == [path]


def test_bytes_are_on_the_disk_before_the_file_has_its_name(tmp_path, monkeypatch):
    path, order = tmp_path / 'file', []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, 'fsync', lambda fd: (order.append('sync'), sync(fd)))
    monkeypatch.setattr(os, 'replace', lambda a, b: (order.append('replace'), replace(a, b)))
    with atomic_file(path) as partial:
        partial.write_text('x')
    assert order == ['sync', 'replace', 'sync']  # file, name, folder


def test_a_folder_that_cannot_be_made_is_reported_with_a_remedy(folder, make):
    folder.write_text('in the way')
    with pytest.raises(FileExistsError, match=r'set XDG_CACHE_HOME .*robot_face_gen'):
        cached('step', make)


@pytest.fixture
def read_only(tmp_path, monkeypatch):
    """A cache folder that cannot be written, also by root."""

    def refuse(base, name=''):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(base))

    monkeypatch.setattr(cache, '_private_folder', refuse)
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    cache._warn.cache_clear()
    folder = temporary_folder()
    folder.rmdir()
    return folder


def test_entries_of_a_read_only_cache_are_kept_elsewhere(folder, read_only, make, made, caplog):
    entry = cached('step', make)
    assert entry.path.parent == read_only and cached('step', make) == entry
    assert len(made) == 1 and not folder.exists()
    (record,) = caplog.records
    assert record.getMessage() == (
        f'{folder}: read-only file system; exported models are kept in {read_only}'
    )
    if os.name == 'posix':
        assert read_only.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.name != 'posix', reason='permissions of POSIX')
@pytest.mark.parametrize('whose', ['open to others', 'link', 'file'])
def test_a_temporary_folder_that_others_could_write_is_not_used(
    tmp_path, read_only, make, made, whose
):
    if whose == 'file':
        read_only.write_text('in the way')
    elif whose == 'link':
        (tmp_path / 'theirs').mkdir(mode=0o700)
        read_only.symlink_to(tmp_path / 'theirs')
    else:
        read_only.mkdir()
        read_only.chmod(0o777)
    with pytest.raises(OSError, match='Read-only file system'):
        cached('step', make)
    assert not made and read_entry('step') is None


def test_a_full_disk_is_reported_with_the_path(tmp_path):
    with (
        pytest.raises(OSError, match=r'No space left.*model\.json') as caught,
        atomic_file(tmp_path / 'model.json'),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename.endswith('model.json')


def test_a_digest_depends_on_names_values_types_shapes_and_options():
    weights = {'a': np.zeros((2, 3), np.float32), 'b': np.ones(2, np.float32)}
    others = [
        weights_digest(weights),
        weights_digest(weights, 'int8'),
        weights_digest({**weights, 'b': np.ones(2, np.float64)}),
        weights_digest({**weights, 'b': np.array([1, 1.5], np.float32)}),
        weights_digest({**weights, 'a': np.zeros((3, 2), np.float32)}),
        weights_digest({'a': weights['a'], 'c': weights['b']}),
    ]
    assert len(set(others)) == len(others)
    assert weights_digest(dict(reversed(weights.items()))) == others[0]


def test_only_the_entries_used_last_are_kept(folder, make, monkeypatch):
    monkeypatch.setattr(cache, 'KEPT_ENTRIES', 2)
    entries = {name: cached(name, make) for name in ('used', 'old', 'older')}
    stray = folder / 'step-of-an-old-version.npz'
    stray.write_bytes(b'')
    two_days_ago = time.time() - 2 * cache.KEPT_S
    for path in folder.iterdir():
        os.utime(path, (two_days_ago, two_days_ago))
    assert read_entry('used') == entries['used']
    newest = cached('newest', make)
    kept = [entries['used'].path, newest.path]
    assert sorted(folder.glob('*.onnx')) == sorted(kept)
    assert {path.stem for path in folder.glob('*.json')} == {'used', 'newest'}
    assert not stray.exists()


@pytest.mark.skipif(os.name != 'posix', reason='permissions of POSIX')
def test_the_folder_is_for_this_user_alone(folder, make):
    folder.mkdir(mode=0o755)
    cached('step', make)
    assert folder.stat().st_mode & 0o777 == 0o700
