# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen react` as a user starts it, and `demo` where ROS 2 is missing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from sound_files import encode

from robot_face_gen.features.openface import read_openface_csv
from robot_face_gen.resources import demo_recording

FACE, VOICE = map(str, demo_recording())


@pytest.fixture
def without_ros(tmp_path):
    """Runs the command line in a process without rclpy, where no node can be imported."""
    folder = tmp_path / 'site'
    folder.mkdir()
    (folder / 'sitecustomize.py').write_text(
        "import sys\nsys.modules['rclpy'] = None\nsys.modules['robot_face_gen.nodes'] = None\n"
    )

    def run(*words):
        return subprocess.run(
            [sys.executable, '-m', 'robot_face_gen.cli', *map(str, words)],
            capture_output=True, text=True, timeout=240,
            env={**os.environ, 'PYTHONPATH': str(folder)},
        )  # fmt: skip

    return run


def test_all_results_without_ros(tmp_path, without_ros):
    out = tmp_path / 'out'
    done = without_ros(
        'react', '--openface', FACE, '--audio', VOICE, '--duration', 3, '--out', out
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / 'summary.json').read_text())
    assert (summary['frames_in'], summary['answered'], summary['reactions_out']) == (75, 75, 75)
    assert summary['incomplete_inputs'] == {'without_audio': 7}
    assert summary['finite'] and summary['seeds'] == [0]
    assert 'latency' not in done.stdout
    reaction = read_openface_csv(out / 'reaction.csv')
    assert reaction.problems == [] and len(reaction.frames) == 75
    assert cv2.imread(str(out / 'sheet.png')).shape == (1440, 1920, 3)
    assert (out / 'reaction.mp4').stat().st_size > 50_000
    assert not list(out.glob('.*'))


def test_demo_without_ros_says_why_and_does_the_same_in_one_process(tmp_path, without_ros):
    out = tmp_path / 'out'
    done = without_ros('demo', '--duration', 2, '--out', out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith('the live graph needs ROS 2: rclpy')
    assert {path.name for path in out.iterdir()} == {
        'demo.mp4', 'reaction.csv', 'sheet.png', 'summary.json',
    }  # fmt: skip


def test_samples_are_different_listeners_and_a_seed_repeats_one(tmp_path, command):
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
        (('--audio', VOICE), 18, {'gaps': 18}),
    ],
)
def test_a_face_or_a_voice_alone(tmp_path, arguments, frames, incomplete, command):
    done = command('react', *arguments, '--duration', 2, '--out', tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['reactions_out'] == frames
    assert summary['incomplete_inputs'] == incomplete
    landmarks = np.stack(
        [f.landmarks for f in read_openface_csv(tmp_path / 'reaction.csv').frames]
    )
    assert np.isfinite(landmarks).all()


def test_a_sound_that_is_too_short_says_why_nothing_came(tmp_path, command):
    done = command('react', '--audio', VOICE, '--duration', 0.6, '--out', tmp_path / 'out')
    assert done.returncode == 2
    assert 'no reaction came in 0.60 s: no face in this time; without a face' in done.stderr


@pytest.mark.skipif(sys.platform != 'linux', reason='file names are bytes on Linux only')
def test_file_names_that_are_no_utf8(tmp_path):
    """As a folder packed on a Chinese Windows holds: OpenCV crashed, and printing failed."""
    name = b'\xc1\xb3.csv'  # GBK
    face = os.fsencode(tmp_path) + b'/' + name
    shutil.copy(FACE, face)
    words = ['-m', 'robot_face_gen.cli', 'react', '--duration', '1', '--no-video']
    out = os.fsencode(tmp_path) + b'/\xc1'
    done = subprocess.run(
        [sys.executable, *words, '--openface', face, '--out', out],
        env=os.environ | {'PYTHONIOENCODING': 'utf-8:strict'},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert (Path(os.fsdecode(out)) / 'sheet.png').is_file()
    assert rb'\udcc1: reaction.csv' in done.stdout


def change_rows(path, change):
    """The shipped recording, each cell (row, name, cell) changed."""
    lines = Path(FACE).read_text().splitlines()
    names = [name.strip() for name in lines[0].split(',')]
    rows = [
        ','.join(change(i, name, cell) for name, cell in zip(names, line.split(','), strict=True))
        for i, line in enumerate(lines[1:])
    ]
    path.write_text('\n'.join([lines[0], *rows]) + '\n')
    return path


def test_a_recording_without_valid_frames_has_exit_code_3(tmp_path, command):
    face = change_rows(tmp_path / 'a.csv', lambda i, name, c: '0' if name == 'success' else c)
    done = command(
        'react', '--openface', face, '--duration', 2, '--no-video', '--out', tmp_path / 'out'
    )
    assert done.returncode == 3, done.stderr
    assert 'no valid frame: in none of the 50 recorded frames' in done.stdout
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert (summary['frames_recorded'], summary['valid'], summary['answered_valid']) == (50, 0, 0)
    assert (tmp_path / 'out' / 'reaction.csv').is_file()


def test_a_recording_without_landmarks_is_answered_and_says_so(tmp_path, command):
    """With the sound of a film, which begins with the pictures."""
    lines = Path(FACE).read_text().splitlines()
    names = lines[0].split(',')
    kept = [i for i, name in enumerate(names) if not name.strip().startswith(('x_', 'y_'))]
    rows = (','.join(line.split(',')[i] for i in kept) for line in lines)
    (tmp_path / 'a.csv').write_text('\n'.join(rows))
    sound = np.random.default_rng(0).normal(0, 0.1, (3 * 48000, 1)).astype(np.float32)
    encode(tmp_path / 'a.mp4', 'aac', sound, 48000, film='mpeg4')
    done = command(
        'react', '--openface', tmp_path / 'a.csv', '--audio', tmp_path / 'a.mp4',
        '--duration', 2, '--no-video', '--out', tmp_path / 'out',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'a.csv: not in the file: landmarks (FeatureExtraction -2Dfp)' in done.stdout
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert summary['valid'] == summary['partly_valid'] == summary['answered_valid'] > 40
    assert summary['incomplete_inputs'] == {'without_audio': 7}
    assert 'landmarks' in summary['problems'][0]
    assert '  partly valid ' in done.stdout


@pytest.mark.parametrize('scale', [25 / 30, 25 / 60, 25 / 29.97])
def test_the_reaction_has_an_even_25_hz_on_the_clock_of_the_recording(tmp_path, scale, command):
    """For a camera of 30, 60 or 29.97 frames a second that sees the face after 1.5 s."""

    def change(i, name, cell):
        return f'{1.5 + i * 0.04 * scale:.3f}' if name == 'timestamp' else cell

    face = change_rows(tmp_path / 'a.csv', change)
    done = command('react', '--openface', face, '--audio', VOICE, '--duration', 4, '--no-video',
                   '--out', tmp_path / 'out')  # fmt: skip
    assert done.returncode == 0, done.stderr
    times = np.loadtxt(tmp_path / 'out' / 'reaction.csv', delimiter=',', skiprows=1, usecols=2)
    assert np.allclose(np.diff(times), 0.04, atol=1e-6)
    # The grid begins after a second of sound; the face joins it when it comes.
    assert 0.9 < times[0] < 1.3 and 3.9 < times[-1] <= 4.0
    assert 'the first row is at 1.50 s' in done.stdout


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'expected --openface FILE, --audio FILE, or both'),
        (['--openface', 'none.csv'], 'none.csv: no such file'),
        (['--openface', '/'], 'error: /: is a folder; expected an OpenFace CSV'),
        (['--audio', 'none.wav'], 'none.wav: no such sound file'),
        (['--audio', '/'], 'error: /: is a folder; expected a sound file'),
        (['--audio', VOICE, '--out', VOICE], f'error: {VOICE}: is a file: expected a folder'),
        (['--openface', VOICE], 'no OpenFace CSV'),
        (['--audio', FACE], 'no sound file'),
        (['--audio', VOICE, '--samples', '0'], '--samples 0: expected 1 to 100'),
        (['--audio', VOICE, '--seed', '-1'], '--seed -1: expected 0 to'),
        (['--audio', VOICE, '--temperature', '11'], '--temperature 11.0: expected 0 to 10'),
        (['--audio', VOICE, '--duration', '0'], '--duration 0.0: expected above 0'),
        (['--audio', VOICE, '--backend', 'magic'], "backend = 'magic'"),
        (
            ['--audio', VOICE, '--device', 'gpu'],
            '--device gpu: expected auto, cpu, cuda or cuda:N',
        ),
        (['--audio', VOICE, '--checkpoint', 'none.safetensors'], 'none.safetensors'),
        (['--audio', VOICE, '--whisper', 'none.pt'], 'none.pt'),
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_2(tmp_path, arguments, message, command):
    done = command('react', '--out', tmp_path / 'out', *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count('\n') == 1 and 'Traceback' not in done.stdout
    assert not (tmp_path / 'out').exists()
