# SPDX-License-Identifier: Apache-2.0
"""Who is followed where people come and go; positions in sizes of a face of 100 pixels."""

import math

import pytest
from faces import make_frame

from robot_face_gen.features.openface_person import FaceChooser, Sighting

NAN = math.nan


def follow(pictures, every_s=0.125):
    """`pictures` hold the faces as {name: x}; returns who was chosen in each."""
    chooser, chosen = FaceChooser(), {}
    names = {}
    for index, faces in enumerate(pictures):
        for name, x in faces.items():
            frame = make_frame(len(names))
            names[frame.stamp_ns] = (index, name)
            face = Sighting(index * every_s, NAN, True, (100.0 * x, 0.0, 100.0), frame)
            for found in chooser.add(index, face):
                chosen.__setitem__(*names[found.frame.stamp_ns])
    for found in chooser.flush():
        chosen.__setitem__(*names[found.frame.stamp_ns])
    return [chosen.get(index) for index in range(len(pictures))], chooser.others


@pytest.mark.parametrize('away', [5, 15])
def test_a_place_that_somebody_left_is_nobodys_after_a_second(away):
    """The followed person goes there, while another comes to where that person was."""
    pictures = [{'ann': 0.0, 'bob': 3.0}]
    pictures += [{'ann': 0.0}] * away
    pictures += [{'ann': 0.25 * step} for step in range(13)]
    pictures += [{'ann': 3.0, 'eve': 0.0}] * 5
    chosen, others = follow(pictures)
    assert chosen == ['ann'] * len(pictures)
    assert others == 1 + 5


def test_a_person_who_is_gone_for_less_than_a_second_is_waited_for():
    both, gone = {'ann': 0.0, 'bob': 3.0}, {'bob': 3.0}
    chosen, _ = follow([both] * 3 + [gone] * 7 + [both] * 3)
    assert chosen == ['ann'] * 3 + [None] * 7 + ['ann'] * 3
    chosen, _ = follow([both] * 3 + [gone] * 12 + [both] * 3)
    assert chosen == ['ann'] * 3 + [None] * 8 + ['bob'] * 7
