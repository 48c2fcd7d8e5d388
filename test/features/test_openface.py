# SPDX-License-Identifier: Apache-2.0
"""OpenFace files in every variant and every bad shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openface_files import ANGLES, GAZE, VARIANTS, text_of, value

from robot_face_gen.features.openface import OpenFaceError, read_openface_csv
from robot_face_gen.features.openface_columns import AU_COLUMNS, LANDMARK_COLUMNS


def read(tmp_path, text, name='face.csv'):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_openface_csv(path)


@pytest.mark.parametrize('separator', [', ', ','])
@pytest.mark.parametrize('columns', VARIANTS)
def test_every_variant_by_name(tmp_path, columns, separator):
    names = VARIANTS[columns]
    if isinstance(columns, int):
        assert len(names) == columns
    shuffled = [names[i] for i in np.random.default_rng(1).permutation(len(names))]
    for order in (names, shuffled):
        track = read(tmp_path, text_of(order, separator=separator))
        assert track.problems == []
        assert track.rate_hz == 25.0
        frame = track.frames[2]
        assert frame.stamp_ns == 80_000_000
        assert frame.success
        assert frame.confidence == 0.95
        assert frame.au == pytest.approx([value(n, 2) for n in AU_COLUMNS])
        assert frame.pose == pytest.approx(
            [
                value('pose_Rx', 2),
                value('pose_Ry', 2),
                value('pose_Rz', 2),
                value('pose_Tz', 2) / 1000,
            ]
        )
        if columns == 'no 2-D':
            assert frame.landmarks[3] == pytest.approx(value('X_3', 2) + 320)
            assert frame.landmarks[68] == pytest.approx(value('Y_0', 2) + 240)
        else:
            assert frame.landmarks == pytest.approx([value(n, 2) for n in LANDMARK_COLUMNS])
        if columns == 431:
            mean = {a: (value(f'gaze_0_{a}', 2) + value(f'gaze_1_{a}', 2)) / 2 for a in 'xyz'}
            assert frame.gaze == pytest.approx(
                [np.arctan2(mean['x'], -mean['z']), np.arctan2(mean['y'], -mean['z'])]
            )
        else:
            assert frame.gaze == pytest.approx([value(n, 2) for n in ANGLES])


def test_a_row_that_is_cut_off_is_told_and_left_out(tmp_path):
    text = text_of(VARIANTS[714])
    track = read(tmp_path, text[:-400])
    assert len(track.frames) == 2
    assert track.problems == ['line 4: the last row is cut off; it is left out']


def test_bad_cells_make_a_frame_unbelieved_and_are_named(tmp_path):
    def change(frame):
        return {1: {'AU12_r': 'abc'}, 2: {'x_7': 'nan'}}.get(frame)

    track = read(tmp_path, text_of(VARIANTS[714], 4, change=change))
    assert [f.success for f in track.frames] == [True, False, False, True]
    assert [f.confidence for f in track.frames] == [0.95, 0.0, 0.0, 0.95]
    assert all(np.isfinite(f.landmarks).all() and np.isfinite(f.au).all() for f in track.frames)
    assert "line 3, column AU12_r: 'abc': expected a finite number" in track.problems[0]
    assert "line 4, column x_7: 'nan': expected a finite number" in track.problems[1]
    assert '2 frames hold cells' in track.problems[2]


def test_what_is_not_used_does_not_spoil_a_frame(tmp_path):
    text = text_of(VARIANTS[714], change=lambda f: {'frame': 'a.png', 'p_rx': 'nan'})
    track = read(tmp_path, text)
    assert all(f.success for f in track.frames)


def test_numbers_that_no_float32_holds_are_no_numbers(tmp_path):
    track = read(tmp_path, text_of(VARIANTS[714], change=lambda f: {'Y_0': 1e39, 'y_0': -1e39}))
    assert not any(f.success for f in track.frames)
    assert all(f.is_finite() for f in track.frames)
    assert "line 2, column y_0: '-1e+39'" in track.problems[0]


def test_many_bad_cells_are_told_in_few_lines(tmp_path):
    track = read(tmp_path, text_of(VARIANTS[714], 20, change=lambda f: {'AU01_r': '?'}))
    assert len(track.problems) == 7
    assert track.problems[5] == '15 more cells are no finite numbers'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'is empty'),
        ('\n\n', 'is empty'),
        (', '.join(VARIANTS[714]) + '\n', 'holds a header and no whole row'),
        (b'\x89PNG\r\n\x1a\n\x00\xff', 'no OpenFace CSV: no text at byte 0'),
        (b'abc\0def', 'no OpenFace CSV: it holds binary data'),
        ('time,x,y\n1,2,3\n', 'no OpenFace CSV: its header lacks timestamp, confidence'),
        (
            text_of([n for n in VARIANTS[714] if n not in ('AU12_r', 'pose_Rx')]),
            r'columns are missing: pose_Rx, AU12_r$',
        ),
        (
            text_of([n for n in VARIANTS[714] if n[:2] not in ('x_', 'X_')]),
            'columns are missing: x_0, ',
        ),
    ],
)
def test_what_is_no_usable_file_says_why_in_one_line(tmp_path, text, message):
    with pytest.raises(OpenFaceError, match=message) as error:
        read(tmp_path, text, 'odd.csv')
    assert str(tmp_path / 'odd.csv') in str(error.value)
    assert '\n' not in str(error.value)


def test_small_deviations_do_not_matter(tmp_path):
    text = text_of(VARIANTS[714])
    plain = read(tmp_path, text)
    for odd in (
        '\ufeff' + text,
        text.replace('\n', '\r\n'),
        text.replace('\n', '\n\n'),
        text.replace('\n', ',\n'),
        text.rstrip('\n'),
    ):
        track = read(tmp_path, odd)
        assert track.problems == []
        assert len(track.frames) == 3
        assert (track.frames[1].landmarks == plain.frames[1].landmarks).all()


def test_several_faces_and_times_that_go_back(tmp_path):
    def change(frame):
        # Two faces in each picture; the second one is seen more often.
        return {
            'face_id': frame % 2,
            'timestamp': frame // 2 * 0.04,
            'success': int(frame % 2 or frame > 4),
            'frame': frame // 2 + 1,
        }

    track = read(tmp_path, text_of(VARIANTS[714], 8, change=change))
    assert len(track.frames) == 4
    assert all(f.success for f in track.frames)
    assert '2 faces: face_id 1 is taken, it is seen in 4 frames' in track.problems[0]


@pytest.mark.parametrize(
    ('times', 'kept'),
    [
        ([0, 0.04, 0.02, 0.04, 0.08, 0.12], [0, 0.02, 0.04, 0.08, 0.12]),
        ([0, 0.04, 0.04, 0.08], [0, 0.04, 0.08]),  # written twice
        ([0, 0.04, 99999, 0.12, 0.16], [0, 0.04, 0.12, 0.16]),  # what follows is not lost
        (['x', 0.04, 0.08], [0.04, 0.08]),
        ([0, 0.04, 0.08, 0, 0.04], [0, 0.04, 0.08]),  # no folder of pictures: times fall back
        ([0, 0, 0.04, 0.04], [0, 0.04]),
    ],
)
def test_as_few_rows_as_possible_are_left_out_so_that_times_grow(tmp_path, times, kept):
    text = text_of(VARIANTS[714], len(times), change=lambda f: {'timestamp': times[f]})
    track = read(tmp_path, text)
    assert [f.stamp_ns / 1e9 for f in track.frames] == kept
    count = len(times) - len(kept)
    assert f'{count} rows whose timestamp does not grow are left out' == track.problems[-1]


@given(times=st.lists(st.integers(0, 12), min_size=1, max_size=9))
@settings(deadline=None, max_examples=30)
def test_no_other_choice_of_rows_keeps_more(tmp_path_factory, times):
    path = tmp_path_factory.mktemp('times') / 'odd.csv'
    names = VARIANTS['no 2-D']
    path.write_text(text_of(names, len(times), change=lambda f: {'timestamp': 1 + times[f]}))
    stamps = [f.stamp_ns / 1e9 for f in read_openface_csv(path).frames]
    longest = max(
        sum(1 for _ in chosen)
        for bits in range(1, 2 ** len(times))
        if (chosen := [t for i, t in enumerate(times) if bits >> i & 1]) == sorted(set(chosen))
    )
    assert len(stamps) == longest
    assert stamps == sorted(set(stamps))


@pytest.mark.parametrize('rate', [25, 29.97, 30, 60])
def test_rate_from_times_in_whole_milliseconds(tmp_path, rate):
    def change(frame):
        return {'timestamp': f'{(frame + 20 * (frame > 50)) / rate:.3f}'}  # with a gap

    track = read(tmp_path, text_of(VARIANTS['no 2-D'], 100, change=change))
    assert track.rate_hz == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize('separator', [';', '\t'])
def test_another_separator_is_named(tmp_path, separator):
    with pytest.raises(OpenFaceError, match='expected commas') as error:
        read(tmp_path, text_of(VARIANTS[714], 3, separator=separator))
    assert repr(separator) in str(error.value)


def test_times_in_milliseconds_are_told_of(tmp_path):
    track = read(tmp_path, text_of(VARIANTS[714], 5, change=lambda f: {'timestamp': f * 40}))
    assert track.problems == ['40 s from frame to frame: `timestamp` is expected in seconds']


def test_a_folder_of_pictures_has_no_times(tmp_path):
    """OpenFace 2 writes 0.000 in each row then; the frame's number counts from 1."""
    track = read(tmp_path, text_of(VARIANTS[714], 9, change=lambda f: {'timestamp': '0.000'}))
    assert [f.stamp_ns for f in track.frames] == [round(i / 30 * 1e9) for i in range(9)]
    assert track.rate_hz == 30.0
    assert track.problems == [
        '8 rows have no time (OpenFace saw a folder of pictures): 30 frames a second are taken'
    ]


def test_eyes_that_were_not_seen_look_ahead(tmp_path):
    """Where OpenFace loses the face, it writes zeros as directions of the gaze."""
    text = text_of(VARIANTS[431], change=lambda f: {**dict.fromkeys(GAZE, 0), 'success': 0})
    assert (np.stack([f.gaze for f in read(tmp_path, text).frames]) == 0.0).all()


def test_a_real_recording(real_recordings):
    track = read_openface_csv(real_recordings.openface)
    assert len(track.frames) == 490
    assert track.rate_hz == 25.0
    assert track.problems == []
    assert 0.27 < track.frames[0].pose[3] < 0.34  # metres
    landmarks = np.stack([f.landmarks for f in track.frames])
    assert (landmarks[:, 68 + 8] > landmarks[:, 68 + 27]).all()  # the chin is below the nose
