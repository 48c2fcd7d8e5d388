# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.synthetic.config import CONTROL_HZ
from robot_face_gen.synthetic.signals import add_bump, add_hold, delayed, smooth, wander


@settings(deadline=None, max_examples=30)
@given(steps=st.integers(1, 300), cut=st.integers(0, 299), seed=st.integers(0, 1000))
def test_smoothing_and_delay_are_causal(steps, cut, seed):
    cut = min(cut, steps)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=steps)
    other = np.concatenate((x[:cut], rng.normal(size=steps - cut)))
    for change in (lambda s: smooth(s, 0.05), lambda s: delayed(s, 0.1)):
        if cut:
            np.testing.assert_array_equal(change(x)[:cut], change(other)[:cut])


def test_smooth_keeps_a_constant_and_settles_on_a_step():
    np.testing.assert_allclose(smooth(np.full(50, 3.0), 0.2), 3.0)
    step = np.r_[0.0, np.ones(2 * CONTROL_HZ)]
    out = smooth(step, 0.1)
    assert out[-1] == pytest.approx(1, abs=1e-3)
    # Two poles of 0.1 s: the mean delay is 0.2 s.
    assert np.sum(1 - out) / CONTROL_HZ == pytest.approx(0.2, abs=0.02)


def test_delay_shifts_by_its_time():
    x = np.zeros(CONTROL_HZ)
    x[10] = 1
    assert np.argmax(delayed(x, 0.25)) == 10 + CONTROL_HZ // 4
    assert delayed(x, 100.0).tolist() == [0.0] * CONTROL_HZ
    np.testing.assert_array_equal(delayed(x, 0.0), x)


@pytest.mark.parametrize('time_s', [0.1, 0.5])
def test_wander_has_unit_standard_deviation(time_s):
    x = wander(np.random.default_rng(0), 400 * CONTROL_HZ, time_s)
    assert x.std() == pytest.approx(1, rel=0.1)
    assert abs(x.mean()) < 0.15


def test_bumps_and_holds_are_at_their_times():
    x = np.zeros(CONTROL_HZ * 4)
    add_bump(x, 1.0, 0.5, 2.0)
    assert x.max() == pytest.approx(2, rel=1e-3)
    assert np.argmax(x) / CONTROL_HZ == pytest.approx(1.25, abs=0.01)
    assert not x[: CONTROL_HZ - 1].any()
    assert not x[int(1.51 * CONTROL_HZ) :].any()
    add_bump(x, 3.9, 1.0, 1.0)  # beyond the end
    add_bump(x, -5.0, 1.0, 1.0)  # before the start
    y = np.zeros(CONTROL_HZ * 4)
    add_hold(y, 1.0, 2.0, 3.0, ramp_s=0.2)
    assert y[int(1.5 * CONTROL_HZ)] == pytest.approx(3)
    assert y[0] == y[-1] == 0
