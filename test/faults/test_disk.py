# SPDX-License-Identifier: Apache-2.0
"""A disk that is full or read-only: an error that names the file, and no partial file is left."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest
from faces import make_frames
from prepared_data import SMALL_MODEL, make_prepared
from safetensors.numpy import load_file
from sound_files import write_wav

from robot_face_gen.features.openface import read_openface_csv
from robot_face_gen.features.openface_write import write_openface_csv

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='mounts a small file system')


@contextlib.contextmanager
def disk(folder, size='1m', *, read_only=False):
    """A file system of its own, which needs root."""
    folder.mkdir(exist_ok=True)
    made = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', f'size={size}', 'none', str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip('only root can mount a small file system here')
    try:
        if read_only:
            subprocess.run(['mount', '-o', 'remount,ro', str(folder)], check=True)
        yield folder
    finally:
        subprocess.run(['umount', '--lazy', str(folder)], check=True)


def fill(folder, leave=0):
    """Fill a disk but for some bytes; returns the file that does so."""
    path = folder / 'filler'
    with path.open('wb', buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    os.truncate(path, max(0, path.stat().st_size - leave))
    return path


def run(*words, **environment):
    return subprocess.run(
        [sys.executable, '-m', 'robot_face_gen.cli', *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
        timeout=300,
    )


def refused(done, path):
    """One line of error that names the file or its folder."""
    error = [line for line in done.stderr.splitlines() if 'error:' in line]
    assert done.returncode != 0, done.stdout
    assert len(error) == 1, done.stderr[-3000:]
    assert 'Traceback' not in done.stderr
    assert str(path) in error[0] and (
        'no space left on device' in error[0].lower()
        or 'read-only file system' in error[0].lower()
    ), error[0]


@pytest.fixture(scope='module')
def speaker(tmp_path_factory):
    """Two seconds of a face and a voice."""
    folder = tmp_path_factory.mktemp('speaker')
    write_openface_csv(folder / 'face.csv', make_frames(50))
    noise = np.random.default_rng(0).normal(0.0, 0.1, 32000).astype(np.float32)
    write_wav(folder / 'voice.wav', noise, 16000)
    return ('--openface', folder / 'face.csv', '--audio', folder / 'voice.wav')


@pytest.fixture
def react(speaker, command):
    options = ['--whisper', 'untrained', '--device', 'cpu', '--backend', 'eager', '--out']
    return lambda out: command('react', *speaker, *options, out)


def test_react_on_a_full_disk(tmp_path, react, tries, note):
    for number in tries:
        leave = (40_000, 0, 100_000, 10_000, 160_000)[number % 5]
        with disk(tmp_path / 'disk') as folder:
            out = folder / 'out'
            out.mkdir()
            filler = fill(folder, leave)
            refused(react(out), out)
            for path in out.iterdir():  # what is there is complete
                assert path.name in ('reaction.csv', 'summary.json', 'sheet.png'), path
            if (out / 'reaction.csv').exists():
                assert len(read_openface_csv(out / 'reaction.csv').frames) == 50
            if number == 0:
                filler.unlink()
                assert react(out).returncode == 0
        note('disk full while `react` writes', 'one line with the path; no partial file')


def test_react_on_a_read_only_disk(tmp_path, react, tries, note):
    for _ in tries:
        with disk(tmp_path / 'disk', read_only=True) as folder:
            refused(react(folder / 'out'), folder / 'out')
        note('disk read-only for `react`', 'one line with the path')


def test_a_full_cache_is_an_error_and_the_next_start_exports_again(tmp_path, note, again):
    with disk(tmp_path / 'disk', '2m') as folder:
        filler = fill(folder, 20_000)
        code = (
            'from robot_face_gen.facial_reaction_model.onnx_runner import exported_step;'
            'from robot_face_gen.facial_reaction_model import ModelConfig, create_model;'
            f'exported_step(create_model(ModelConfig(**{SMALL_MODEL!r})))'
        )

        def export():
            return subprocess.run(
                [sys.executable, '-c', code],
                capture_output=True, text=True, check=False, timeout=300,
                env={**os.environ, 'XDG_CACHE_HOME': str(folder)},
            )  # fmt: skip

        done = export()
        assert done.returncode and 'no space left on device' in done.stderr.lower(), done.stderr[
            -2000:
        ]
        assert str(folder) in done.stderr.splitlines()[-1]
        cache = folder / 'robot_face_gen'
        assert not [path for path in cache.rglob('*') if path.suffix in ('.json', '.onnx')]
        filler.unlink()
        assert export().returncode == 0
        assert len(list(cache.glob('*.json'))) == 1
    note('disk full while a model is exported', 'one line with the path; the next start exports')


@pytest.mark.graph
@pytest.mark.faults
def test_a_node_with_a_read_only_home_goes_on(tmp_path, monkeypatch, tries, note):
    from launching import own_ros_domain
    from live_graph import NodeProcess, Peer

    temporary = tmp_path / 'temporary'
    temporary.mkdir()
    with disk(tmp_path / 'home', read_only=True) as home, own_ros_domain():
        peer = Peer()
        for name in ('XDG_CACHE_HOME', 'ROS_LOG_DIR', 'ROS_HOME'):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv('HOME', str(home))
        monkeypatch.setenv('TMPDIR', str(temporary))
        try:
            for number in tries:
                peer.statuses.clear()
                node = NodeProcess('whisper_node', tmp_path, weights='untrained', context_s=0.4)
                try:
                    peer.wait_for(lambda: 'whisper_node' in peer.statuses, 'a status', 120.0)
                    for name in ('.cache', '.ros/log'):
                        assert node.text.count(f'{home}/{name}: read-only') == 1, node.text
                    assert node.text.count('first start only') == (not number), node.text
                    assert node.interrupt() == 0
                finally:
                    node.kill()
                note('home folder read-only', 'a warning with the path; the node goes on, its '
                     'exports are in the temporary folder')  # fmt: skip
        finally:
            peer.close()


@pytest.mark.faults
def test_training_on_a_full_disk_keeps_the_last_complete_state(tmp_path, note):
    pytest.importorskip('lightning')
    data = make_prepared(tmp_path / 'data')

    def train(out):
        return run(
            'train', f'data={data}', f'output={out}', 'clip_frames=64', 'batch_size=4',
            'num_epochs=3', 'warmup_steps=2', 'accelerator=cpu',
            *(f'model.{name}={value}' for name, value in SMALL_MODEL.items()),
        )  # fmt: skip

    done = train(tmp_path / 'run')
    assert done.returncode == 0, done.stderr[-2000:]
    size = sum(path.stat().st_size for path in (tmp_path / 'run').rglob('*') if path.is_file())
    with disk(tmp_path / 'disk', '200m') as folder:
        out = folder / 'run'
        # Room for the files of the first epoch; later, a new file needs room beside the old one.
        filler = fill(folder, size + 500_000)
        refused(train(out), out)
        assert not list(out.rglob('*.partial'))
        assert {path.name for path in out.glob('last.*')} == {'last.ckpt', 'last.safetensors'}
        for path in out.glob('*.safetensors'):
            assert load_file(path)
        filler.unlink()
        done = train(out)
        assert done.returncode == 0, done.stderr[-2000:]
        assert 'resuming after epoch ' in done.stdout, done.stdout
    note('disk full while `train` saves', 'one line with the path; the last complete state is '
         'kept, and the next start goes on from it')  # fmt: skip


@pytest.mark.graph
@pytest.mark.faults
def test_recording_onto_a_full_disk(lab, tmp_path, tries, note):
    from live_graph import NodeProcess

    pytest.importorskip('rosbags')
    for number in tries:
        with disk(tmp_path / 'disk') as folder:
            fill(folder, 300_000 * (number % 2))
            output = folder / 'a.mcap'
            recorder = NodeProcess('record_node', tmp_path, output=output, min_free_mb=0)
            try:
                assert recorder.wait(120.0) == 1
            finally:
                recorder.kill()
            text = recorder.text
            assert str(output) in text and 'no space left on device' in text.lower()
            assert 'Traceback' not in text
            assert not output.exists()
        note('disk full while `record` writes', 'an error with the path; no file under the final '
             'name')  # fmt: skip
