# SPDX-License-Identifier: Apache-2.0
"""The sheet and the film of a run, read again with the library's own decoders."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from faces import make_frames

from robot_face_gen.demo.film import Film
from robot_face_gen.demo.report import Record


@pytest.fixture
def film():
    record = Record(frames=make_frames(10, start_ns=10**15))
    return Film(record, 10**15, 0.4, np.zeros(6400, np.float32), 16000, 'a test')


def test_the_sheet_is_a_picture(film, tmp_path):
    film.write_sheet(tmp_path / 'sheet.png')
    page = cv2.imread(str(tmp_path / 'sheet.png'))
    assert page.shape[2] == 3 and page.std() > 1.0


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no device that is always full')
def test_a_full_disk_is_an_error_and_no_silent_loss(film):
    with pytest.raises(OSError, match='No space left'):
        film.write_sheet(Path('/dev/full'))


def tone(seconds, rate, hz=440.0):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


@pytest.mark.parametrize(('rate', 'voice_s'), [(16000, 2.0), (44100, 1.0), (48000, 3.0)])
def test_the_film_plays_pictures_and_sound_in_step(tmp_path, rate, voice_s):
    """A voice shorter or longer than the film does not change the film's length."""
    record = Record(frames=make_frames(50, start_ns=10**15))
    path = tmp_path / 'film.mp4'
    Film(record, 10**15, 2.0, tone(voice_s, rate), rate, 'a test').write_video(path)
    assert list(tmp_path.iterdir()) == [path]
    with av.open(str(path)) as file:
        video, sound = file.streams.video[0], file.streams.audio[0]
        assert (video.codec_context.name, sound.codec_context.name) == ('vp9', 'opus')
        assert (video.width, video.height, video.average_rate) == (1280, 720, 25)
        assert abs(video.duration * video.time_base - 2) < Fraction(1, 100)
        pictures, heard = [], []
        for frame in file.decode(video, sound):
            (pictures if isinstance(frame, av.VideoFrame) else heard).append(frame)
    assert len(pictures) == 50
    assert abs(sum(f.samples for f in heard) - 2 * 48000) <= 960  # a packet of Opus
    samples = np.concatenate([f.to_ndarray()[0] for f in heard])
    assert np.argmax(np.abs(np.fft.rfft(samples[4800:28800]))) == 220  # 440 Hz of 0.5 s
    silent = samples[round(voice_s * 48000) + 2400 :]
    assert not len(silent) or np.abs(silent).max() < 0.01
    drawn = Film(record, 10**15, 2.0, tone(voice_s, rate), rate, 'a test').picture(1.0)
    shown = pictures[25].to_ndarray(format='bgr24').astype(int)
    assert np.abs(shown - drawn).mean() < 4.0  # of 255; lossy


def test_without_a_voice_the_film_has_no_sound(tmp_path):
    record = Record(frames=make_frames(10), is_live=False)
    path = tmp_path / 'film.mp4'
    Film(record, 0, 0.4, np.empty(0, np.float32), 0, 'a test').write_video(path)
    with av.open(str(path)) as file:
        assert [stream.type for stream in file.streams] == ['video']
        assert sum(1 for _ in file.decode(video=0)) == 10


def test_a_film_that_cannot_be_written_leaves_nothing(film, tmp_path):
    with pytest.raises(OSError, match=r'film\.mp4'):
        film.write_video(tmp_path / 'nowhere' / 'film.mp4')
    assert list(tmp_path.iterdir()) == []
