# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen react` as a user starts it, and `demo` where ROS 2 is missing."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from robot_face_gen.features.openface import read_openface_csv
from robot_face_gen.resources import demo_recording

FACE, VOICE = map(str, demo_recording())
CLI = [sys.executable, '-m', 'robot_face_gen.cli']


def command(*arguments, env=None):
    return subprocess.run(
        [*CLI, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, **(env or {})},
    )


@pytest.fixture
def without_ros(tmp_path):
    """An environment in which rclpy is not found, and no node can be imported."""
    folder = tmp_path / 'site'
    folder.mkdir()
    (folder / 'sitecustomize.py').write_text(
        "import sys\nsys.modules['rclpy'] = None\nsys.modules['robot_face_gen.nodes'] = None\n"
    )
    return {'PYTHONPATH': str(folder)}


def test_all_results_without_ros(tmp_path, without_ros):
    out = tmp_path / 'out'
    done = command(
        'react', '--openface', FACE, '--audio', VOICE, '--duration', 3, '--out', out,
        env=without_ros,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / 'summary.json').read_text())
    assert (summary['frames_in'], summary['answered'], summary['reactions_out']) == (75, 75, 75)
    assert summary['incomplete_inputs'] == {'without_audio': 1}
    assert summary['finite'] and summary['seeds'] == [0]
    assert 'latency' not in done.stdout
    reaction = read_openface_csv(out / 'reaction.csv')
    assert reaction.problems == [] and len(reaction.frames) == 75
    assert cv2.imread(str(out / 'sheet.png')).shape == (1440, 1920, 3)
    assert (out / 'reaction.mp4').stat().st_size > 50_000
    assert not list(out.glob('.*'))


def test_demo_without_ros_says_why_and_does_the_same_in_one_process(tmp_path, without_ros):
    out = tmp_path / 'out'
    done = command('demo', '--duration', 2, '--out', out, env=without_ros)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith('the live graph needs ROS 2: rclpy')
    assert {path.name for path in out.iterdir()} == {
        'demo.mp4', 'reaction.csv', 'sheet.png', 'summary.json',
    }  # fmt: skip


def test_samples_are_different_listeners_and_a_seed_repeats_one(tmp_path):
    arguments = ('react', '--openface', FACE, '--audio', VOICE, '--duration', 2, '--no-video')
    several = command(*arguments, '--seed', 7, '--samples', 2, '--out', tmp_path / 'several')
    assert several.returncode == 0, several.stderr
    one = command(*arguments, '--seed', 8, '--out', tmp_path / 'one')
    assert one.returncode == 0, one.stderr
    first, second = (
        (tmp_path / 'several' / f'reaction_{number}.csv').read_text() for number in (1, 2)
    )
    assert first != second
    assert second == (tmp_path / 'one' / 'reaction.csv').read_text()
    assert json.loads((tmp_path / 'several' / 'summary.json').read_text())['seeds'] == [7, 8]


@pytest.mark.parametrize(
    ('arguments', 'frames', 'incomplete'),
    [
        (('--openface', FACE), 50, {'without_audio': 50}),
        # The first frame comes after a second of sound: until then a face may still come.
        (('--audio', VOICE), 24, {'gaps': 24}),
    ],
)
def test_a_face_or_a_voice_alone(tmp_path, arguments, frames, incomplete):
    done = command('react', *arguments, '--duration', 2, '--out', tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['reactions_out'] == frames
    assert summary['incomplete_inputs'] == incomplete
    landmarks = np.stack(
        [f.landmarks for f in read_openface_csv(tmp_path / 'reaction.csv').frames]
    )
    assert np.isfinite(landmarks).all()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'expected --openface FILE, --audio FILE, or both'),
        (['--openface', 'none.csv'], 'none.csv: no such file'),
        (['--audio', 'none.wav'], 'none.wav: no such sound file'),
        (['--openface', VOICE], 'no OpenFace CSV'),
        (['--audio', FACE], 'no sound file'),
        (['--audio', VOICE, '--samples', '0'], '--samples 0: expected 1 to 100'),
        (['--audio', VOICE, '--seed', '-1'], '--seed -1: expected 0 to'),
        (['--audio', VOICE, '--temperature', '3'], '--temperature 3.0: expected 0 to 2'),
        (['--audio', VOICE, '--duration', '0'], '--duration 0.0: expected above 0'),
        (['--audio', VOICE, '--backend', 'magic'], "backend = 'magic'"),
        (['--audio', VOICE, '--checkpoint', 'none.safetensors'], 'none.safetensors'),
        (['--audio', VOICE, '--whisper', 'none.pt'], 'none.pt'),
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_2(tmp_path, arguments, message):
    done = command('react', '--out', tmp_path / 'out', *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count('\n') == 1 and 'Traceback' not in done.stdout
