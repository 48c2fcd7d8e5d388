# SPDX-License-Identifier: Apache-2.0
"""Small OpenFace CSV files in every variant, for the tests."""

import io

from robot_face_gen.layout import AU_COLUMNS, LANDMARK_COLUMNS

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
        'frame', *HEAD[2:], *GAZE, *ANGLES, *EYES, *POSE, *LANDMARK_COLUMNS, *SPACE, *SHAPE, *AUS,
    ],
    431: ['frame', *HEAD[2:], *GAZE, *POSE, *LANDMARK_COLUMNS, *SPACE, *SHAPE, *AUS],
    'no 2-D': [*HEAD, *GAZE, *ANGLES, *POSE, *SPACE, *AUS],
}  # fmt: skip


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


def text_of(names, frames=3, separator=', ', change=None, first=0):
    """A file; `change(frame)` gives cells that differ from `value`; its first row has `first`."""
    out = io.StringIO()
    out.write(separator.join(names) + '\n')
    for frame in range(first, frames):
        cells = {name: value(name, frame) for name in names}
        if change:
            cells.update(change(frame) or {})
        out.write(separator.join(str(cells[name]) for name in names) + '\n')
    return out.getvalue()
