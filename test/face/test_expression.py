# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from robot_face_gen.face.easing import NEUTRAL
from robot_face_gen.face.expression import classify
from robot_face_gen.layout import AU, BRANCH_SLICES


def units(**intensities):
    found = np.zeros(len(AU))
    for name, value in intensities.items():
        found[AU[name]] = value
    return found


@pytest.mark.parametrize(
    ('action_units', 'name'),
    [
        (units(AU06=3.0, AU12=3.5), 'happy'),
        (units(AU12=3.0), 'happy'),
        (units(AU01=3.0, AU04=2.5, AU15=3.0), 'sad'),
        (units(AU01=3.0, AU02=3.0, AU05=2.0, AU26=3.0), 'surprised'),
        (units(AU01=3.0, AU02=3.0, AU04=3.0, AU05=3.0, AU20=3.0, AU26=3.0), 'scared'),
        (units(AU04=3.0, AU05=2.0, AU07=3.0, AU23=3.0), 'angry'),
        (units(AU09=3.0, AU10=2.0, AU17=2.0), 'disgusted'),
        (units(AU45=5.0), 'neutral'),
        (NEUTRAL[BRANCH_SLICES['au']], 'neutral'),
    ],
)
def test_prototypes_are_recognised(action_units, name):
    found = classify(action_units)
    assert found.name == name
    assert 0.0 <= found.confidence <= 1.0
    assert abs(found.valence) <= 1.0 and abs(found.arousal) <= 1.0


def test_a_wider_smile_is_more_pleasant():
    slight, wide = (classify(units(AU06=x, AU12=x)) for x in (1.5, 3.0))
    assert 0.0 < slight.valence < wide.valence
    assert slight.confidence < wide.confidence


@pytest.mark.parametrize(
    ('action_units', 'valence', 'arousal'),
    [
        (units(AU06=3.0, AU12=3.0), 1, 1),
        (units(AU01=3.0, AU04=3.0, AU15=3.0), -1, -1),
        (units(AU01=3.0, AU02=3.0, AU05=3.0, AU26=3.0), 1, 1),
        (units(AU01=3.0, AU02=3.0, AU04=3.0, AU05=3.0, AU20=3.0, AU26=3.0), -1, 1),
        (units(AU04=3.0, AU05=3.0, AU07=3.0, AU23=3.0), -1, 1),
        (units(AU09=3.0, AU10=3.0, AU17=3.0), -1, 1),
    ],
)
def test_each_expression_lies_in_its_quadrant(action_units, valence, arousal):
    """Of Russell's plane: only sadness is both unpleasant and calm."""
    found = classify(action_units)
    assert (np.sign(found.valence), np.sign(found.arousal)) == (valence, arousal)


def test_the_confidence_is_the_mean_intensity_of_the_units():
    found = classify(units(AU06=1.5, AU12=2.1))  # 3.0 is a clear expression
    assert (found.name, found.confidence) == ('happy', pytest.approx(0.6))
    assert (found.valence, found.arousal) == (pytest.approx(0.54), pytest.approx(0.24))
    faint = classify(units(AU06=1.0, AU12=1.0))  # below 0.35
    assert (faint.name, faint.confidence) == ('neutral', pytest.approx(1.0 - 1.0 / 3.0))
    assert faint.valence == pytest.approx(0.3)  # the plane has no threshold
    assert classify(units(AU06=1.1, AU12=1.1)).name == 'happy'
