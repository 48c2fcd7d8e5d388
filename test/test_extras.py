# SPDX-License-Identifier: Apache-2.0
"""Commands in a real process where the packages of an extra cannot be imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prepared_data import make_prepared

from robot_face_gen.extras import PURPOSES, require

ROOT = Path(__file__).resolve().parents[1]
BLOCKER = """
import sys


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {blocked!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)


sys.meta_path.insert(0, Blocker())
"""


def run_without(blocked, folder, *words):
    """Run python in a process whose `sitecustomize` blocks the import of some packages."""
    folder.mkdir(exist_ok=True)
    (folder / 'sitecustomize.py').write_text(BLOCKER.format(blocked=set(blocked)))
    path = os.pathsep.join((str(folder), str(ROOT), os.environ.get('PYTHONPATH', '')))
    environment = {**os.environ, 'PYTHONPATH': path.rstrip(os.pathsep)}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, timeout=120
    )


def command(blocked, folder, *words):
    return run_without(blocked, folder, '-m', 'robot_face_gen.cli', *map(str, words))


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_prepared(tmp_path_factory.mktemp('prepared'), speakers=(1, 1, 1))


@pytest.mark.parametrize(
    ('package', 'extra', 'words'),
    [
        ('lightning', 'training', 'train data={data} output={out}'),
        ('tensorboard', 'training', 'train data={data} output={out}'),
        ('matplotlib', 'training', 'train data={data} output={out}'),
        ('matplotlib', 'training', 'evaluate --data {data} --out {out}'),
        ('scipy', 'training', 'generate {out} --dyads 1'),
        ('onnx', 'onnx', 'export --out {out}'),
        ('rosbags', 'bags', 'prepare {folder} {out}'),
    ],
)
def test_a_command_names_the_extra_before_any_work(package, extra, words, data, tmp_path):
    (tmp_path / 'bag').mkdir()
    (tmp_path / 'bag' / 'metadata.yaml').touch()
    (tmp_path / 'sessions.csv').write_text('session,split\nbag,train\n')
    out = tmp_path / 'o'
    done = command(
        [package], tmp_path / 'b', *words.format(data=data, out=out, folder=tmp_path).split()
    )
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr == (
        f'robot-face-gen: error: {package} is needed for {PURPOSES[extra]}: '
        f"pip install 'robot_face_gen[{extra}]'\n"
    )
    assert not out.exists()


def test_training_data_needs_neither_ros_nor_sound_files(tmp_path):
    """A rented machine with a GPU has torch and little else."""
    blocked = ['av', 'sounddevice', 'cv2', 'rclpy', 'rosbags', 'onnx', 'onnxscript',
               'onnxruntime', 'matplotlib', 'lightning', 'tensorboard']  # fmt: skip
    out = tmp_path / 'o'
    code = (
        'import sys; from robot_face_gen.cli import main; assert main(sys.argv[1:]) == 0; '
        'import robot_face_gen.training.train, robot_face_gen.training.evaluation'
    )
    words = '--dyads 3 --listeners 1 --duration 2 --prepared --encoder untrained --context 0.4'
    done = run_without(
        blocked, tmp_path / 'b', '-c', code, 'generate', str(out), *words.split(), '--workers', '1'
    )
    assert done.returncode == 0, done.stderr
    assert len(list((out / 'tracks').iterdir())) == 6


def test_prepare_without_a_bag_needs_no_rosbags(tmp_path):
    (tmp_path / 'sessions.csv').write_text('session,split\nx,train\n')
    done = command(
        ['rosbags', 'lightning', 'matplotlib', 'onnx'], tmp_path / 'b',
        'prepare', tmp_path, tmp_path / 'out', '--workers', 1, '--encoder', 'untrained',
    )  # fmt: skip
    assert done.returncode == 2
    assert 'none of 1 sessions' in done.stderr
    assert 'session x, face file: no a.csv; there is no folder' in done.stderr


def test_the_tests_of_bags_are_skipped_without_rosbags(tmp_path):
    done = run_without(
        ['rosbags'], tmp_path / 'b', '-m', 'pytest', '-q', '-rs', '--rootdir', ROOT,
        ROOT / 'test' / 'data' / 'test_bags.py', ROOT / 'test' / 'data' / 'test_sessions.py',
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "could not import 'rosbags'" in done.stdout
    assert ' passed, 1 skipped' in done.stdout


def test_a_broken_package_is_distinguished_from_a_missing_one(tmp_path, monkeypatch):
    (tmp_path / 'half_there.py').write_text('import not_there_at_all\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r'and cannot be imported \(No module .*not_there_at'):
        require('half_there', 'onnx')
    with pytest.raises(ImportError, match=r"^nowhere is needed for .*'robot_face_gen\[ros\]'$"):
        require('nowhere.at.all', 'ros')
    assert require('json.decoder', 'training').JSONDecoder
