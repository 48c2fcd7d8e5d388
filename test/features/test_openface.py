# SPDX-License-Identifier: Apache-2.0
"""OpenFace files in every variant and every bad shape."""

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openface_files import ANGLES, AUS, GAZE, HEAD, POSE, VARIANTS, text_of, value

from robot_face_gen.features.openface import (
    OpenFaceError,
    OpenFaceFile,
    OpenFaceReader,
    read_openface_csv,
)
from robot_face_gen.features.openface_follow import OpenFaceFollower
from robot_face_gen.layout import AU_COLUMNS, LANDMARK_COLUMNS, VALUE_MASK_SLICES

TEXT = text_of(VARIANTS[714])


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


def test_a_row_that_is_cut_off_is_left_out(tmp_path):
    track = read(tmp_path, text_of(VARIANTS[714])[:-400])
    assert len(track.frames) == 2
    assert track.problems == ['1 row: the last row is cut off (line 4)']


def without(*prefixes, names=VARIANTS[714]):
    return [name for name in names if not name.startswith(prefixes)]


@pytest.mark.parametrize(
    ('names', 'missing', 'told'),
    [
        (
            without('x_', 'y_', 'X_', 'Y_', 'Z_'),
            ('landmarks',),
            r'landmarks \(FeatureExtraction -2Dfp\)',
        ),
        (without('gaze_'), ('gaze',), r'gaze \(FeatureExtraction -gaze\)'),
        (without('pose_'), ('pose',), r'head pose \(FeatureExtraction -pose\)'),
        (without('AU'), ('au',), r'action units \(FeatureExtraction -aus\)'),
        ([*HEAD, *AUS], ('landmarks', 'pose', 'gaze'), 'landmarks.*; head pose.*; gaze'),
        (['timestamp', 'AU12_r'], ('landmarks', 'pose', 'gaze'), 'action units AU01_r, AU02_r'),
        (without('x_7', 'X_'), ('landmarks',), r'landmarks x_7 \('),  # all or nothing
    ],
)
def test_a_missing_branch_is_nan_and_the_option_that_adds_it_is_named(
    tmp_path, names, missing, told
):
    track = read(tmp_path, text_of(names))
    assert len(track.frames) == 3 and track.report.valid == track.report.partly_valid == 3
    for frame in track.frames:
        assert frame.success and frame.is_valid() and not frame.mask.all()
        for branch in missing:
            assert np.isnan(getattr(frame, branch)).all()
        for branch in {'landmarks', 'au', 'pose', 'gaze'} - set(missing):
            assert frame.mask[VALUE_MASK_SLICES[branch]].any()
    assert len(track.problems) == 1 and re.search(told, track.problems[0])


def test_one_missing_action_unit_is_nan_alone(tmp_path):
    track = read(tmp_path, text_of(without('AU28_c')))
    assert np.isnan(track.frames[0].au).tolist() == 17 * [False] + [True]
    assert 'AU28_c' in track.problems[0]


@pytest.mark.parametrize(
    'cell', ['-nan(ind)', 'nan', '', 'NA', 'inf', '1.#IND', '-1.#QNAN', 'abc']
)
def test_a_bad_cell_costs_that_value_alone(tmp_path, cell):
    def change(frame):
        return {'gaze_angle_x': cell} if frame == 1 else {}

    track = read(tmp_path, text_of(VARIANTS[714], 4, change=change))
    assert all(frame.success and frame.is_valid() for frame in track.frames)
    assert [int(frame.mask.sum()) for frame in track.frames] == [25, 24, 25, 25]
    assert np.isnan(track.frames[1].gaze).tolist() == [True, False]
    kind = 'not a number' if cell == 'abc' else 'missing'
    assert track.problems == [
        f'1 row: gaze: a value is {kind} (line 3, column gaze_angle_x: {cell!r})'
    ]


def test_one_bad_landmark_makes_all_of_that_frame_missing(tmp_path):
    track = read(
        tmp_path, text_of(VARIANTS[714], change=lambda f: {'x_7': 'nan'} if f == 1 else {})
    )
    assert [frame.mask[0] for frame in track.frames] == [True, False, True]
    assert np.isnan(track.frames[1].landmarks).all()
    assert track.frames[1].mask[1:].all()


def test_the_three_most_frequent_problems_are_counted(tmp_path):
    def change(frame):
        cells = {'AU12_r': '?'} if frame < 20 else {}
        cells |= {'x_7': 'nan'} if frame < 10 else {}
        cells |= {'pose_Rx': 1e9} if frame < 5 else {}
        return cells | ({'gaze_angle_y': 'oh'} if frame == 7 else {})

    track = read(tmp_path, text_of(VARIANTS[714], 30, change=change))
    assert track.problems == [
        "20 rows: action units: a value is not a number (first: line 2, column AU12_r: '?')",
        "10 rows: landmarks: a value is missing (first: line 2, column x_7: 'nan')",
        '5 rows: head pose: a value is beyond 100 (first: line 2, column pose_Rx: 1e+09)',
        '1 more kinds of problems',
    ]
    report = track.report
    assert (report.rows, report.frames, report.valid, report.partly_valid) == (30, 30, 30, 20)


def test_columns_that_are_not_used_may_hold_anything(tmp_path):
    text = text_of(VARIANTS[714], change=lambda f: {'eye_lmk_x_3': 'a.png', 'p_rx': 'nan'})
    track = read(tmp_path, text)
    assert track.problems == [] and all(frame.mask.all() for frame in track.frames)


@pytest.mark.parametrize('cell', [1e39, -1e39, 3e5])
def test_an_impossibly_large_number_is_missing(tmp_path, cell):
    track = read(tmp_path, text_of(VARIANTS[714], change=lambda f: {'y_0': cell}))
    assert not any(frame.mask[0] for frame in track.frames)
    assert all(frame.mask[1:].all() for frame in track.frames)
    assert 'landmarks: a value is beyond 100000 (first: line 2, column y_0: ' in track.problems[0]


def test_what_a_tracker_writes_without_a_face_is_no_problem(tmp_path):
    lost = {'success': 0, 'confidence': 0, 'pose_Tz': 28614018.0, 'gaze_angle_x': '-nan(ind)'}
    track = read(tmp_path, text_of(VARIANTS[714], change=lambda f: lost if f == 1 else {}))
    assert track.problems == [] and track.report.valid == len(track.frames) - 1
    assert np.isnan(track.frames[1].pose[3]) and np.isnan(track.frames[1].gaze[0])


def test_success_in_words_and_missing_confidence(tmp_path):
    def change(frame):
        return [{'success': 'True'}, {'success': 'False'}, {'success': '', 'confidence': 0.2},
                {'confidence': ''}][frame]  # fmt: skip

    track = read(tmp_path, text_of(VARIANTS[714], 4, change=change))
    assert [frame.success for frame in track.frames] == [True, False, False, True]
    assert [frame.confidence for frame in track.frames] == [0.95, 0.95, 0.2, 1.0]


def test_a_face_that_was_never_found_is_reported(tmp_path):
    track = read(tmp_path, text_of(VARIANTS[714], change=lambda f: {'success': 0}))
    assert (track.report.frames, track.report.valid) == (3, 0)
    assert 'found no face with enough confidence in 3 frames' in track.problems[0]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'is empty'),
        ('\n\n', 'is empty'),
        (', '.join(VARIANTS[714]) + '\n', 'no usable row: nothing follows its header'),
        (', '.join(VARIANTS[714]) + '\n1, 2\n', 'no usable row: 1 row: a row without 714 cells'),
        (b'\x89PNG\r\n\x1a\n\x00\xff', 'it is a PNG image'),
        (b'PK\x03\x04' + bytes(99), 'it is a ZIP archive or an Excel workbook'),
        ('version https://git-lfs.github.com/spec/v1\noid 1\n', 'it is a git LFS pointer'),
        ('<!DOCTYPE html>\n<html></html>\n', 'it is a web page'),
        (b'abc\0def', 'it holds binary data'),
        (bytes(range(256)) * 9, 'it holds binary data'),
        (
            'time,x,y\n1,2,3\n',
            r'no column of landmarks, .* in its header \(time, x, y\): expected',
        ),
        ('face, confidence, AU12_r\n0, 1, 2\n', r'of single images \(FaceLandmarkImg\)'),
        ('AU12_r, pose_Rx\n0, 1\n', 'an OpenFace CSV without time'),
        (
            'timestamp\timage_path\tface_id\tface_detection\tlandmarks\temotion\tgaze_yaw\t'
            'gaze_pitch\taction_units\n1\ta.png\t0\t[1, 2]\t[3]\t2\t.1\t.2\t[0, 0]\n',
            'output of OpenFace 3, .*: expected the CSV of OpenFace 2',
        ),
        ('frame,FaceRectX,AU01\n1,2,3\n', 'output of Py-Feat'),
    ],
)
def test_what_is_not_a_usable_file_says_why_in_one_line(tmp_path, text, message):
    for attempt in (read_openface_csv, OpenFaceFile):
        path = tmp_path / 'odd.csv'
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(OpenFaceError, match=message) as error:
            attempt(path)
        assert str(path) in str(error.value)
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


SEMICOLONS = text_of(VARIANTS[714], separator=';')


@pytest.mark.parametrize(
    'odd',
    [
        SEMICOLONS,
        SEMICOLONS.replace('.', ','),
        'sep=;\n' + SEMICOLONS.replace('.', ','),
        text_of(VARIANTS[714], separator='\t'),
        '\n'.join('"' + line.replace(', ', '","') + '"' for line in TEXT.splitlines()) + '\n',
        '\n'.join('"' + line.replace(', ', '","').replace('.', ',') + '"'
                  for line in TEXT.splitlines()),
        TEXT.encode('utf-16'),
        TEXT.encode('utf-16-le'),
        TEXT.encode('utf-16-be'),
        TEXT.replace('\n', '\r'),
        'X.' + TEXT.replace(', ', ', X.', 713),  # as R renames columns
        ',' + TEXT.replace('\n', '\n0,').removesuffix('0,'),  # with the index of a data frame
    ],
    ids=['semicolons', 'decimal commas', 'sep=', 'tabs', 'quotes', 'quoted decimal commas',
         'UTF-16', 'UTF-16-LE', 'UTF-16-BE', 'carriage returns', 'R', 'index'],
)  # fmt: skip
def test_dialects_give_the_same_frames(tmp_path, odd):
    plain, track = read(tmp_path, TEXT), read(tmp_path, odd)
    assert track.problems == [] and track.report.rows == 3
    for mine, theirs in zip(track.frames, plain.frames, strict=True):
        assert mine.stamp_ns == theirs.stamp_ns and mine.success == theirs.success
        for branch in ('landmarks', 'au', 'pose', 'gaze'):
            assert np.array_equal(getattr(mine, branch), getattr(theirs, branch))


def test_decimal_commas_between_commas_are_refused_with_the_cause(tmp_path):
    rows = TEXT.splitlines()
    odd = '\n'.join([rows[0], *(row.replace(', ', ',').replace('.', ',') for row in rows[1:])])
    with pytest.raises(
        OpenFaceError, match=r'line 2 has \d+ cells, its header 714: decimal commas'
    ):
        read(tmp_path, odd)


@pytest.mark.parametrize(
    ('times', 'kept', 'lost'),
    [
        ([0, 0.04, 0.02, 0.06, 0.08], [0, 0.04, 0.06, 0.08], 1),
        ([0, 0.04, 0.04, 0.08], [0, 0.04, 0.08], 1),  # written twice
        ([0, 0.04, 99999, 0.12, 0.16], [0, 0.04, 0.12, 0.16], 1),
        ([99999, 0.04, 0.08], [0.04, 0.08], 1),
        (['nan', 0.04, 0.08], [0.04, 0.08], 1),
        ([-1, 0.04, 0.08], [0.04, 0.08], 1),
        ([0, 0.04, 60, 60.04], [0, 0.04, 60, 60.04], 0),  # a gap is confirmed by the next row
        ([0, 0, 0.04, 0.04], [0, 0.04], 2),
        ([3, 3.04], [3, 3.04], 0),  # the tracker saw the face late
        ([0, 40, 80], [0, 0.04, 0.08], 0),  # milliseconds
        ([120, 160, 200], [0.12, 0.16, 0.2], 0),
        ([0, 33333, 66667], [0, 0.033333, 0.066667], 0),  # microseconds
        ([1.7e9, 1.7e9 + 0.04], [0, 0.04], 0),  # since 1970
        ([1.7e12, 1.7e12 + 40], [0, 0.04], 0),
    ],
)
def test_one_time_base(tmp_path, times, kept, lost):
    text = text_of(VARIANTS[714], len(times), change=lambda f: {'timestamp': times[f]})
    track = read(tmp_path, text)
    assert [f.stamp_ns / 1e9 for f in track.frames] == pytest.approx(kept, abs=1e-6)
    assert track.report.bad_rows == lost


@given(times=st.lists(st.integers(0, 12), min_size=1, max_size=9))
@settings(deadline=None, max_examples=30)
def test_times_grow_and_are_the_times_of_rows(tmp_path_factory, times):
    path = tmp_path_factory.mktemp('times') / 'odd.csv'
    names = VARIANTS['no 2-D']
    path.write_text(text_of(names, len(times), change=lambda f: {'timestamp': 1 + times[f] / 4}))
    stamps = [f.stamp_ns / 25e7 - 4 for f in read_openface_csv(path).frames]
    assert stamps == sorted(set(stamps)) and set(stamps) <= set(times)
    if times == sorted(set(times)):
        assert stamps == times


def test_two_recordings_in_one_file_end_at_the_second(tmp_path):
    """Rows sorted by person, for example: the second person's times start again."""
    rows = text_of(VARIANTS['no 2-D'], 40).splitlines(keepends=True)
    track = read(tmp_path, ''.join(rows + rows[1:]))
    assert [f.stamp_ns for f in track.frames] == [i * 40_000_000 for i in range(40)]
    assert any('the timestamps start again' in problem for problem in track.problems)


def test_nothing_is_read_after_the_end_or_an_error():
    header, *rows = text_of(VARIANTS['no 2-D'], 40).encode().splitlines(keepends=True)
    reader = OpenFaceReader('face.csv')
    assert reader.push(header + b''.join(rows)) and not reader.ended
    assert reader.push(b''.join(rows)) == [] and reader.ended
    assert reader.push(b'anything\n') == []
    assert reader.report.frames == 40
    reader = OpenFaceReader('face.csv')
    with pytest.raises(OpenFaceError, match=r'face\.csv: no OpenFace CSV'):
        reader.push(b'\x89PNG\r\n' + bytes(99) + b'\n')
    assert reader.ended and reader.push(header + rows[0]) == [] and reader.finish() == []


def test_the_length_of_a_file_whose_beginning_is_unusable(tmp_path):
    """It is longer than what is looked at of its beginning and of its end."""
    header, *rows = text_of(VARIANTS['no 2-D'], 60).splitlines(keepends=True)
    path = tmp_path / 'face.csv'
    path.write_text(header + 'x\n' * 200_000 + ''.join(rows) * 1 + 'x\n' * 80_000)
    file = OpenFaceFile(path)
    assert file.duration_s == pytest.approx(60 / 25) and file.rate_hz == 25.0


@pytest.mark.parametrize(
    ('begin', 'told'),
    [
        (0.0, []),
        (1.7e9, ['the timestamps count from 1970: the first frame is taken as time 0']),
        (99.0, ['the first row is at 99.00 s: time 0 is the beginning of the sound']),
    ],
)
def test_a_time_base_that_may_surprise_is_reported(tmp_path, begin, told):
    text = text_of(VARIANTS[714], 3, change=lambda f: {'timestamp': begin + f / 25})
    assert read(tmp_path, text).problems == told


@pytest.mark.parametrize(
    ('name', 'size', 'frames', 'told'),
    [
        ('pose_Rx', 12.0, 100, 'angles of up to 12: expected radians, not degrees'),
        ('pose_Tz', 0.61, 100, 'pose_Tz of at most 0.61: expected millimetres, not metres'),
        ('AU12_r', 0.61, 1000, 'no intensity above 0.61: expected 0 to 5, not 0 to 1'),
        ('AU12_r', 1.01, 1000, ''),
        ('AU12_r', 0.61, 999, ''),
        ('pose_Rx', 12.0, 99, ''),
        ('pose_Rx', 1.5, 100, ''),
        ('pose_Tz', 610.0, 100, ''),
    ],
)
def test_values_in_another_unit_are_reported(tmp_path, name, size, frames, told):
    usual = {**dict.fromkeys(AU_COLUMNS, 0.5), **dict.fromkeys(POSE, 0.1), 'pose_Tz': 700.0}

    def change(frame):
        lost = frame == 0  # a tracker without a face writes anything
        return {**usual, name: 50.0 if lost else size, 'success': int(not lost)}

    problems = read(
        tmp_path, text_of([*HEAD, *POSE, *AU_COLUMNS], frames + 1, change=change)
    ).problems
    assert [told in problem for problem in problems[1:]] == ([True] if told else [])


def two_people(ids=lambda frame, person: person, absent=(), frames=60):
    """Rows of two people, the first at 200 px and the second at 500 px; (frame, person) absent."""
    names, out = VARIANTS[714], []
    for frame in range(frames):
        for person in (0, 1):
            if (frame, person) in absent:
                continue
            cells = {name: value(name, frame) for name in names}
            cells |= {'face_id': ids(frame, person), 'pose_Rz': float(person)}
            for i in range(68):
                cells[f'x_{i}'] = 200 + 300 * person + i + 0.5 * frame
                cells[f'y_{i}'] = 200 + (i * 7) % 50
            out.append(', '.join(str(cells[name]) for name in names) + '\n')
    return ', '.join(names) + '\n' + ''.join(out)


def people(track):
    return [int(frame.pose[2]) for frame in track.frames]


@pytest.mark.parametrize(
    'ids',
    [
        lambda frame, person: person,
        lambda frame, person: person + frame // 10,
        lambda frame, person: (person + frame // 25) % 2,  # swapped
        lambda frame, person: 0,
    ],
)
def test_a_person_is_followed_by_position(tmp_path, ids):
    track = read(tmp_path, two_people(ids))
    assert people(track) == 60 * [0]
    assert track.report.other_rows == 60


def test_rows_in_another_order_do_not_change_the_person(tmp_path):
    lines = two_people().splitlines(keepends=True)
    swapped = [line for pair in zip(lines[2::2], lines[1::2], strict=True) for line in pair]
    assert people(read(tmp_path, ''.join([lines[0], *swapped]))) == 60 * [1]  # the first row's


def test_another_person_is_followed_after_a_second(tmp_path):
    absent = {(frame, 0) for frame in range(10, 15)} | {(frame, 0) for frame in range(20, 60)}
    track = read(tmp_path, two_people(absent=absent))
    followed = people(track)
    assert followed[:15] == 15 * [0]  # the short absence is not filled with the other person
    assert set(followed[15:]) == {1} and 12 <= len(followed[15:]) <= 15


def test_one_face_needs_no_choice(tmp_path):
    """Whatever its id, and even if it jumps across the picture."""

    def change(frame):
        return {
            'face_id': frame // 3,
            **{f'x_{i}': 100 + 300 * (frame % 2) + i for i in range(68)},
        }

    track = read(tmp_path, text_of(VARIANTS[714], 40, change=change))
    assert len(track.frames) == 40 and track.report.other_rows == 0


def test_people_without_landmarks_are_told_apart_by_their_head_pose(tmp_path):
    names = [*HEAD, *POSE, *AUS]
    rows = [
        ', '.join(str({**{n: value(n, f) for n in names}, 'pose_Tx': 400 * p - 200, 'pose_Tz': 600,
                       'face_id': (p + f // 5) % 2, 'pose_Rz': p}[n]) for n in names)
        for f in range(30) for p in (0, 1)
    ]  # fmt: skip
    track = read(tmp_path, '\n'.join([', '.join(names), *rows]))
    assert people(track) == 30 * [0]


@pytest.mark.parametrize('rate', [25, 29.97, 30, 60])
def test_rate_from_times_in_whole_milliseconds(tmp_path, rate):
    def change(frame):
        return {'timestamp': f'{(frame + 20 * (frame > 50)) / rate:.3f}'}  # with a gap

    track = read(tmp_path, text_of(VARIANTS['no 2-D'], 100, change=change))
    assert track.rate_hz == pytest.approx(rate, rel=1e-3)


def test_a_folder_of_pictures_has_no_times(tmp_path):
    """OpenFace 2 writes 0.000 in each row then; the frame's number counts from 1."""
    track = read(tmp_path, text_of(VARIANTS[714], 9, change=lambda f: {'timestamp': '0.000'}))
    assert [f.stamp_ns for f in track.frames] == [round(i / 30 * 1e9) for i in range(9)]
    assert track.rate_hz == 30.0
    assert track.problems == [
        'all timestamps are 0 (a folder of pictures): 30 frames a second are assumed'
    ]


def test_without_a_column_of_times_the_frame_number_counts(tmp_path):
    track = read(tmp_path, text_of(without('timestamp')))
    assert [f.stamp_ns for f in track.frames] == [round(i / 30 * 1e9) for i in range(3)]
    assert track.problems == ['no column timestamp: 30 frames a second are assumed']


def test_eyes_that_were_not_seen_have_no_gaze(tmp_path):
    """Where OpenFace loses the face, it writes zeros as directions of the gaze."""
    text = text_of(VARIANTS[431], change=lambda f: dict.fromkeys(GAZE, 0) if f == 1 else {})
    assert [f.mask[-2:].all() for f in read(tmp_path, text).frames] == [True, False, True]


@given(pieces=st.lists(st.integers(1, 9000), min_size=1, max_size=30), odd=st.booleans())
@settings(deadline=None, max_examples=20)
def test_pieces_of_any_size_give_the_same_frames(tmp_path_factory, pieces, odd):
    """A file that is read while it is written gives what it gives as a recording."""
    ids = (lambda f, p: (p + f // 5) % 2) if odd else (lambda f, p: p)
    data = two_people(ids, absent={(f, 0) for f in range(8, 12)}, frames=20).encode()
    path = tmp_path_factory.mktemp('pieces') / 'face.csv'
    path.write_bytes(data)
    reader, frames, place = OpenFaceReader(path), [], 0
    for size in [*pieces, len(data)]:
        frames += reader.push(data[place : place + size])
        place += size
    frames += reader.finish()
    recorded = read_openface_csv(path)
    assert [f.stamp_ns for f in frames] == [f.stamp_ns for f in recorded.frames]
    for mine, theirs in zip(frames, recorded.frames, strict=True):
        assert np.array_equal(mine.landmarks, theirs.landmarks)
    assert reader.report.problems == recorded.report.problems


CELLS = st.one_of(
    st.sampled_from(['', 'nan', '-nan(ind)', '1e999', '1e300', '-1', '0', '1', 'True', '"', '",',
                     'x', '\0', '\ud800', '1,5', ';', '=']),
    st.floats().map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.text(max_size=4),
)  # fmt: skip


@given(
    rows=st.lists(st.lists(CELLS, min_size=0, max_size=9), max_size=8),
    names=st.permutations([*HEAD, 'AU12_r', 'pose_Rx', 'gaze_angle_x', 'pose_Tz']),
    separator=st.sampled_from([',', ';', '\t', ', ', ' ']),
)
@settings(deadline=None, max_examples=50)
def test_no_row_raises_anything_but_the_readers_own_error(
    tmp_path_factory, rows, names, separator
):
    text = '\n'.join(separator.join(row) for row in [names, *rows])
    check_any_bytes(tmp_path_factory, text.encode('utf-8', 'surrogatepass'))


@given(data=st.binary(max_size=300), at=st.integers(0, 3000), header=st.booleans())
@settings(deadline=None, max_examples=40)
def test_no_bytes_raise_anything_but_the_readers_own_error(tmp_path_factory, data, at, header):
    whole = text_of([*HEAD, 'AU12_r'], 5).encode() if header else b''
    check_any_bytes(tmp_path_factory, whole[:at] + data + whole[at:])


def check_any_bytes(tmp_path_factory, data):
    path = tmp_path_factory.mktemp('any') / 'face.csv'
    path.write_bytes(data)
    for read_any in (lambda: read_openface_csv(path).frames, lambda: OpenFaceFile(path).frames(),
                     lambda: follow_all(path)):  # fmt: skip
        try:
            frames = list(read_any())
        except OpenFaceError as error:
            assert '\n' not in str(error)
            continue
        for frame in frames:
            assert 0 <= frame.stamp_ns < 2**63 and 0 <= frame.confidence <= 1
            finite = frame.au[np.isfinite(frame.au)]
            assert not np.isinf(frame.au).any() and (np.abs(finite) <= 20).all()


def follow_all(path):
    follower = OpenFaceFollower(path)
    return follower.poll() + follower.poll()


def test_a_long_file_is_played_in_constant_memory(tmp_path):
    """The duration comes from the end of the file; frames are read as they are wanted."""
    path = tmp_path / 'long.csv'
    rows = text_of(VARIANTS['no 2-D'], 2).splitlines(keepends=True)
    cells = rows[2].split(', ')
    with path.open('w') as file:
        file.write(rows[0])
        for frame in range(4_000):
            file.write(', '.join([str(frame + 1), '0', f'{frame / 25:.3f}', *cells[3:]]))
    assert path.stat().st_size > 6e6
    tracemalloc.start()
    recording = OpenFaceFile(path)
    assert recording.duration_s == pytest.approx(160.0) and recording.rate_hz == 25.0
    assert sum(1 for _ in recording.frames()) == 4_000
    assert tracemalloc.get_traced_memory()[1] < 3e6
    tracemalloc.stop()


def test_a_real_recording(real_recordings):
    track = read_openface_csv(real_recordings.openface)
    assert len(track.frames) == 490
    assert track.rate_hz == 25.0
    assert track.problems == []
    assert 0.27 < track.frames[0].pose[3] < 0.34  # metres
    landmarks = np.stack([f.landmarks for f in track.frames])
    assert (landmarks[:, 68 + 8] > landmarks[:, 68 + 27]).all()  # the chin is below the nose
