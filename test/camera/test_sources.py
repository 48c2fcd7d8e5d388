# SPDX-License-Identifier: Apache-2.0
"""Films and cameras. OpenCV opens a film as it opens a camera: that stands in for a device."""

import struct
import time

import numpy as np
import pytest
from films import write_film
from launching import until

from robot_face_gen.camera.sources import CameraDevice, VideoFile

PATIENCE_S = 30.0


def pictures(count, width=160, height=120):
    """Each is brighter than the one before; the left half is black."""
    images = [np.full((height, width, 3), 40 + 5 * i, np.uint8) for i in range(count)]
    for image in images:
        image[:, : width // 2] = 0
    return images


def test_the_pictures_of_a_film(tmp_path):
    video = VideoFile(write_film(tmp_path / 'a.mp4', pictures(10), rate=20))
    assert (video.width, video.height, video.rate_hz) == (160, 120, 20.0)
    assert video.duration_s == pytest.approx(0.5) and not video.has_sound
    for _ in range(2):  # as often as wanted
        found = list(video.pictures())
        assert [p.stamp_ns for p in found] == [i * 50_000_000 for i in range(10)]
        levels = [float(p.image[:, 120:].mean()) for p in found]
        assert np.allclose(levels, [40 + 5 * i for i in range(10)], atol=6)
        assert all(p.image[:, :40].mean() < 20 for p in found)


def test_the_first_picture_is_at_time_0(tmp_path):
    found = list(VideoFile(write_film(tmp_path / 'a.mkv', pictures(5), first=40)).pictures())
    assert [p.stamp_ns for p in found] == [i * 40_000_000 for i in range(5)]


def test_pictures_that_an_avi_stores_in_another_order(tmp_path):
    """B-frames: AVI has no time of presentation, FFmpeg numbers them in the order of the file."""
    film = write_film(tmp_path / 'a.avi', pictures(30), codec='libx264')
    found = list(VideoFile(film).pictures())
    assert [p.stamp_ns for p in found] == [i * 40_000_000 for i in range(30)]
    levels = [float(p.image[:, 120:].mean()) for p in found]
    assert np.allclose(levels, [40 + 5 * i for i in range(30)], atol=6)


def test_a_film_with_sound(tmp_path):
    sound = np.zeros(16000, np.float32)
    assert VideoFile(write_film(tmp_path / 'a.mp4', pictures(25), sound=sound)).has_sound


def test_a_title_that_is_not_utf8(tmp_path):
    path = write_film(tmp_path / 'a.mp4', pictures(5), title='T\u00edtulo')
    data = path.read_bytes()
    assert b'T\xc3\xadtulo' in data
    path.write_bytes(data.replace(b'T\xc3\xadtulo', b'T\xed\xeatulo'))
    assert len(list(VideoFile(path).pictures())) == 5


@pytest.mark.parametrize(
    ('name', 'content', 'complaint'),
    [
        ('a.mp4', b'no film at all', 'a.mp4: no film, or of an unknown format'),
        ('a.mp4', b'', 'no film'),
    ],
)
def test_what_is_no_film_is_named(tmp_path, name, content, complaint):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=complaint):
        VideoFile(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r'none\.mp4'):
        VideoFile(tmp_path / 'none.mp4')


def test_a_sound_file_has_no_pictures(real_or_shipped_sound):
    with pytest.raises(ValueError, match='has no pictures'):
        VideoFile(real_or_shipped_sound)


@pytest.fixture
def real_or_shipped_sound():
    from robot_face_gen.resources import demo_recording

    return demo_recording()[1]


def test_a_cut_off_film_gives_what_is_there(tmp_path):
    path = write_film(tmp_path / 'a.avi', pictures(40))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = list(VideoFile(path).pictures())
    assert 5 < len(found) < 40


def test_damaged_pictures_are_left_out(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 120, 160, 3)).astype(np.uint8)
    path = write_film(tmp_path / 'a.avi', list(noise))
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[third : third + 6000] = bytes(6000)
    path.write_bytes(data)
    found = list(VideoFile(path).pictures())
    assert 8 < len(found) <= 20
    stamps = [picture.stamp_ns for picture in found]
    assert stamps[0] == 0 and sorted(set(stamps)) == stamps


@pytest.fixture
def camera():
    """Open cameras that are closed with the test."""
    opened = []

    def open_camera(device, **options):
        opened.append(CameraDevice(str(device), retry_s=0.05, **options))
        return opened[-1]

    yield open_camera
    for each in opened:
        each.close()
        assert not each._thread.is_alive()


def test_the_newest_picture_is_given_and_older_ones_are_dropped(tmp_path, camera):
    device = camera(write_film(tmp_path / 'a.avi', pictures(40)))
    until(lambda: device.counters['losses'])  # it has been read to its end
    before = device.counters['dropped']
    picture = device.read(1.0)
    assert before >= 39 and picture is not None
    assert picture.image.shape == (120, 160, 3) and picture.image[:, 120:].mean() > 220


def test_a_camera_that_was_lost_is_opened_again(tmp_path, camera):
    path = write_film(tmp_path / 'a.avi', pictures(5))
    device = camera(path)
    assert device.read(PATIENCE_S) is not None
    away = path.rename(tmp_path / 'away.avi')  # unplugged
    until(lambda: 'does not exist' in device.trouble)
    until(lambda: device.counters['failed_opens'] >= 2)
    while device.read(0.0) is not None:
        pass
    opens = device.counters['opens']
    away.rename(path)  # plugged in again
    assert device.read(PATIENCE_S) is not None
    assert device.counters['opens'] > opens


def test_stamps_are_the_time_of_capture(tmp_path, camera):
    begin_ns = time.time_ns()
    picture = camera(write_film(tmp_path / 'a.avi', pictures(5))).read(PATIENCE_S)
    assert begin_ns <= picture.stamp_ns <= time.time_ns()
    fixed = camera(tmp_path / 'a.avi', clock=lambda: 42).read(PATIENCE_S)
    assert fixed.stamp_ns == 42


@pytest.mark.parametrize('device', ['87', '/dev/video87'])
def test_a_camera_that_is_not_there_is_named(camera, device):
    missing = camera(device)
    until(lambda: missing.trouble)
    assert missing.trouble.startswith(f'camera {device}: ') and 'video87' in missing.trouble
    assert missing.read(0.0) is None


def test_what_is_no_camera_is_said_to_be_none(tmp_path, camera):
    path = tmp_path / 'a.txt'
    path.write_text('no camera')
    device = camera(path)
    until(lambda: device.trouble)
    assert 'cannot be opened: it is no camera, or another program uses it' in device.trouble


def test_a_film_of_an_upright_phone_is_turned(tmp_path):
    image = np.zeros((96, 160, 3), np.uint8)
    image[:48, :80] = 255
    path = write_film(tmp_path / 'a.mp4', [image] * 3)
    data = bytearray(path.read_bytes())
    # The matrix of the track header: shown turned clockwise by a quarter.
    begin = data.index(b'tkhd') + 44
    data[begin : begin + 36] = struct.pack('>9i', 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    video = VideoFile(path)
    assert (video.width, video.height) == (96, 160)
    shown = next(video.pictures()).image
    assert shown[:80, 48:].mean() > 240
    assert shown[:80, :40].mean() < 10 and shown[88:].mean() < 10
