# SPDX-License-Identifier: Apache-2.0
"""Faces of ROS4HRI and sound of audio_common_msgs, from a publisher process over DDS."""

import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from faces import make_frame

from robot_face_gen.layout import AU
from robot_face_gen.nodes.messages import to_face_frame, to_samples
from robot_face_gen_msgs.msg import AudioChunk, FaceFeatures

pytestmark = [pytest.mark.graph, pytest.mark.xdist_group('foreign messages')]
RATE = 16_000
PIECE = 640  # samples in 40 ms
SOUND = (0.5 * np.sin(2 * np.pi * 437.5 * np.arange(25 * PIECE) / RATE)).astype(np.float32)


@pytest.fixture
def publish(packages, monkeypatch, graph_domain, tmp_path):
    """Publishes rounds of messages from a process of its own; nodes find the package, too."""
    running = []

    def publish(title, rounds):
        monkeypatch.setenv('PYTHONPATH', str(packages(title)))
        file = tmp_path / f'rounds{len(running)}.pickle'
        file.write_bytes(pickle.dumps(rounds))
        program = Path(__file__).with_name('foreign_publisher.py')
        running.append(subprocess.Popen([sys.executable, str(program), str(file)], env=os.environ))

    yield publish
    for process in running:
        process.kill()
        process.wait()


def landmarks(frame, confidence=0.9):
    x, y = frame.landmarks.reshape(2, 68)
    points = [{'x': a / 640, 'y': b / 480, 'c': confidence} for a, b in zip(x, y, strict=True)]
    return {
        'header': {'stamp': 'now', 'frame_id': 'eye'},
        'landmarks': tuple({k: float(v) for k, v in p.items()} for p in [*points, *points[:2]]),
        'width': 640,
        'height': 480,
    }


def units(number, value):
    intensity, confidence = np.zeros(99, np.float32), np.ones(99, np.float32)
    intensity[number] = value
    confidence[20] = 0.0
    return {
        'header': {'stamp': 'now', 'frame_id': 'eye'},
        'intensity': intensity,
        'confidence': confidence,
    }


def face_of(name, smile):
    return [
        (f'/humans/faces/{name}/landmarks', 'hri_msgs/FacialLandmarks', landmarks(make_frame())),
        (f'/humans/faces/{name}/facs', 'hri_msgs/FacialActionUnits', units(12, smile)),
    ]


def tracked(*names):
    return ('/humans/faces/tracked', 'hri_msgs/IdsList', {'ids': list(names)})


def listen(peer, kind, topic):
    if topic not in peer.heard:
        peer.listen(kind, topic)
    peer.heard[topic].clear()
    return peer.heard[topic]


def test_the_first_tracked_face_of_ros4hri_is_followed(peer, start, publish):
    heard = listen(peer, FaceFeatures, '/openface/features')
    two = [tracked('bob', 'eve'), *face_of('bob', 0.4), *face_of('eve', 0.8)]
    left = [tracked('eve'), *face_of('eve', 0.8)]
    publish('hri_msgs', [two] * 150 + [left] * 1000)
    node = start('openface_node', source='hri')
    peer.wait_for(lambda: len(heard) > 20, f'frames ({node.text})')
    frame, impossible = to_face_frame(heard[15][1])
    assert impossible == 0 and heard[15][1].header.frame_id == 'eye'
    np.testing.assert_allclose(frame.landmarks, make_frame().landmarks, atol=0.01)
    assert (frame.image_width, frame.image_height) == (640, 480)
    assert frame.confidence == pytest.approx(0.9) and frame.success and frame.is_valid()
    assert frame.au[AU['AU12']] == pytest.approx(2.0)  # 0.4 of 1
    assert np.isnan(frame.au[AU['AU20']])  # the tracker has no confidence in it
    assert np.isnan(frame.pose).all() and np.isnan(frame.gaze).all()
    # Joined: one frame an image, with landmarks and action units.
    whole = [to_face_frame(message)[0] for _, message in heard[5:20]]
    assert all(np.isfinite(f.landmarks).all() and np.isfinite(f.au[0]) for f in whole)
    assert (np.diff([f.stamp_ns for f in whole]) > 20_000_000).all()

    def smile():
        return to_face_frame(heard[-1][1])[0].au[AU['AU12']]

    peer.wait_for(lambda: smile() == pytest.approx(4.0), 'the other face')
    assert 'follows the face bob' in node.text and 'follows the face eve' in node.text
    assert node.interrupt() == 0 and 'Traceback' not in node.text


def test_one_face_can_be_chosen_and_landmarks_alone_are_enough(peer, start, publish):
    heard = listen(peer, FaceFeatures, '/openface/features')
    alone = [('/humans/faces/eve/landmarks', 'hri_msgs/FacialLandmarks', landmarks(make_frame()))]
    broken = landmarks(make_frame()) | {'width': 0}
    publish('hri_msgs', [alone, [(*alone[0][:2], broken)], alone])
    node = start('openface_node', source='hri:eve', hri_full_intensity=5.0)
    peer.wait_for(lambda: len(heard) > 10, f'frames ({node.text})')
    frame, _ = to_face_frame(heard[5][1])
    assert np.isnan(frame.au).all() and frame.is_valid()
    # Faults are logged with the next diagnostics.
    peer.wait_for(lambda: 'message dropped: width, height = 0, 480' in node.text, 'a warning')


def test_without_the_package_the_error_says_what_to_install(fails):
    assert 'source = hri needs the package hri_msgs' in fails('openface_node', source='hri')


def check_sound(heard, piece):
    """Consecutive chunks hold the tone, and their stamps and counts are those of one stream."""
    chunks = [to_samples(message) for _, message in heard[3:]]
    rates = {rate for *_, rate in chunks}
    assert rates == {RATE}
    firsts = np.array([first for _, first, _, _ in chunks])
    lengths = np.array([len(samples) for _, _, samples, _ in chunks])
    assert (np.diff(firsts) == lengths[:-1]).mean() > 0.9  # a busy machine may lose some
    sound = np.concatenate([samples for _, _, samples, _ in chunks])[: 8 * piece]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert abs(np.argmax(spectrum) * RATE / len(sound) - 437.5) < 20
    assert 0.4 < np.abs(sound).max() < 0.65


def pieces(kind=np.float32, scale=1.0, zero=0.0):
    values = (SOUND * scale + zero).astype(kind)
    return [values[i : i + PIECE] for i in range(0, len(values), PIECE)]


def stamped(form, field, values):
    data = {'audio_data': {field: values}, 'info': {'format': form, 'channels': 1, 'rate': RATE}}
    return {'header': {'stamp': 'now', 'frame_id': 'ear'}, 'audio': data}


@pytest.mark.parametrize(
    ('form', 'field', 'values'),
    [(1, 'float32_data', pieces()), (32, 'uint8_data', pieces(np.uint8, 2**7, 2**7))],
)
def test_samples_of_audio_stamped(peer, start, publish, form, field, values):
    heard = listen(peer, AudioChunk, '/audio')
    rounds = [
        [('/ear/audio', 'audio_common_msgs/AudioStamped', stamped(form, field, piece))]
        for piece in values
    ]
    publish('audio_common_msgs of mgonzs13', rounds)
    node = start('microphone_node', source='topic:/ear/audio')
    peer.wait_for(lambda: len(heard) > 15, f'sound ({node.text})')
    assert heard[0][1].header.frame_id == 'ear'
    check_sound(heard, PIECE)
    assert 'audio_common_msgs/msg/AudioStamped' in node.text


def info(coding, form='S16LE'):
    return (
        '/audio_source/audio_info',
        'audio_common_msgs/AudioInfo',
        {'channels': 1, 'sample_rate': RATE, 'sample_format': form, 'coding_format': coding},
    )


def mp3():
    if 'libmp3lame' not in av.codecs_available:
        pytest.skip('this PyAV has no encoder of MP3')
    file = io.BytesIO()
    plain = {'id3v2_version': '0', 'write_xing': '0'}
    with av.open(file, 'w', format='mp3', options=plain) as output:
        stream = output.add_stream('libmp3lame', rate=RATE)
        stream.layout = 'mono'
        frame = av.AudioFrame.from_ndarray(SOUND[None], format='fltp', layout='mono')
        frame.sample_rate = RATE
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    data = np.frombuffer(file.getvalue(), np.uint8)
    return np.array_split(data, 25)


@pytest.mark.parametrize(('coding', 'is_stamped'), [('wave', False), ('mp3', True)])
def test_bytes_of_audio_data(peer, start, publish, coding, is_stamped):
    heard = listen(peer, AudioChunk, '/audio')
    data = mp3() if coding == 'mp3' else [p.view(np.uint8) for p in pieces(np.int16, 2**15)]
    kind = 'audio_common_msgs/AudioData'
    rounds = []
    for number, piece in enumerate(data):
        fields = {'data': piece}
        if is_stamped:  # as audio_capture stamps: not a time of the day
            fields = {'header': {'frame_id': 'ear'}, 'audio': fields}
        rounds.append([('/audio_source/audio', kind + 'Stamped' * is_stamped, fields)])
        if number % 10 == 0:
            rounds[-1].append(info(coding))
    publish('audio_common_msgs of ros-drivers', rounds)
    node = start('microphone_node', source='topic:/audio_source/audio')
    peer.wait_for(lambda: len(heard) > 15, f'sound ({node.text})')
    check_sound(heard, PIECE)
    stamps = np.array([to_samples(message)[0] for _, message in heard])
    assert (stamps > 1.7e18).all() and (np.diff(stamps) > 0).all()


def test_a_topic_of_another_type_is_an_error_and_the_node_waits(peer, start, graph_domain):
    publisher = peer.node.create_publisher(FaceFeatures, '/ear/other', 1)
    peer.statuses.pop('microphone_node', None)
    node = start('microphone_node', source='topic:/ear/other')

    def message():
        return getattr(peer.statuses.get('microphone_node'), 'message', '')

    peer.wait_for(lambda: 'has type robot_face_gen_msgs/msg/FaceFeatures' in message(), 'an error')
    assert node.process.poll() is None and 'Traceback' not in node.text
    peer.destroy(publisher)
