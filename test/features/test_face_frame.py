# SPDX-License-Identifier: Apache-2.0
"""One frame of a tracker: what is there, what is believed, and what is impossible."""

import dataclasses

import numpy as np
import pytest
from faces import make_frame

from robot_face_gen.layout import VALUE_LIMITS, VALUE_MASK_SLICES


def changed(name, index, value):
    frame = make_frame()
    values = getattr(frame, name).copy()
    values[index] = value
    return dataclasses.replace(frame, **{name: values})


@pytest.mark.parametrize('name', ['au', 'pose', 'gaze'])
def test_the_mask_shows_which_values_are_there(name):
    frame = changed(name, 1, np.nan)
    place = VALUE_MASK_SLICES[name]
    assert np.flatnonzero(~frame.mask).tolist() == [place.start + 1]


def test_landmarks_are_there_as_a_whole():
    assert make_frame().mask.all()
    mask = changed('landmarks', 7, np.nan).mask
    assert not mask[VALUE_MASK_SLICES['landmarks']].any() and mask.sum() == len(mask) - 1


def test_a_frame_is_valid_with_success_confidence_and_any_value():
    assert make_frame(confidence=0.7).is_valid() and not make_frame(confidence=0.69).is_valid()
    assert make_frame(confidence=0.5).is_valid(0.5)
    assert not make_frame(success=False).is_valid()
    nothing = {name: np.full_like(getattr(make_frame(), name), np.nan) for name in VALUE_LIMITS}
    assert not dataclasses.replace(make_frame(), **nothing).is_valid()


@pytest.mark.parametrize('name', list(VALUE_LIMITS))
@pytest.mark.parametrize('sign', [1, -1])
def test_impossible_values_become_missing(name, sign):
    limit = sign * VALUE_LIMITS[name]
    frame = changed(name, 1, limit)
    assert frame.without_impossible_values() == (frame, 0)
    for bad in (1.01 * limit, sign * np.inf):
        clean, count = changed(name, 1, bad).without_impossible_values()
        missing = np.isnan(getattr(clean, name))
        assert count == 1
        assert missing.all() if name == 'landmarks' else np.flatnonzero(missing).tolist() == [1]
        others = set(VALUE_LIMITS) - {name}
        assert all((getattr(clean, other) == getattr(frame, other)).all() for other in others)


def test_missing_landmarks_are_not_counted_as_impossible():
    clean, count = changed('landmarks', 3, np.nan).without_impossible_values()
    assert count == 0 and np.isnan(clean.landmarks).all()


def test_a_face_of_zeros_is_none():
    frame = make_frame(0)
    nothing = dataclasses.replace(
        frame, **{name: np.zeros_like(x) for name, x in frame.branches.items()}
    )
    assert frame.is_valid() and not nothing.is_valid()
    # A calm face of a tracker that gives action units only.
    missing = {name: np.full_like(getattr(frame, name), np.nan) for name in ('landmarks', 'pose')}
    assert dataclasses.replace(nothing, **missing).is_valid()
