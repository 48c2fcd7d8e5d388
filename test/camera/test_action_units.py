# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from robot_face_gen.camera.action_units import DISTANCES, ActionUnits
from robot_face_gen.camera.networks import BLENDSHAPES
from robot_face_gen.layout import AU

NOT_KNOWN = [AU[name] for name in ('AU06', 'AU09', 'AU14', 'AU20')]
RATE_HZ = 25.0


def shapes(**values):
    """Blendshapes; 'eyeBlink' sets both sides."""
    found = np.zeros(len(BLENDSHAPES), np.float32)
    for name, value in values.items():
        sides = [n for n in (name, f'{name}Left', f'{name}Right') if n in BLENDSHAPES]
        assert sides, name
        found[[BLENDSHAPES.index(side) for side in sides]] = value
    return found


class Person:
    """Shows faces to a tracker of action units, one after the other."""

    def __init__(self):
        self.units, self.time_s = ActionUnits(), 0.0

    def show(self, seconds, measured=None, **values):
        measured = np.zeros(len(DISTANCES)) if measured is None else measured
        for _ in range(max(round(seconds * RATE_HZ), 1)):
            self.time_s += 1 / RATE_HZ
            found = self.units(shapes(**values), measured, self.time_s)
        return found


def test_units_that_are_not_known_are_missing_and_the_others_are_not():
    found = Person().show(1.0)
    assert np.isnan(found[NOT_KNOWN]).all()
    assert np.isfinite(np.delete(found, NOT_KNOWN)).all()


@pytest.mark.parametrize(
    ('shape', 'unit'),
    [('browInnerUp', 'AU01'), ('browOuterUp', 'AU02'), ('browDown', 'AU04'), ('eyeWide', 'AU05'),
     ('eyeSquint', 'AU07'), ('mouthUpperUp', 'AU10'), ('mouthSmile', 'AU12'),
     ('mouthFrown', 'AU15'), ('mouthShrugLower', 'AU17'), ('mouthPress', 'AU23'),
     ('mouthLowerDown', 'AU25'), ('jawOpen', 'AU26'), ('eyeBlink', 'AU45')],
)  # fmt: skip
def test_a_blendshape_raises_its_unit(shape, unit):
    person = Person()
    calm = person.show(5.0)
    moved = person.show(0.2, **{shape: 0.6})
    assert calm[AU[unit]] == 0.0 and 0.5 < moved[AU[unit]] <= 5.0


def test_what_a_person_always_shows_is_neutral():
    person = Person()
    # Brows that are always up and lids that always hang, as some people's do.
    for _ in range(20):
        person.show(2.0, browInnerUp=0.5, eyeBlink=0.3)
        blink = person.show(0.2, browInnerUp=0.5, eyeBlink=0.9)
    rest = person.show(1.0, browInnerUp=0.5, eyeBlink=0.3)
    assert rest[AU['AU01']] == rest[AU['AU45']] == 0.0
    assert blink[AU['AU45']] > 2.0
    assert person.show(0.2, browInnerUp=0.9, eyeBlink=0.3)[AU['AU01']] > 1.5


def test_the_neutral_face_follows_within_its_window():
    person = Person()
    person.show(60.0)
    assert person.show(1.0, mouthSmile=0.6)[AU['AU12']] > 1.0
    assert person.show(120.0, mouthSmile=0.6)[AU['AU12']] == 0.0
    # And back: the first face without the smile is not below zero.
    assert person.show(1.0)[AU['AU12']] == 0.0


def test_another_person_starts_anew():
    person = Person()
    person.show(20.0, browInnerUp=0.6)
    person.units.reset()
    assert person.show(1.0, browInnerUp=0.2)[AU['AU01']] == 0.0
    assert person.show(0.2, browInnerUp=0.6)[AU['AU01']] > 1.0


def test_sucked_in_lips_are_present_or_not():
    person = Person()
    assert person.show(1.0)[AU['AU28']] == 0.0
    assert person.show(0.1, mouthRollLower=0.8, mouthRollUpper=0.7)[AU['AU28']] == 1.0
    assert person.show(0.1, mouthRollLower=0.8)[AU['AU28']] == 0.0


def test_a_clock_that_was_set_back_does_not_stop_the_neutral_face():
    person = Person()
    person.show(1.0)
    person.time_s -= 3600.0
    assert person.show(120.0, mouthSmile=0.6)[AU['AU12']] == 0.0
