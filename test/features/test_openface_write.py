# SPDX-License-Identifier: Apache-2.0
"""Writing OpenFace files: what is written is read back, whole or row by row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.features.openface import FaceFrame, read_openface_csv
from robot_face_gen.features.openface_follow import OpenFaceFollower
from robot_face_gen.features.openface_write import (
    OpenFaceWriter,
    reaction_frame,
    write_openface_csv,
)


def some_frame(stamp_ns, generator):
    return FaceFrame(
        stamp_ns,
        0.9,
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
    for frame in frames[::3]:
        frame.gaze[0] = frame.au[3] = np.nan
        frame.landmarks[:] = np.nan
    path = tmp_path_factory.mktemp('round') / 'out.csv'
    write_openface_csv(path, frames)
    track = read_openface_csv(path)
    assert set(track.report.problems) <= {
        f'{name}: a value is missing' for name in ('landmarks', 'action units', 'gaze')
    }
    rows = path.read_text().splitlines()[1:]
    assert [int(row.split(',')[0]) for row in rows] == list(range(1, count + 1))
    for mine, theirs in zip(frames, track.frames, strict=True):
        assert abs(mine.stamp_ns - theirs.stamp_ns) < 1000
        assert mine.success == theirs.success
        for name in ('landmarks', 'au', 'pose', 'gaze'):
            assert getattr(theirs, name) == pytest.approx(
                getattr(mine, name), abs=1e-4, nan_ok=True
            )


def test_writer_flushes_each_row_for_a_follower(tmp_path):
    path, generator = tmp_path / 'live.csv', np.random.default_rng(0)
    follower = OpenFaceFollower(path)
    with OpenFaceWriter(path, flush=True) as writer:
        for i in range(3):
            writer.write(some_frame(i * 40_000_000, generator))
            # The first frame waits for the second: only then is the unit of time known.
            assert len(follower.poll()) == (0, 2, 1)[i]


def test_a_reaction_is_written_in_pixels_of_the_crop(tmp_path):
    face = {
        'landmarks': np.linspace(0, 1, 136), 'au': np.zeros(18), 'pose': [0, 0, 0, 0.5],
        'gaze': [0.1, 0],
    }  # fmt: skip
    path = tmp_path / 'reaction.csv'
    write_openface_csv(path, [reaction_frame(face, 5_000_000_000)])
    frame = read_openface_csv(path).frames[0]
    assert (frame.stamp_ns, frame.success, frame.confidence) == (0, True, 1.0)
    assert frame.landmarks == pytest.approx(224 * np.linspace(0, 1, 136), abs=1e-3)
    assert frame.pose[3] == 0.5
    assert ',500.000,' in path.read_text()  # millimetres
