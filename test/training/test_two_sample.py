# SPDX-License-Identifier: Apache-2.0
"""The two-sample test: 0.5 where there is no difference, close to 1 where a person sees one."""

import numpy as np
import pytest

from robot_face_gen.layout import FACE_DIM
from robot_face_gen.training.two_sample import one_sample_each, tell_apart, tell_halves_apart

SPEAKERS = np.repeat(np.arange(12), 4)


def walks(rng, clips=48, frames=500, share=0.9, speaker_spread=0.0):
    """Smooth random faces (first-order autoregression), with an own level for each clip."""
    x = rng.standard_normal((clips, frames, FACE_DIM)) * (1 - share**2) ** 0.5
    for t in range(1, frames):
        x[:, t] += share * x[:, t - 1]
    return x + speaker_spread * rng.standard_normal((clips, 1, FACE_DIM))


@pytest.fixture(scope='module')
def real():
    return walks(np.random.default_rng(0), speaker_spread=0.3)


def test_faces_of_the_same_kind_cannot_be_told_apart(real):
    same = walks(np.random.default_rng(1), speaker_spread=0.3)
    decisions = tell_apart(same, real, SPEAKERS)
    assert decisions.windows.tolist() == [20] * 48  # 10 of each kind in each clip
    assert decisions.accuracy == pytest.approx(0.5, abs=0.07)
    halves = tell_halves_apart(real, SPEAKERS)
    assert halves.accuracy == pytest.approx(0.5, abs=0.05)


def test_visible_differences_are_found(real):
    rng = np.random.default_rng(2)
    slower = walks(rng, share=0.97)
    assert tell_apart(slower, real, SPEAKERS).accuracy > 0.95
    smaller = walks(rng, speaker_spread=0.3)
    smaller = smaller.mean(axis=1, keepdims=True) + 0.6 * (
        smaller - smaller.mean(axis=1, keepdims=True)
    )
    assert tell_apart(smaller, real, SPEAKERS).accuracy > 0.95
    still = np.broadcast_to(real.mean(axis=(0, 1)), real.shape)
    assert tell_apart(still, real, SPEAKERS).accuracy == 1.0
    # A single channel, as with eyes that never blink.
    blinks = (rng.random((48, 500)) < 0.02).astype(float)
    blinks = np.stack([np.convolve(x, [1, 3, 5, 3, 1], 'same') for x in blinks])
    blinking, column = real.copy(), 136 + 16
    blinking[..., column] += blinks
    other = walks(rng, speaker_spread=0.3)
    assert tell_apart(other, blinking, SPEAKERS).accuracy > 0.7


def test_a_speaker_is_never_in_training_and_test():
    """A level that tells the class, but another one for each speaker, must not help."""
    rng = np.random.default_rng(3)
    real, faces = walks(rng), walks(rng)
    sign = np.where(rng.random((12, FACE_DIM)) < 0.5, 1.0, -1.0)[SPEAKERS][:, None]
    real, faces = real + 0.8 * sign, faces - 0.8 * sign
    assert tell_apart(faces, real, SPEAKERS).accuracy < 0.65
    # With the clips as speakers the level of a speaker is in both, and gives the class away.
    assert tell_apart(faces, real, np.arange(48)).accuracy > 0.9


def test_it_is_deterministic_and_ignores_windows_with_missing_values(real):
    rng = np.random.default_rng(4)
    faces = walks(rng, share=0.92)
    one, two = (tell_apart(faces, real, SPEAKERS) for _ in range(2))
    assert np.array_equal(one.correct, two.correct)
    missing = real.copy()
    missing[:, 60] = np.nan
    decisions = tell_apart(faces, missing, SPEAKERS)
    assert decisions.windows.tolist() == [19] * 48
    assert decisions.accuracy == pytest.approx(one.accuracy, abs=0.05)
    never = real.copy()
    never[..., 136 + 17] = np.nan  # a tracker without AU28
    decisions = tell_apart(faces, never, SPEAKERS)
    assert decisions.windows.tolist() == [20] * 48
    assert decisions.accuracy == pytest.approx(one.accuracy, abs=0.05)


def test_too_little_to_tell(real):
    assert tell_apart(real, real, np.zeros(48, int)) is None  # one speaker
    assert tell_apart(real[:, :40], real[:, :40], SPEAKERS) is None  # no window
    assert tell_apart(real[:, :50][:10], real[:, :50][:10], SPEAKERS[:10]) is None  # 10 windows
    assert tell_apart(np.full_like(real, np.nan), real, SPEAKERS) is None
    assert tell_halves_apart(real[:12], SPEAKERS[:12]) is None  # three speakers


def test_samples_in_turn():
    P = np.arange(12).reshape(4, 3, 1, 1)
    assert one_sample_each(P).ravel().tolist() == [0, 4, 8, 9]
