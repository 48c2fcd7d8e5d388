# SPDX-License-Identifier: Apache-2.0
"""Following an OpenFace file that is still being written, by whatever pieces and accidents."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openface_files import VARIANTS, text_of

from robot_face_gen.features.openface import OpenFaceError, read_openface_csv
from robot_face_gen.features.openface_follow import OpenFaceFollower

NAMES = VARIANTS['no 2-D']
HEADER = text_of(NAMES, 0)


def row(frame, **cells):
    """One row of a file."""
    text = text_of(NAMES, frame + 1, change=lambda f: cells, first=frame)
    return text.splitlines(keepends=True)[-1]


def numbers(frames, rate=25):
    return [round(f.stamp_ns * rate / 1e9) for f in frames]


def follow(path, text):
    """Another piece of the file, and what came of it."""
    with path.open('a') as file:
        file.write(text)


@given(pieces=st.lists(st.integers(1, 9000), min_size=1, max_size=40))
@settings(deadline=None, max_examples=10)
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
    assert follower.report.bad_rows == 1
    assert follower.report.latest[0] == 'line 3: 1 cells: a row without 714 cells'


def written_again(path, follower, text, size=997):
    """As a program writes a file: from the beginning, piece by piece, while it is followed."""
    frames = []
    with path.open('wb', buffering=0) as file:
        for place in range(0, len(text), size):
            file.write(text[place : place + size].encode())
            frames += follower.poll()
    return frames


def test_what_is_written_a_second_time_is_not_given_twice(tmp_path):
    """FeatureExtraction does so at its end: the same rows with other action units."""
    path = tmp_path / 'live.csv'
    follower = OpenFaceFollower(path)
    text = text_of(NAMES, 20)
    better = text_of(NAMES, 22, change=lambda f: {'AU12_r': 1.11 + 0.01 * f})
    assert numbers(written_again(path, follower, text)) == list(range(20))
    assert numbers(written_again(path, follower, better)) == [20, 21]  # had not been read before
    assert (follower.rewrites, follower.restarts, follower.report.bad_rows) == (1, 1, 0)
    # The same video, tracked once more: another recording, though its rows are the same.
    assert numbers(written_again(path, follower, text)) == list(range(20))
    assert numbers(written_again(path, follower, better)) == [20, 21]
    assert (follower.rewrites, follower.restarts) == (2, 3)


def test_another_recording_is_given_from_its_beginning(tmp_path):
    path = tmp_path / 'live.csv'
    follower = OpenFaceFollower(path)
    assert numbers(written_again(path, follower, text_of(NAMES, 5))) == list(range(5))
    other = text_of(NAMES, 30, change=lambda f: {'X_0': 77, 'AU12_r': 2})
    assert numbers(written_again(path, follower, other)) == list(range(30))
    assert follower.rewrites == 0


def test_a_larger_file_in_the_place_of_another_is_noticed(tmp_path):
    """Between two looks, and with the same inode: only what it begins with tells."""
    path = tmp_path / 'live.csv'
    path.write_text(text_of(NAMES, 5))
    follower = OpenFaceFollower(path)
    assert len(follower.poll()) == 5
    inode = path.stat().st_ino
    path.write_text(text_of(NAMES, 30, change=lambda f: {'X_0': 77}))
    assert path.stat().st_ino == inode
    assert numbers(follower.poll()) == list(range(30))
    assert (follower.restarts, follower.report.bad_rows) == (1, 0)


def test_a_file_that_shrinks_begins_anew(tmp_path):
    """Even if what it begins with is the same."""
    path = tmp_path / 'live.csv'
    path.write_text(text_of(NAMES, 60))
    follower = OpenFaceFollower(path)
    assert len(follower.poll()) == 60
    path.write_text(text_of(NAMES, 40))
    assert path.stat().st_size > 2 * 16_384
    assert numbers(follower.poll()) == list(range(40))
    assert follower.restarts == 1


def test_a_file_that_is_replaced(tmp_path):
    path, other = tmp_path / 'live.csv', tmp_path / 'other.csv'
    path.write_text(text_of(NAMES, 5))
    follower = OpenFaceFollower(path)
    follower.poll()
    other.write_text(text_of(NAMES, 3))
    os.replace(other, path)
    assert numbers(follower.poll()) == [0, 1, 2]
    path.unlink()
    assert follower.poll() == follower.poll() == []
    assert follower.restarts == 2
    path.write_text(text_of(NAMES, 4))
    assert len(follower.poll()) == 4
    assert follower.restarts == 2  # told once


def test_one_face_of_several_is_followed_until_it_is_lost(tmp_path):
    path = tmp_path / 'live.csv'
    follower = OpenFaceFollower(path)
    rows = []
    for frame in range(100):
        if frame not in (7, 8) and frame < 30:  # two frames in which only the other is there
            rows.append(row(frame, face_id=0, X_0=-200))  # the larger face
        rows.append(row(frame, face_id=1, X_0=20))
    path.write_text(HEADER + ''.join(rows))
    frames = follower.poll()
    first = [f for f in frames if f.landmarks[0] < 200]
    assert numbers(first) == [i for i in range(30) if i not in (7, 8)]
    second = numbers(frames[len(first) :])
    assert second[0] in (54, 55)  # after a second
    assert second == list(range(second[0], 100))
    assert follower.report.other_rows == second[0]
    assert follower.report.bad_rows == 0


def test_one_time_that_is_far_ahead_does_not_stop_it(tmp_path):
    path = tmp_path / 'live.csv'
    follower = OpenFaceFollower(path)
    path.write_text(HEADER)
    seen = []
    for frame in range(80):
        with path.open('a') as file:
            file.write(row(frame, timestamp=1e5 if frame == 10 else frame / 25))
        seen += follower.poll()
    assert numbers(seen) == [frame for frame in range(80) if frame != 10]
    assert follower.report.bad_rows == 1


def test_a_tracker_that_starts_its_clock_again_is_followed(tmp_path):
    path = tmp_path / 'live.csv'
    follower = OpenFaceFollower(path)
    path.write_text(HEADER + ''.join(row(i, timestamp=(i + 500) / 25) for i in range(40)))
    assert numbers(follower.poll()) == list(range(500, 540))
    follow(path, ''.join(row(i) for i in range(40)))
    assert numbers(follower.poll()) == list(range(24, 40))
    assert follower.report.bad_rows == 24  # the 25th tells that the clock started again
    assert 'the timestamps start again' in follower.report.latest[-1]


def test_a_late_first_row_is_no_problem_of_a_live_tracker(tmp_path):
    """Its rows are stamped when they arrive."""
    path = tmp_path / 'live.csv'
    path.write_text(HEADER + ''.join(map(row, range(100, 110))))
    follower = OpenFaceFollower(path)
    assert len(follower.poll()) == 10
    assert not follower.report.problems


def test_a_first_row_without_time_does_not_stop_it(tmp_path):
    path = tmp_path / 'live.csv'
    follower = OpenFaceFollower(path)
    path.write_text(HEADER + row(0, timestamp='nan'))
    assert follower.poll() == []
    follow(path, ''.join(row(i) for i in range(1, 4)))
    assert numbers(follower.poll()) == [1, 2, 3]
    assert follower.report.bad_rows == 1


def test_a_followed_file_gives_the_frames_of_the_recorded_one(tmp_path):
    """Two people, changing ids, missing values, a late start: whatever the pieces."""

    def change(frame):
        return {'face_id': frame // 7, 'timestamp': 3 + frame // 2 / 25, 'frame': frame // 2 + 1,
                **({'AU12_r': '-nan(ind)', 'gaze_angle_x': ''} if frame % 3 else {}),
                **{f'x_{i}': 300 * (frame % 2) + (i * 13) % 100 for i in range(68)}}  # fmt: skip

    text = text_of(VARIANTS[714], 60, change=change)
    (tmp_path / 'recorded.csv').write_text(text)
    recorded = read_openface_csv(tmp_path / 'recorded.csv').frames
    follower = OpenFaceFollower(tmp_path / 'live.csv')
    frames = written_again(tmp_path / 'live.csv', follower, text, size=3001)
    # The last picture waits for the next one, to know whether it is complete.
    assert len(recorded) - 1 <= len(frames) and len(recorded) == 30
    for mine, theirs in zip(frames, recorded, strict=False):
        assert mine.stamp_ns == theirs.stamp_ns
        for name in ('landmarks', 'au', 'pose', 'gaze'):
            assert np.array_equal(getattr(mine, name), getattr(theirs, name), equal_nan=True)


def test_a_face_that_is_lost_when_the_clock_falls_back_is_let_go(tmp_path):
    path = tmp_path / 'live.csv'
    rows = [row(i, face_id=0, timestamp=200 + i / 25) for i in range(3)]
    rows += [row(i, face_id=1) for i in range(70)]
    path.write_text(HEADER + ''.join(rows))
    follower = OpenFaceFollower(path)
    assert numbers(follower.poll())[3:] == list(range(24, 70))
    assert follower.report.other_rows == 0


def test_a_folder_of_pictures_has_no_times(tmp_path):
    path = tmp_path / 'live.csv'
    path.write_text(text_of(NAMES, 9, change=lambda f: {'timestamp': '0.000'}))
    assert numbers(OpenFaceFollower(path).poll(), rate=30) == list(range(9))


def test_what_is_no_openface_file_says_so(tmp_path):
    path = tmp_path / 'live.csv'
    path.write_text('time,x,y\n1,2,3\n')
    follower = OpenFaceFollower(path)
    with pytest.raises(OpenFaceError, match='no OpenFace CSV: no column of landmarks'):
        follower.poll()
    follow(path, '3,4,5\n')
    assert follower.poll() == []  # told once, not for each row
    path.write_text(text_of(NAMES, 2))
    assert numbers(follower.poll()) == [0, 1]
    path.write_bytes(b'x' * (2 << 20))
    with pytest.raises(OpenFaceError, match='a line is longer than'):
        OpenFaceFollower(path).poll()


def test_a_look_at_a_long_file_costs_as_little_as_at_a_short_one(tmp_path):
    """What is read in a look is the new piece and the head, however long the file is."""
    path = tmp_path / 'live.csv'
    path.write_text(text_of(NAMES, 400))
    follower = OpenFaceFollower(path)
    assert len(follower.poll()) == 400
    read = []

    def counting(file):
        class File:
            def fileno(self):
                return file.fileno()

            def seek(self, place):
                return file.seek(place)

            def read(self, *size):
                data = file.read(*size)
                read.append(len(data))
                return data

        return original(File())

    original, follower._read = follower._read, counting
    new = row(400)
    follow(path, new)
    assert numbers(follower.poll()) == [400]
    assert sum(read) <= len(new) + 16_384
    read.clear()
    assert follower.poll() == []
    assert sum(read) == 0  # nothing has changed
