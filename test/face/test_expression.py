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
