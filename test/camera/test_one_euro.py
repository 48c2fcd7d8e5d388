# SPDX-License-Identifier: Apache-2.0
import numpy as np

from robot_face_gen.camera.one_euro import OneEuro

RATE_HZ = 30.0


def run(values, cutoff_hz=5.0, beta=120.0, scale=100.0):
    smooth = OneEuro(cutoff_hz, beta)
    return np.array([smooth(np.array([v]), i / RATE_HZ, scale)[0] for i, v in enumerate(values)])


def test_noise_about_a_still_point_is_smoothed():
    noise = np.random.default_rng(0).normal(0.0, 0.2, 300)
    assert run(noise)[30:].std() < 0.7 * noise[30:].std()


def test_a_fast_motion_is_followed_within_half_a_frame():
    ramp = np.maximum(np.arange(60) - 20, 0) * 5.0  # 1.5 scales a second
    lag_frames = (ramp - run(ramp))[40:].max() / 5.0
    assert 0.0 <= lag_frames < 0.5


def test_the_first_value_and_the_first_after_a_reset_pass_unchanged():
    smooth = OneEuro(1.0, 0.0)
    assert smooth(np.array([3.0]), 0.0) == 3.0
    assert 3.0 < smooth(np.array([9.0]), 0.1)[0] < 9.0
    smooth.reset()
    assert smooth(np.array([9.0]), 0.2) == 9.0


def test_a_clock_that_was_set_back_starts_anew():
    smooth = OneEuro(1.0, 0.0)
    smooth(np.array([3.0]), 10.0)
    assert smooth(np.array([9.0]), 1.0) == 9.0
