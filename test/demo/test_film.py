# SPDX-License-Identifier: Apache-2.0
"""What is left of a run's pictures."""

from pathlib import Path

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
