# SPDX-License-Identifier: Apache-2.0
"""Landmarks and action units of ROS4HRI."""

import numpy as np
import pytest

from robot_face_gen.features.foreign_face import hri_action_units, hri_landmarks
from robot_face_gen.layout import AU, AU_NAMES


def points(count=70, confidence=0.8):
    return np.stack(
        (np.linspace(0.1, 0.6, count), np.linspace(0.9, 0.2, count), np.full(count, confidence)), 1
    )


def test_landmarks_become_pixels_in_the_order_of_openface():
    found, confidence = hri_landmarks(points(), 640, 480)
    x, y = found.reshape(2, 68)
    np.testing.assert_allclose(x, 640 * points()[:68, 0], rtol=1e-6)
    np.testing.assert_allclose(y, 480 * points()[:68, 1], rtol=1e-6)
    assert confidence == pytest.approx(0.8)


def test_a_missing_point_is_a_missing_face_and_no_confidence_at_all_is_none_given():
    some = points()
    some[5, 2] = 0.0
    found, confidence = hri_landmarks(some, 640, 480)
    assert np.isnan(found).all() and confidence < 0.8
    pupils = points()
    pupils[68:] = np.nan  # not used
    assert np.isfinite(hri_landmarks(pupils, 640, 480)[0]).all()
    found, confidence = hri_landmarks(points(confidence=0.0), 640, 480)
    assert np.isfinite(found).all() and confidence == 1.0


@pytest.mark.parametrize(
    ('given', 'size', 'words'),
    [
        (points(67), (640, 480), '67 points: expected at least 68'),
        (points(), (0, 480), 'width, height = 0, 480'),
        (points(confidence=1.5), (640, 480), 'confidences from 0 to 1'),
        (points(confidence=np.nan), (640, 480), 'confidences from 0 to 1'),
    ],
)
def test_impossible_landmarks_are_refused(given, size, words):
    with pytest.raises(ValueError, match=words):
        hri_landmarks(given, *size)


def test_action_units_are_found_by_their_numbers():
    intensity, confidence = np.zeros(99), np.zeros(99)
    for name in AU_NAMES:
        intensity[int(name[2:])], confidence[int(name[2:])] = int(name[2:]) / 100, 1.0
    found = hri_action_units(intensity, confidence)
    for name in AU_NAMES[:-1]:
        assert found[AU[name]] == pytest.approx(5 * int(name[2:]) / 100)
    assert found[AU['AU28']] == 0.0
    intensity[28], intensity[12], confidence[4] = 0.6, 3.0, 0.0
    found = hri_action_units(intensity, confidence)
    assert found[AU['AU28']] == 1.0 and found[AU['AU12']] == 5.0 and np.isnan(found[AU['AU04']])
    assert np.isfinite(hri_action_units(intensity, np.zeros(99))).all()
    assert hri_action_units(np.full(99, 2.0), confidence, 4.0)[AU['AU12']] == pytest.approx(2.5)
    intensity[28] = np.nan
    assert np.isnan(hri_action_units(intensity, confidence)[AU['AU28']])
    with pytest.raises(ValueError, match='98 values'):
        hri_action_units(intensity[:98], confidence)
