# SPDX-License-Identifier: Apache-2.0
"""Films of bags."""

import av
import numpy as np
import pytest
from faces import make_frames

pytest.importorskip('rosbags')

from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from robot_face_gen.cli import main
from robot_face_gen.data.bag_file import BagWriter, message_folder
from robot_face_gen.data.bags import AUDIO_TYPE, FACE_TYPE, REACTION_TYPE
from robot_face_gen.resources import demo_recording

START_NS = 1_700_000_000_000_000_000
STORE = get_typestore(Stores.ROS2_HUMBLE)
for file in message_folder().glob('*.msg'):
    STORE.register(get_types_from_msg(file.read_text(), f'robot_face_gen_msgs/msg/{file.stem}'))


def stamp(t_ns):
    return STORE.types['builtin_interfaces/msg/Time'](*divmod(t_ns, 1_000_000_000))


def header(t_ns):
    return STORE.types['std_msgs/msg/Header'](stamp(t_ns), '')


def write_bag(path, robots, *, reactions=True, seconds=2):
    """A face and a tone of 440 Hz for each robot; it answers each frame 100 ms later."""
    writer = BagWriter(path)
    for robot in robots:
        topics = {}
        for topic, kind in (
            ('openface/features', FACE_TYPE),
            ('audio', AUDIO_TYPE),
            ('robot_face/reaction', REACTION_TYPE),
        ):
            definition = STORE.generate_msgdef(kind, ros_version=2)[0]
            topics[kind] = writer.add_topic(f'{robot}/{topic}', kind, definition, {})

        def write(kind, t_ns, *fields, topics=topics):
            message = STORE.types[kind](header(t_ns), *fields)
            writer.write(topics[kind], t_ns, bytes(STORE.serialize_cdr(message, kind)))

        sound = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000 * seconds) / 16000)
        for index, face in enumerate(make_frames(25 * seconds, start_ns=START_NS)):
            crop = ((face.landmarks - 200) / 250).astype(np.float32)
            parts = (face.au, face.pose, face.gaze)
            write(
                FACE_TYPE, face.stamp_ns, face.confidence, face.success, face.image_width,
                face.image_height, face.landmarks, *parts,
            )  # fmt: skip
            piece = sound[index * 640 : (index + 1) * 640].astype(np.float32)
            write(AUDIO_TYPE, face.stamp_ns, 16000, index * 640, piece)
            if reactions:
                write(
                    REACTION_TYPE, face.stamp_ns + 100_000_000, index, crop, *parts,
                    stamp(face.stamp_ns),
                )  # fmt: skip
    writer.close()


def decode(path):
    with av.open(str(path)) as film:
        pictures, sound = [], []
        for frame in film.decode(video=0, audio=0):
            if isinstance(frame, av.VideoFrame):
                pictures.append(frame.to_ndarray(format='bgr24'))
            else:
                sound.append(frame.to_ndarray()[0])
    return np.stack(pictures), np.concatenate(sound)


@pytest.mark.parametrize('robot', ['', '/robot1'])
def test_the_film_shows_both_faces_with_sound(tmp_path, capsys, robot):
    write_bag(tmp_path / 'run.mcap', [robot])
    assert main(['render', str(tmp_path / 'run.mcap'), str(tmp_path / 'run.mp4')]) == 0
    assert 'run.mp4: 2.1 s, 50 frames of the speaker, 50 of the robot' in capsys.readouterr().out
    pictures, sound = decode(tmp_path / 'run.mp4')
    assert 52 <= len(pictures) <= 54
    speaker, robot_face = pictures[25][70:510, 36:476], pictures[25][70:510, 804:1244]
    assert speaker.std() > 5 and robot_face.std() > 40
    # Before the first reaction the robot's side says so; no robot is there yet.
    assert pictures[0][70:510, 804:1244].std() < 20
    assert np.argmax(np.abs(np.fft.rfft(sound[4800:28800]))) == 220  # 440 Hz of 0.5 s


def test_a_part_of_a_run_without_reactions(tmp_path, capsys):
    write_bag(tmp_path / 'run.mcap', [''], reactions=False)
    given = ['--start', '0.5', '--duration', '1']
    assert main(['render', str(tmp_path / 'run.mcap'), str(tmp_path / 'a.mp4'), *given]) == 0
    assert 'no message on /robot_face/reaction' in capsys.readouterr().out
    assert len(decode(tmp_path / 'a.mp4')[0]) == 25


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['run.mcap', 'a.mkv'], 'a.mkv: expected a name that ends in .mp4'),
        (['none.mcap', 'a.mp4'], 'none.mcap: no such bag'),
        (['none.mcap', 'no/a.mp4'], 'no/a.mp4: there is no folder'),
        (['two.mcap', 'a.mp4'], '(/one, /two)'),
        (['run.mcap', 'a.mp4', '--start', '9'], '--start 9: the bag has 2.1 s'),
        (['run.mcap', 'a.mp4', '--namespace', 'x'], "'x': expected the namespace"),
        (['{csv}', 'a.mp4'], 'cannot be read as a bag'),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    write_bag(tmp_path / 'run.mcap', [''])
    write_bag(tmp_path / 'two.mcap', ['/one', '/two'], seconds=1)
    arguments = [word.format(csv=demo_recording()[0]) for word in arguments]
    assert main(['render', *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count('\n') == 1
    assert not list(tmp_path.glob('*.mp4')) and not list(tmp_path.glob('.*'))
