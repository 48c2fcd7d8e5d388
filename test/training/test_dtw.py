# SPDX-License-Identifier: Apache-2.0
"""DTW compared with the textbook recursion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.training.dtw import accumulated_cost, dtw, nearest_distance


def brute_force(a, b):
    """D[i, j] = cost + min of the three predecessors, cell by cell."""
    table = np.full((len(a) + 1, len(b) + 1), np.inf)
    table[0, 0] = 0
    for i in range(len(a)):
        for j in range(len(b)):
            cost = np.sum((a[i] - b[j]) ** 2)
            table[i + 1, j + 1] = cost + min(table[i, j + 1], table[i + 1, j], table[i, j])
    return np.sqrt(table[-1, -1])


def walks(rng, *shape):
    return np.cumsum(rng.normal(size=shape), axis=-2)


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(1, 14), m=st.integers(1, 14), f=st.integers(1, 9), seed=st.integers(0, 2**32 - 1)
)
def test_equals_the_textbook(n, m, f, seed):
    rng = np.random.default_rng(seed)
    a, b = walks(rng, n, f), walks(rng, m, f)
    assert dtw(a, b) == pytest.approx(brute_force(a, b), rel=1e-12)


def test_a_pause_costs_nothing():
    a = np.array([[0.0], [1.0], [2.0], [3.0]])
    held = np.repeat(a, [1, 3, 1, 2], axis=0)
    assert dtw(a, held) == 0
    assert dtw(a, a + 1) == pytest.approx(np.sqrt(2))  # both ends must stand at their ends


@settings(deadline=None, max_examples=40)
@given(t=st.integers(2, 14), seed=st.integers(0, 2**32 - 1), share=st.floats(0.0, 2.0))
def test_a_limit_does_not_change_smaller_costs(t, seed, share):
    rng = np.random.default_rng(seed)
    a, b = walks(rng, t, 3), walks(rng, t, 3)
    exact = brute_force(a, b) ** 2
    limit = share * exact
    found = accumulated_cost(a, np.ascontiguousarray(b.T), limit, np.empty((3, t)))
    if limit >= exact * (1 + 1e-9):
        assert found == pytest.approx(exact, rel=1e-12)
    elif limit <= exact * (1 - 1e-9):
        assert found == np.inf


@settings(deadline=None, max_examples=30)
@given(
    count=st.integers(1, 6),
    t=st.integers(1, 12),
    noise=st.sampled_from([0.0, 0.1, 3.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_nearest_is_the_minimum(count, t, noise, seed):
    rng = np.random.default_rng(seed)
    others = walks(rng, count, t, 5)
    a = others[rng.integers(count)] + noise * rng.normal(size=(t, 5))
    starts, stops, weights = np.array([0, 2]), np.array([2, 5]), np.array([1.0, 0.25])
    expected = min(
        sum(
            w * brute_force(a[:, s:e], b[:, s:e])
            for s, e, w in zip(starts, stops, weights, strict=True)
        )
        for b in others
    )
    transposed = np.ascontiguousarray(others.transpose(0, 2, 1))
    found = nearest_distance(a, transposed, starts, stops, weights)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_refuses_wrong_shapes():
    with pytest.raises(ValueError, match=r'dtw: expected .* got \(3, 2\) and \(3, 4\)'):
        dtw(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(ValueError, match='dtw: expected'):
        dtw(np.zeros((0, 2)), np.zeros((3, 2)))
