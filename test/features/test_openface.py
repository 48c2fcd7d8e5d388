"""OpenFace files in every variant and every bad shape."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.features.openface import FaceFrame, OpenFaceError, read_openface_csv
from robot_face_gen.features.openface_columns import AU_COLUMNS, LANDMARK_COLUMNS
from robot_face_gen.features.openface_follow import OpenFaceFollower
from robot_face_gen.features.openface_write import OpenFaceWriter, write_openface_csv

EYES = [f'eye_lmk_{a}_{i}' for a in 'xyXYZ' for i in range(56)]
GAZE = [f'gaze_{e}_{a}' for e in (0, 1) for a in 'xyz']
ANGLES = ['gaze_angle_x', 'gaze_angle_y']
POSE = [f'pose_{k}{a}' for k in 'TR' for a in 'xyz']
SPACE = [f'{a}_{i}' for a in 'XYZ' for i in range(68)]
SHAPE = [f'p_{n}' for n in ('scale', 'rx', 'ry', 'rz', 'tx', 'ty')] + [f'p_{i}' for i in range(34)]
PRESENCE = [c.replace('_r', '_c') for c in AU_COLUMNS[:-1]]
AUS = [*AU_COLUMNS[:-1], *PRESENCE[:16], 'AU28_c', PRESENCE[16]]
HEAD = ['frame', 'face_id', 'timestamp', 'confidence', 'success']
VARIANTS = {
    714: [*HEAD, *GAZE, *ANGLES, *EYES, *POSE, *LANDMARK_COLUMNS, *SPACE, *SHAPE, *AUS],
    713: [
        'frame',
        *HEAD[2:],
        *GAZE,
        *ANGLES,
        *EYES,
        *POSE,
        *LANDMARK_COLUMNS,
        *SPACE,
        *SHAPE,
        *AUS,
    ],
    431: ['frame', *HEAD[2:], *GAZE, *POSE, *LANDMARK_COLUMNS, *SPACE, *SHAPE, *AUS],
    'no 2-D': [*HEAD, *GAZE, *ANGLES, *POSE, *SPACE, *AUS],
}


def value(name, frame):
    """A number that tells its column and frame apart from all others."""
    if name in ('frame', 'face_id', 'timestamp', 'confidence', 'success'):
        return {
            'frame': frame + 1,
            'face_id': 0,
            'timestamp': frame * 0.04,
            'confidence': 0.95,
            'success': 1,
        }[name]
    if name.startswith('Z_'):
        return 500.0
    seed = sum(ord(c) * 31**i for i, c in enumerate(name)) % 997
    return round(seed / 100 + frame * 0.01, 4)


def text_of(names, frames=3, separator=', ', change=None, rows=None):
    out = io.StringIO()
    out.write(separator.join(names) + '\n')
    for frame in range(frames):
        cells = {name: value(name, frame) for name in names}
        if change:
            cells.update(change(frame) or {})
        out.write(separator.join(str(cells[name]) for name in names) + '\n')
    return out.getvalue()


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
    assert "line 3, column AU12_r: 'abc': expected a number" in track.problems[0]
    assert '2 frames hold cells' in track.problems[1]


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
    track = read(
        tmp_path,
        text_of(
            VARIANTS[714], 6, change=lambda f: {'timestamp': [0, 0.04, 0.02, 0.04, 0.08, 0.12][f]}
        ),
    )
    assert [f.stamp_ns for f in track.frames] == [0, 40_000_000, 80_000_000, 120_000_000]
    assert '2 rows whose timestamp does not grow' in track.problems[0]


def some_frame(stamp_ns, generator):
    return FaceFrame(
        stamp_ns,
        0.5,
        bool(generator.integers(2)),
        0,
        0,
        generator.uniform(0, 640, 136).round(3).astype(np.float32),
        generator.uniform(0, 5, 18).round(2).astype(np.float32),
        generator.uniform(-1, 1, 4).round(4).astype(np.float32),
        generator.uniform(-1, 1, 2).round(4).astype(np.float32),
    )


@given(seed=st.integers(0, 1000), count=st.integers(1, 20))
@settings(deadline=None, max_examples=20)
def test_what_is_written_is_read_back(tmp_path_factory, seed, count):
    generator = np.random.default_rng(seed)
    frames = [some_frame(round(i * 1e9 / 30), generator) for i in range(count)]
    path = tmp_path_factory.mktemp('round') / 'out.csv'
    write_openface_csv(path, frames)
    track = read_openface_csv(path)
    assert track.problems == []
    for mine, theirs in zip(frames, track.frames, strict=True):
        assert abs(mine.stamp_ns - theirs.stamp_ns) < 1000
        assert mine.success == theirs.success
        for name in ('landmarks', 'au', 'pose', 'gaze'):
            assert getattr(theirs, name) == pytest.approx(getattr(mine, name), abs=1e-4)


@given(pieces=st.lists(st.integers(1, 9000), min_size=1, max_size=40))
@settings(deadline=None, max_examples=20)
def test_following_gives_every_row_once_whatever_the_pieces(tmp_path_factory, pieces):
    path = tmp_path_factory.mktemp('follow') / 'live.csv'
    follower = OpenFaceFollower(path)
    assert follower.poll() == []  # not there yet
    text, place, frames = text_of(VARIANTS[714], 8).encode(), 0, []
    with path.open('wb', buffering=0) as file:
        for size in [*pieces, len(text)]:
            file.write(text[place : place + size])
            place += size
            frames += follower.poll()
    assert [f.stamp_ns for f in frames] == [i * 40_000_000 for i in range(8)]
    assert follower.poll() == []


def test_following_a_file_that_begins_anew(tmp_path):
    path = tmp_path / 'live.csv'
    path.write_text(text_of(VARIANTS[714], 5))
    follower = OpenFaceFollower(path)
    assert len(follower.poll()) == 5
    path.write_text(text_of(VARIANTS[431], 2))  # another run, another version
    assert len(follower.poll()) == 2
    assert follower.restarts == 1
    path.unlink()
    assert follower.poll() == []
    path.write_text(text_of(VARIANTS[714], 3))
    assert len(follower.poll()) == 3


def test_following_goes_on_after_a_bad_row(tmp_path):
    path = tmp_path / 'live.csv'
    text = text_of(VARIANTS[714], 4).splitlines(keepends=True)
    path.write_text(''.join([*text[:2], 'rubbish\n', *text[2:]]))
    follower = OpenFaceFollower(path)
    assert len(follower.poll()) == 4
    assert follower.bad_rows == 1
    assert 'line 3: 1 columns, expected 714' in follower.problems[0]


def test_writer_flushes_each_row_for_a_follower(tmp_path):
    path, generator = tmp_path / 'live.csv', np.random.default_rng(0)
    follower = OpenFaceFollower(path)
    with OpenFaceWriter(path, flush=True) as writer:
        for i in range(3):
            writer.write(some_frame(i * 40_000_000, generator))
            assert len(follower.poll()) == 1


def test_a_real_recording(real_recordings):
    track = read_openface_csv(real_recordings.openface)
    assert len(track.frames) == 490
    assert track.rate_hz == 25.0
    assert track.problems == []
    assert 0.27 < track.frames[0].pose[3] < 0.34  # metres
    landmarks = np.stack([f.landmarks for f in track.frames])
    assert (landmarks[:, 68 + 8] > landmarks[:, 68 + 27]).all()  # the chin is below the nose
