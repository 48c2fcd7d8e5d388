# SPDX-License-Identifier: Apache-2.0
"""The picture of the demo: bars, waveform and cursor."""

import numpy as np
from drawn_faces import make_face

from robot_face_gen.face.stage import SIZE, Stage, sheet, sound_columns


def test_waveform_shows_the_position_of_the_sound():
    sound = np.zeros(16000)
    sound[8000:] = 0.3
    columns = sound_columns(sound, 16000, 1.0)
    assert (columns[: len(columns) // 2 - 2] == 0).all()
    assert (columns[len(columns) // 2 + 2 :] == 1).all()
    longer = sound_columns(sound, 16000, 2.0)  # the face is longer than the voice
    assert (longer[len(longer) // 2 + 2 :] == 0).all()
    assert (sound_columns(np.zeros(0), 16000, 1.0) == 0).all()


def test_picture_changes_with_time_and_faces():
    stage = Stage(np.ones(1208), 10.0, 'title')
    calm, smile = make_face(), make_face(AU12=4.0)
    a = stage.draw(1.0, calm, True, calm, 50.0)
    assert a.shape == (SIZE[1], SIZE[0], 3)
    half = SIZE[0] // 2
    b = stage.draw(1.0, calm, True, smile, 50.0)
    assert (a[:540, : half - 10] == b[:540, : half - 10]).all()  # the speaker's side is the same
    assert (a[:540, half + 60 :] != b[:540, half + 60 :]).any()
    c = stage.draw(1.0, calm, False, calm, 50.0)
    assert (a[:540, : half - 80] != c[:540, : half - 80]).any()  # 'face not seen'
    late = stage.draw(9.0, calm, True, calm, 50.0)
    assert (a[560:] != late[560:]).any()
    assert (stage.draw(0.0, None, False, None, None) != a).any()


def test_sheet_shows_all_pictures():
    stage = Stage(np.ones(1208), 10.0, 'title')
    pictures = [stage.draw(float(t), None, False, None, None) for t in range(5)]
    page = sheet(pictures, columns=3, width=320)
    assert page.shape == (2 * 180, 3 * 320, 3)
