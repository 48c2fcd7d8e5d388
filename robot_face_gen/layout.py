# SPDX-License-Identifier: Apache-2.0
"""Names, widths and order of the values of a face, each defined once.

The order is the one of OpenFace's columns. `docs/` and the messages use the name `action_units`;
the key in arrays, prepared data and the model's API is `au`.
"""

from __future__ import annotations

from itertools import accumulate

# 17 intensities (0..5), then the one unit that OpenFace only classifies (0 or 1).
AU_NAMES = (
    'AU01', 'AU02', 'AU04', 'AU05', 'AU06', 'AU07', 'AU09', 'AU10', 'AU12', 'AU14', 'AU15',
    'AU17', 'AU20', 'AU23', 'AU25', 'AU26', 'AU45', 'AU28',
)  # fmt: skip
AU = {name: index for index, name in enumerate(AU_NAMES)}
INTENSITIES = len(AU_NAMES) - 1
LANDMARK_POINTS = 68
RX, RY, RZ, TZ = range(4)  # of the branch `pose`

# OpenFace's columns of each branch. Landmarks: all x, then all y.
LANDMARK_COLUMNS = tuple(f'{axis}_{i}' for axis in 'xy' for i in range(LANDMARK_POINTS))
AU_COLUMNS = (*(f'{name}_r' for name in AU_NAMES[:INTENSITIES]), f'{AU_NAMES[INTENSITIES]}_c')
POSE_COLUMNS = ('pose_Rx', 'pose_Ry', 'pose_Rz', 'pose_Tz')
GAZE_COLUMNS = ('gaze_angle_x', 'gaze_angle_y')

BRANCH_COLUMNS = {
    'landmarks': LANDMARK_COLUMNS,
    'au': AU_COLUMNS,
    'pose': POSE_COLUMNS,
    'gaze': GAZE_COLUMNS,
}
BRANCHES: dict[str, int] = {name: len(columns) for name, columns in BRANCH_COLUMNS.items()}
FACE_DIM = sum(BRANCHES.values())
# Columns of each branch where all branches are concatenated: (..., FACE_DIM).
BRANCH_SLICES = {
    name: slice(end - width, end)
    for (name, width), end in zip(BRANCHES.items(), accumulate(BRANCHES.values()), strict=True)
}

# Which values of a face are valid, as one array: a flag for all landmarks, which are valid
# together or not at all, then one for each action unit, pose and gaze value.
VALUE_MASK_WIDTH = 1 + FACE_DIM - BRANCHES['landmarks']
VALUE_MASK_SLICES = {
    name: slice(0, 1)
    if name == 'landmarks'
    else slice(columns.start - BRANCHES['landmarks'] + 1, columns.stop - BRANCHES['landmarks'] + 1)
    for name, columns in BRANCH_SLICES.items()
}

# A number beyond these is no landmark (pixels), intensity, angle (radians) or distance (metres).
VALUE_LIMITS = {'landmarks': 1e5, 'au': 20.0, 'pose': 100.0, 'gaze': 20.0}
