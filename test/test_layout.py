# SPDX-License-Identifier: Apache-2.0
"""The shared constants fit each other and OpenFace's own header."""

from robot_face_gen import layout, timing
from robot_face_gen.facial_reaction_model import BRANCHES
from robot_face_gen.facial_reaction_model.config import EMBEDDINGS_PER_FRAME
from robot_face_gen.resources import demo_recording


def test_rates_and_periods():
    assert (timing.FRAME_RATE_HZ, timing.PERIOD_NS, timing.PERIOD_S) == (25, 40_000_000, 0.04)
    assert (timing.EMBEDDING_RATE_HZ, timing.EMBEDDING_NS) == (50, 20_000_000)
    assert timing.EMBEDDINGS_PER_FRAME == EMBEDDINGS_PER_FRAME == 2
    assert timing.CLIP_FRAMES == 750


def test_branches_and_columns():
    assert {'landmarks': 136, 'au': 18, 'pose': 4, 'gaze': 2} == layout.BRANCHES == BRANCHES
    assert layout.FACE_DIM == 160
    expected = {
        'landmarks': slice(0, 136),
        'au': slice(136, 154),
        'pose': slice(154, 158),
        'gaze': slice(158, 160),
    }
    assert expected == layout.BRANCH_SLICES
    assert layout.AU_COLUMNS[:2] == ('AU01_r', 'AU02_r')
    assert layout.AU_COLUMNS[-2:] == ('AU45_r', 'AU28_c')
    assert (layout.AU['AU12'], layout.AU['AU28']) == (8, 17)
    assert layout.POSE_COLUMNS[layout.RY] == 'pose_Ry'


def test_the_mask_has_one_flag_for_all_landmarks_and_one_for_each_other_value():
    assert layout.VALUE_MASK_WIDTH == 1 + 18 + 4 + 2
    expected = {
        'landmarks': slice(0, 1),
        'au': slice(1, 19),
        'pose': slice(19, 23),
        'gaze': slice(23, 25),
    }
    assert expected == layout.VALUE_MASK_SLICES
    assert layout.VALUE_LIMITS.keys() == layout.BRANCHES.keys()


def test_openface_writes_all_of_these_columns():
    csv_path, _ = demo_recording()
    with csv_path.open() as file:
        header = [name.strip() for name in file.readline().split(',')]
    for columns in layout.BRANCH_COLUMNS.values():
        assert set(columns) <= set(header)
