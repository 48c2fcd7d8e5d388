# SPDX-License-Identifier: Apache-2.0
"""The store of pretrained models: from a wheel with the real pip, from an address, and offline."""

import contextlib
import ctypes
import dataclasses
import hashlib
import http.server
import os
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from robot_face_gen.cli import main
from robot_face_gen.models import store
from robot_face_gen.models.store import MODELS, ModelFile, Source, find, get

CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WHEEL = Source('robot-face-gen-fake==1.0', len(CONTENT), SHA256, 'robot_face_gen_fake/model.task')


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The cache; pip sees no index but an empty folder of wheels."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_FIND_LINKS', str(tmp_path / 'wheels'))
    monkeypatch.setenv('PIP_CONFIG_FILE', os.devnull)
    (tmp_path / 'wheels').mkdir()
    return tmp_path / 'cache' / 'robot_face_gen' / 'models'


@pytest.fixture
def offer(monkeypatch):
    """Fill the table with one model."""

    def offer(*sources):
        model = ModelFile('fake.task', 'MIT', 'A model for tests', sources)
        monkeypatch.setitem(MODELS, 'fake', model)

    return offer


@pytest.fixture
def wheel(tmp_path, folder):
    """A wheel whose code must not run."""
    path = tmp_path / 'wheels' / 'robot_face_gen_fake-1.0-py3-none-any.whl'
    info = 'robot_face_gen_fake-1.0.dist-info'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('robot_face_gen_fake/__init__.py', 'raise SystemExit("imported")')
        archive.writestr(WHEEL.member, CONTENT)
        archive.writestr(
            f'{info}/METADATA',
            'Metadata-Version: 2.1\nName: robot-face-gen-fake\nVersion: 1.0\n'
            'Requires-Dist: no-such-package-at-all\nRequires-Python: >=99\n',
        )
        archive.writestr(
            f'{info}/WHEEL', 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n'
        )
        archive.writestr(f'{info}/RECORD', '')
    return path


@contextlib.contextmanager
def serving(content, announced=None):
    """A server on this machine that gives a file, perhaps less of it than it announces."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if content else 404)
            self.send_header('Content-Length', str(announced or len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f'http://127.0.0.1:{server.server_port}/model.task'
        finally:
            server.shutdown()


def at(address, **changes):
    return dataclasses.replace(Source(address, len(CONTENT), SHA256), **changes)


def test_a_member_of_a_wheel(folder, wheel, offer, capsys):
    offer(WHEEL)
    assert find('fake') is None
    assert main(['models', 'get', 'fake']) == 0
    out, err = capsys.readouterr()
    path = folder / 'fake.task'
    assert out == f'{path}\n' and find('fake') == path
    assert err == 'fake: downloading 0.3 MB from robot-face-gen-fake==1.0\n'
    assert path.read_bytes() == CONTENT
    note = folder / 'fake.task.sha256'
    assert {path, note} == set(folder.iterdir())  # neither the wheel nor a part of it
    assert note.read_text() == f'{SHA256}  fake.task\n'
    assert [each.stat().st_mode & 0o777 for each in (folder, folder.parent)] == [0o700] * 2


def test_a_source_archive_is_not_built(tmp_path, offer):
    # Its setup.py would run.
    import tarfile

    setup = tmp_path / 'setup.py'
    ran = tmp_path / 'ran'
    setup.write_text(f'open({str(ran)!r}, "w")\nfrom setuptools import setup\nsetup()')
    with tarfile.open(tmp_path / 'wheels' / 'robot-face-gen-fake-1.0.tar.gz', 'w:gz') as archive:
        archive.add(setup, 'robot-face-gen-fake-1.0/setup.py')
    offer(WHEEL)
    with pytest.raises(ValueError, match='No matching distribution'):
        get('fake')
    assert not ran.exists()


def test_offline_with_the_file_nothing_is_asked(folder, wheel, offer):
    offer(WHEEL)
    path = get('fake')
    wheel.unlink()
    before = path.stat()
    assert get('fake') == path and path.stat() == before
    with pytest.raises(ValueError, match='No matching distribution'):
        get('fake', force=True)
    assert path.read_bytes() == CONTENT  # what is there stays


@pytest.mark.parametrize('note', [True, False])
def test_a_damaged_file_is_named_and_fetched_anew(folder, offer, capsys, note):
    with serving(CONTENT) as address:
        offer(at(address))
        path = get('fake')
        path.write_bytes(CONTENT[:1000])
        if not note:  # as in a file copied from another machine
            path.with_name('fake.task.sha256').unlink()
        assert not store.is_intact('fake')
        assert f'{path} is damaged: run' in store.how_to_get('fake')
        assert main(['models', 'get', 'fake']) == 0
    assert f'fake: {path} is damaged, it is replaced' in capsys.readouterr().err
    assert path.read_bytes() == CONTENT and store.is_intact('fake')


def test_offline_without_the_file_one_line_says_what_to_do(folder, offer, capsys):
    offer(WHEEL, at('http://127.0.0.1:1/model.task'))
    assert main(['models', 'get', 'fake']) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith('robot-face-gen: error: fake cannot be downloaded (robot-face-gen-fake')
    assert 'No matching distribution' in last and 'refused' in last
    assert f'copy its file to {folder / "fake.task"}' in last
    assert list(folder.iterdir()) == []


def test_the_next_source_where_one_fails(folder, offer):
    lines = []
    with serving(CONTENT) as address:
        offer(WHEEL, at(address))
        assert get('fake', report=lines.append).read_bytes() == CONTENT
    assert [line.split()[1] for line in lines] == ['downloading', f'{WHEEL.at}:', 'downloading']


@pytest.mark.parametrize(
    ('content', 'announced', 'words'),
    [
        (CONTENT[:-1] + b'x' + CONTENT[-1:], None, 'SHA-256 is .*, expected'),
        (CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]), None, 'SHA-256 is .*, expected'),
        (CONTENT + b'more', None, 'SHA-256 is .*, expected'),
        (CONTENT[:100_000], None, 'ended after 100000 of 300000 bytes'),
        (CONTENT[:100_000], len(CONTENT), '100000|IncompleteRead|more expected'),
        (b'', None, 'Not Found|404'),
    ],
)
def test_another_or_partial_file_is_refused(folder, offer, content, announced, words):
    with serving(content, announced) as address:
        offer(at(address))
        with pytest.raises(ValueError, match=words):
            get('fake')
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize('damage', ['member', 'hash', 'archive'])
def test_another_wheel_is_refused(folder, wheel, offer, damage):
    source = WHEEL
    if damage == 'member':
        source = dataclasses.replace(WHEEL, member='robot_face_gen_fake/other.task')
    elif damage == 'hash':
        source = dataclasses.replace(WHEEL, sha256='0' * 64)
    else:
        wheel.write_bytes(wheel.read_bytes()[:1000])
    offer(source)
    with pytest.raises(ValueError, match=r'^fake cannot be downloaded'):
        get('fake')
    assert list(folder.iterdir()) == []


def test_an_unknown_name_lists_the_known_ones(capsys):
    assert main(['models', 'get', 'whisper-huge']) == 2
    assert capsys.readouterr().err == (
        'robot-face-gen: error: whisper-huge: no such model: known are whisper-tiny.en, '
        'whisper-tiny, face-landmarker\n'
    )
    assert find('whisper-huge') is None


def test_the_list_names_licence_size_hash_and_place(folder, wheel, offer, capsys):
    offer(WHEEL)
    assert main(['models', 'list']) == 0
    before = capsys.readouterr().out
    assert before.count('not downloaded') == len(MODELS)
    get('fake')
    assert main(['models', 'list']) == 0
    after = capsys.readouterr().out
    assert f'file    {folder / "fake.task"}' in after
    for words in ('licence MIT', '300000 bytes', SHA256, WHEEL.at, WHEEL.member):
        assert words in after


def test_the_table_is_complete():
    for name, model in MODELS.items():
        assert model.licence and model.text and Path(model.file).name == model.file, name
        for source in model.sources:
            assert re.fullmatch(r'[0-9a-f]{64}', source.sha256) and source.size > 1e6
            is_wheel = re.fullmatch(r'[a-z-]+==[0-9.]+', source.at)
            assert bool(source.member) == bool(is_wheel)
            assert is_wheel or source.at.startswith('https://')


def test_an_interrupted_download_leaves_nothing(folder, offer, monkeypatch):
    def interrupted(source, temporary):
        (temporary / 'model').write_bytes(CONTENT[:1000])
        raise KeyboardInterrupt

    monkeypatch.setattr(store, '_download', interrupted)
    offer(WHEEL)
    with pytest.raises(KeyboardInterrupt):
        get('fake')
    assert list(folder.iterdir()) == []


def drop_root():
    """The root user may write anywhere: give up CAP_DAC_OVERRIDE, as the user who runs this."""
    ctypes.CDLL(None).prctl(24, 1)


@pytest.mark.skipif(sys.platform != 'linux', reason='capabilities')
@pytest.mark.parametrize('action', ['get', 'present'])
def test_a_cache_that_cannot_be_written(folder, action):
    folder.mkdir(parents=True)
    path = folder / 'face_landmarker.task'
    if action == 'present':
        path.write_bytes(b'x')
        digest = hashlib.sha256(b'x').hexdigest()
        (folder / 'face_landmarker.task.sha256').write_text(f'{digest}  face_landmarker.task\n')
    folder.chmod(0o500)
    done = subprocess.run(
        [sys.executable, '-m', 'robot_face_gen.cli', 'models', 'get', 'face-landmarker'],
        capture_output=True, text=True, preexec_fn=drop_root,
    )  # fmt: skip
    folder.chmod(0o700)
    if action == 'present':  # a robot's image may be read-only
        assert (done.returncode, done.stdout, done.stderr) == (0, f'{path}\n', '')
    else:
        assert (done.returncode, done.stdout) == (2, '')
        assert 'set XDG_CACHE_HOME to a folder that can be written' in done.stderr
        assert str(folder) in done.stderr and done.stderr.count('\n') == 1
