# SPDX-License-Identifier: Apache-2.0
"""The crop removes position and distance, and keeps motion and expression."""

import numpy as np
import pytest

from robot_face_gen.pipeline.crop import FaceCrop, FaceCropParameters


def talking(frames=300, scale=1.0, shift=(0.0, 0.0), seed=0):
    """Landmarks (T, 136) of a face that moves and opens its mouth."""
    generator = np.random.default_rng(seed)
    shape = generator.uniform(-80, 80, (2, 68))
    time = np.arange(frames)[:, None, None] / 25
    sway = np.array([25.0, 10.0])[:, None] * np.sin(time * 3)
    mouth = np.zeros((2, 68))
    mouth[1, 55:60] = 12.0
    points = shape + sway + mouth * np.abs(np.sin(time * 9))
    return (points * scale + (np.array([320.0, 240.0]) * scale + shift)[:, None]).reshape(
        frames, 136
    )


def run(landmarks, valid=None, crop=None):
    crop = crop or FaceCrop()
    out = []
    for i, frame in enumerate(landmarks):
        crop.update(frame, True if valid is None else bool(valid[i]))
        out.append(crop.to_crop(frame))
    return np.array(out)


def test_independent_of_position_and_size():
    a = run(talking())
    b = run(talking(scale=0.37, shift=(200.0, -30.0)))
    assert a == pytest.approx(b, abs=1e-4)
    assert 0.0 < a.min() < a.max() < 1.0


def test_keeps_head_motion_and_expression():
    landmarks = talking()
    cropped = run(landmarks)[100:]
    scale = cropped[:, :68].std() / landmarks[100:, :68].std()
    assert cropped[:, 0].std() == pytest.approx(landmarks[100:, 0].std() * scale, rel=0.1)
    mouth = cropped[:, 68 + 57] - cropped[:, 68 + 30]
    assert np.corrcoef(mouth, landmarks[100:, 68 + 57] - landmarks[100:, 68 + 30])[0, 1] > 0.99


def test_is_causal():
    landmarks = talking()
    changed = landmarks.copy()
    changed[100:] += 50.0
    assert (run(landmarks)[:100] == run(changed)[:100]).all()


def test_invalid_frames_and_outliers_do_not_move_it():
    landmarks = talking()
    changed = landmarks.copy()
    changed[100:110] = 1e4
    valid = np.ones(300, bool)
    valid[100:110] = False
    kept = np.r_[0:100, 110:300]
    without = run(landmarks[kept])
    assert (run(changed, valid)[kept] == without).all()
    # Valid outliers, fewer than relock_frames.
    assert (run(changed)[kept] == without).all()


def test_follows_a_face_elsewhere_after_relock_frames():
    p = FaceCropParameters()
    landmarks = np.concatenate((talking(100), talking(100, scale=0.5, shift=(900.0, 0.0))))
    cropped = run(landmarks)
    assert cropped[100 + p.relock_frames - 2].max() > 1.0  # not yet
    settled = cropped[100 + p.relock_frames :]
    assert 0.0 < settled.min() < settled.max() < 1.0


@pytest.mark.parametrize(
    ('shift', 'scale', 'moves'),
    [(1.45, 1.0, True), (1.55, 1.0, False), (0.0, 2.45, True), (0.0, 2.55, False),
     (0.0, 1 / 2.45, True), (0.0, 1 / 2.55, False)],
)  # fmt: skip
def test_an_outlier_is_far_away_or_of_another_size(shift, scale, moves):
    """In units of the size: away by more than 1.5, or 2.5 times as large or small."""
    face = talking(1)[0].reshape(2, 68)
    centre = face.mean(axis=1, keepdims=True)
    size = np.sqrt(np.square(face - centre).sum(axis=0).mean())
    crop = FaceCrop()
    crop.update(face.ravel(), True)
    before = crop.to_crop(face.ravel())
    crop.update((centre + (face - centre) * scale + [[shift * size], [0.0]]).ravel(), True)
    assert (not np.allclose(crop.to_crop(face.ravel()), before)) is moves


def test_follows_immediately_after_a_long_loss():
    crop = FaceCrop()
    run(talking(100), crop=crop)
    for _ in range(FaceCropParameters().forget_frames):
        crop.update(np.zeros(136), False)
    other = talking(1, scale=0.8, shift=(50.0, 50.0))[0]
    crop.update(other, True)
    assert crop.to_crop(other).reshape(2, 68).mean(axis=1) == pytest.approx([0.5, 0.5], abs=1e-5)


@pytest.mark.parametrize('landmarks', [np.zeros(136), np.full(136, np.nan), np.full(136, np.inf)])
def test_impossible_landmarks_are_ignored(landmarks):
    crop, plain = FaceCrop(), FaceCrop()
    crop.update(landmarks, True)
    for frame in talking(20):
        crop.update(frame, True)
        crop.update(landmarks, True)
        plain.update(frame, True)
        plain.update(frame, False)
        assert (crop.to_crop(frame) == plain.to_crop(frame)).all()
