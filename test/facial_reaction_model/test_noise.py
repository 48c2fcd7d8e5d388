# SPDX-License-Identifier: Apache-2.0
"""What is drawn depends on seed and window alone, and is standard normal."""

import numpy as np
import pytest

from robot_face_gen.facial_reaction_model.inputs import beginning_window, resolve_seeds
from robot_face_gen.facial_reaction_model.inputs import fresh_noise as one_noise


def fresh_noise(seeds, windows, dim):
    pairs = zip(seeds, windows, strict=True)
    return np.stack([one_noise(seed, window, dim) for seed, window in pairs])


def test_noise_depends_on_seed_and_window_alone():
    drawn = fresh_noise([3, 4, 3, 4], [10, 10, 11, 3], 5)
    assert drawn.shape == (4, 5) and drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn[2:3], fresh_noise([3], [11], 5))
    assert len({row.tobytes() for row in drawn}) == 4
    assert not np.array_equal(fresh_noise([3], [4], 5), fresh_noise([4], [3], 5))
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    fresh_noise([1], [1], 5)
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_any_whole_number_is_a_seed():
    drawn = fresh_noise([-1, 0, 2**62, 2**64 + 5], [0, 0, 0, 10**9], 4)
    assert np.isfinite(drawn).all()
    assert len({row.tobytes() for row in drawn}) == 4


def test_noise_is_standard_normal_over_seeds_and_over_windows():
    for seeds, windows in ((range(4000), [7] * 4000), ([7] * 4000, range(4000))):
        drawn = fresh_noise(list(seeds), list(windows), 8)
        assert abs(drawn.mean()) < 0.02
        assert drawn.std() == pytest.approx(1.0, abs=0.02)
        off = np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]
        assert abs(off) < 0.03


@pytest.mark.parametrize('size', [1, 4, 16])
def test_the_window_that_begins(size):
    for seen in range(40):
        for frames in range(1, size + 1):
            first = [number for number in range(seen, seen + frames) if number % size == 0]
            expected = first[0] // size if first else None
            assert beginning_window(seen, frames, size) == expected


def test_the_numbers_that_are_drawn_do_not_change():
    """A saved seed gives the same face with every version; the values are Philox4x64's."""
    expected = [1.3912764, -0.27758887, -0.5126015]
    np.testing.assert_allclose(one_noise(5, 7, 3), expected, rtol=1e-6)


def test_seeds_of_sessions():
    assert resolve_seeds(7, 3) == [7, 8, 9]
    assert resolve_seeds(np.int64(7), 1) == [7]
    assert resolve_seeds([4, 2], 2) == resolve_seeds(np.array([4, 2]), 1) == [4, 2]
    assert resolve_seeds(None, 2, iter([5, 6]).__next__) == [5, 6]
    assert len(set(resolve_seeds(None, 50))) == 50
    for seeds in ([], [1, 2, 3]):
        with pytest.raises(ValueError, match=f'seed holds {len(seeds)} seeds: expected one for'):
            resolve_seeds(seeds, 2)
