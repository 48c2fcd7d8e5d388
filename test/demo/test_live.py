# SPDX-License-Identifier: Apache-2.0
"""The main job, end to end: the real graph on the shipped recording, and its results."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import av
import cv2
import numpy as np
import psutil
import pytest
from films import write_film
from live_graph import Peer
from rendered_head import rotation

from robot_face_gen.camera.geometry import CameraModel
from robot_face_gen.demo.live import NODES
from robot_face_gen.features.openface import read_openface_csv
from robot_face_gen.features.sound_file import read_audio
from robot_face_gen.graph import has_screen
from robot_face_gen.resources import demo_recording
from robot_face_gen_msgs.msg import FaceReaction

pytestmark = [pytest.mark.graph, pytest.mark.real_time]
CLI = [sys.executable, '-m', 'robot_face_gen.cli']


def demo(*arguments):
    words = [*CLI, 'demo', *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=240)


def test_the_shipped_recording_is_a_face_that_talks():
    csv, sound = demo_recording()
    track = read_openface_csv(csv)
    samples, rate = read_audio(sound)
    assert track.problems == []
    assert track.rate_hz == 25.0
    assert 18 < len(track.frames) / 25 < 25
    assert abs(len(samples) / rate - len(track.frames) / 25) < 0.1
    assert 0 < sum(not f.success for f in track.frames) < 30
    loud = np.array(
        [
            np.sqrt(np.square(samples[int(i * rate / 25) : int((i + 1) * rate / 25)]).mean())
            for i in range(len(track.frames))
        ]
    )
    jaw = np.array([f.au[15] for f in track.frames])
    gap = np.array([f.landmarks[68 + 66] - f.landmarks[68 + 62] for f in track.frames])
    good = np.array([f.success for f in track.frames])
    jaw[~good] = gap[~good] = 0.0

    def follows(motion):
        """Correlation with the loudness of up to 0.12 s before: muscles take their time."""
        return max(np.corrcoef(loud[: len(loud) - lag], motion[lag:])[0, 1] for lag in range(4))

    assert follows(jaw) > 0.6  # the mouth moves with the voice
    assert follows(gap) > 0.5
    assert csv.stat().st_size + sound.stat().st_size < 2_000_000


def test_demo_tracks_and_answers_a_film(tmp_path, ros_domain, head, command):
    camera = CameraModel.guess(320, 240)
    images = [
        head.draw(rotation(yaw=yaw), np.array((0.0, 0.0, 0.55)), camera, 320, 240)
        for yaw in 0.2 * np.sin(np.arange(75) / 12)
    ]
    sound, rate = read_audio(demo_recording()[1])
    film = write_film(tmp_path / 'clip.mp4', images, sound=sound[: 3 * rate], sample_rate=rate)
    out = tmp_path / 'out'
    done = demo('--video', film, '--out', out)
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / 'summary.json').read_text())
    assert set(summary['processes']) - {'face_screen_node'} == {
        'camera_face_node', 'microphone_node', 'whisper_node', 'reaction_node',
    }  # fmt: skip
    assert summary['frames_recorded'] == summary['valid'] == 75
    # A busy machine drops pictures, which are counted.
    assert summary['answered_valid'] > 30 and summary['finite']
    assert summary['frames_in'] + summary['dropped_in_nodes'].get('camera_face_node', 0) >= 74
    tracked = read_openface_csv(out / 'speaker.csv')
    assert len(tracked.frames) == 75 and all(frame.is_valid() for frame in tracked.frames)
    assert (out / 'demo.mp4').stat().st_size > 10_000
    log = (out / 'graph.log').read_text()
    assert f'{film}: 3.0 s, {rate} Hz' in log and 'a face is seen' in log
    both = command('demo', '--video', film, '--openface', out / 'speaker.csv')
    assert both.returncode == 2 and '--video and --openface: expected one' in both.stderr


@pytest.mark.skipif(not has_screen(), reason='aiohttp is not installed')
def test_view_repeats_the_recording_with_the_face_in_a_browser(tmp_path, ros_domain):
    words = [*CLI, 'demo', '--view', '--out', str(tmp_path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout.readline().startswith('starting the nodes')
        line = process.stdout.readline()
        address = re.search(r'http://127.0.0.1:\d+/', line)[0]
        for page in ('', 'inspect'):
            with urllib.request.urlopen(address + page, timeout=20) as answer:
                assert '<canvas' in answer.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        with pytest.raises(OSError):
            urllib.request.urlopen(address, timeout=20)
    finally:
        process.kill()
        process.communicate()
    assert 'Traceback' not in (tmp_path / 'graph.log').read_text()


def test_demo_answers_the_recording_and_shows_it(tmp_path, ros_domain):
    out = tmp_path / 'out'
    # No whole number of nanoseconds: the run is complete nevertheless.
    done = demo('--out', out, '--duration', 2.9876543212)
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / 'summary.json').read_text())
    assert summary['frames_recorded'] == 75
    assert summary['frames_in'] >= 74
    assert summary['answered'] >= 74
    assert summary['thinned'] == 0
    assert summary['dropped'] == 75 - summary['answered']
    assert summary['finite'] and summary['seeds'] == [0]
    assert set(summary['latency_ms']) == {'p50', 'p99', 'max'}
    assert {'model', 'Whisper encoder', 'playout'} <= set(summary['stages'])
    assert set(summary['processes']) == {*NODES, *(['face_screen_node'] if has_screen() else [])}
    assert ('the face, live: http://127.0.0.1:' in done.stdout) == has_screen()
    assert 'frames answered' in done.stdout
    assert str(out) in done.stdout
    reaction = read_openface_csv(out / 'reaction.csv')
    assert reaction.problems == []
    assert len(reaction.frames) == summary['reactions_out']
    landmarks = np.stack([f.landmarks for f in reaction.frames])
    assert -20 < landmarks.min() < landmarks.max() < 244
    assert cv2.imread(str(out / 'sheet.png')).shape == (1440, 1920, 3)
    film = cv2.VideoCapture(str(out / 'demo.mp4'))
    assert (film.get(cv2.CAP_PROP_FRAME_WIDTH), film.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (1280, 720)
    count = int(film.get(cv2.CAP_PROP_FRAME_COUNT))
    assert 73 <= count <= 77
    pictures = []
    while True:
        there, picture = film.read()
        if not there:
            break
        pictures.append(picture)
    assert np.abs(pictures[10].astype(int) - pictures[-1]).max() > 100
    with av.open(str(out / 'demo.mp4')) as file:
        assert {stream.type for stream in file.streams} == {'video', 'audio'}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--openface', 'none.csv'], 'none.csv'),
        (['--audio', 'none.wav'], 'none.wav: no such sound file'),
        (['--openface', __file__], 'no OpenFace CSV'),
        (['--speed', '0'], '--speed 0.0: expected above 0'),
        (['--duration', '-1'], '--duration -1.0: expected above 0'),
        (['--checkpoint', 'none.safetensors', '--duration', '1'], 'none.safetensors'),
        (['--device', 'gpu'], '--device gpu: expected auto, cpu, cuda or cuda:N'),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(tmp_path, command, arguments, message):
    done = command('demo', '--out', tmp_path / 'out', *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count('\n') == 1
    assert 'Traceback' not in done.stderr + done.stdout
    assert not (tmp_path / 'out').exists()


def test_ctrl_c_ends_all_and_keeps_what_there_is(tmp_path, ros_domain):
    out = tmp_path / 'out'
    process = subprocess.Popen(
        [*CLI, 'demo', '--out', str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    peer = Peer()
    try:
        peer.listen(FaceReaction, 'robot_face/reaction')
        peer.wait_for(lambda: peer.count('robot_face/reaction') >= 25, 'a second of reactions')
        children = psutil.Process(process.pid).children(recursive=True)
    finally:
        peer.close()
    os.kill(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert 'Traceback' not in stdout + stderr
    assert 'interrupted' in stdout and 'no film is made' in stdout
    assert (out / 'sheet.png').is_file() and not (out / 'demo.mp4').exists()
    assert json.loads((out / 'summary.json').read_text())['reactions_out'] >= 20
    assert len(children) >= 5
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
