# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen track`, from a film to a CSV that the other commands read."""

import numpy as np
import pytest
from films import write_film
from rendered_head import rotation

from robot_face_gen.camera.geometry import CameraModel
from robot_face_gen.cli import main
from robot_face_gen.features.openface import read_openface_csv
from robot_face_gen.layout import AU, RY

CAMERA = CameraModel.guess(320, 240)
EMPTY = np.full((240, 320, 3), 127, np.uint8)


@pytest.fixture(scope='module')
def film(face_networks, head, tmp_path_factory):
    """Two seconds: a head turns and blinks; in the middle it is away for five pictures."""
    images = []
    for i in range(50):
        turn = rotation(yaw=0.3 * np.sin(i / 25 * np.pi))
        blink = float(i in (9, 10, 11, 39, 40, 41))
        image = head.draw(turn, np.array((0.0, 0.0, 0.55)), CAMERA, 320, 240, blink=blink)
        images.append(EMPTY if 22 <= i < 27 else image)
    return write_film(tmp_path_factory.mktemp('film') / 'head.mp4', images)


def test_a_film_becomes_a_csv_that_the_reader_reads(film, tmp_path, capsys):
    out = tmp_path / 'face.csv'
    assert main(['track', str(film), str(out)]) == 0
    assert f'{out}: 50 frames, 45 with a face' in capsys.readouterr().out
    track = read_openface_csv(out)
    assert len(track.frames) == 50 and track.rate_hz == pytest.approx(25.0)
    assert track.frames[0].stamp_ns == 0
    # Columns without any value are not in the file: one line, however many frames there are.
    assert track.report.missing.startswith('not in the file: action units AU06_r, AU09_r, AU14_r')
    assert track.report.problems == {}
    valid = np.array([frame.is_valid() for frame in track.frames])
    assert (np.flatnonzero(~valid) == np.arange(22, 27)).all()
    yaw = np.array([frame.pose[RY] for frame in track.frames])[valid]
    truth = 0.3 * np.sin(np.arange(50) / 25 * np.pi)[valid]
    assert np.corrcoef(yaw, truth)[0, 1] > 0.98
    blink = np.array([frame.au[AU['AU45']] for frame in track.frames])
    assert min(blink[9:12].max(), blink[39:42].max()) > 1.0
    open_eyes = np.delete(blink, [*range(8, 14), *range(22, 27), *range(38, 44)])
    assert open_eyes.max() < 0.7


def test_the_csv_is_named_after_the_film(film, tmp_path, monkeypatch):
    copy = tmp_path / 'clip.mp4'
    copy.write_bytes(film.read_bytes())
    assert main(['track', str(copy), '--duration', '0.2']) == 0
    assert len(read_openface_csv(tmp_path / 'clip.csv').frames) == 5


def test_a_film_without_a_face(face_networks, tmp_path, capsys):
    film = write_film(tmp_path / 'empty.mp4', [EMPTY] * 3)
    assert main(['track', str(film)]) == 3
    assert '3 frames, 0 with a face' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'complaint'),
    [(['{film}', '{film}'], 'is the film itself'),
     (['{film}', '--field-of-view', '200'], '--field-of-view 200.0: expected 0 to 180'),
     (['{film}', '--duration', '0'], '--duration 0.0: expected above 0'),
     (['/none.mp4'], 'none.mp4')],
)  # fmt: skip
def test_errors_are_one_line(film, words, complaint, capsys):
    assert main(['track', *(word.replace('{film}', str(film)) for word in words)]) == 2
    error = capsys.readouterr().err
    assert complaint in error and error.count('\n') == 1


def test_a_missing_model_file_leaves_nothing_behind(film, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert main(['track', str(film), str(tmp_path / 'face.csv')]) == 2
    assert 'run `robot-face-gen models get face-landmarker` once' in capsys.readouterr().err
    assert not (tmp_path / 'face.csv').exists()
