# SPDX-License-Identifier: Apache-2.0
"""Each check finds its fault, and a good recording passes."""

from dataclasses import replace

import numpy as np
import pytest

from robot_face_gen.data import checks
from robot_face_gen.data.checks import ERROR, NO_VOICE, WARNING, Findings
from robot_face_gen.features.openface import FaceFrame

RATE = 16_000
SECOND_NS = 1_000_000_000


def make_face(t, valid=True):
    return FaceFrame(
        round(t * SECOND_NS), 0.98 if valid else 0.1, valid, 640, 480,
        np.ones(136, np.float32), np.zeros(18, np.float32),
        np.zeros(4, np.float32), np.zeros(2, np.float32),
    )  # fmt: skip


def tone(seconds):
    return (0.5 * np.sin(np.arange(round(seconds * RATE)) / 10)).astype(np.float32)


def found_in(check, *args):
    found = Findings()
    result = check(*args, found)
    return result, [(f.level, f.what) for f in found], found


def test_a_good_recording_passes():
    frames, samples = steps(*np.arange(500) / 25), tone(20.0)
    length, face, _ = found_in(checks.check_face, frames)
    assert length == pytest.approx(20.0)
    assert face == found_in(checks.check_sound, samples)[1] == []
    assert found_in(checks.check_lengths, length, 20.0)[1] == []


def steps(*times):
    return [make_face(t) for t in times]


@pytest.mark.parametrize(
    'frames, expected',
    [
        (steps(0.0), [(ERROR, 'face frames')]),
        (steps(0.0, 0.04, 0.04), [(ERROR, 'face timestamps')]),
        (steps(*np.arange(20) / 5), [(ERROR, 'face rate')]),
        (steps(*np.arange(60) * 0.07), []),  # a webcam of 15 frames a second, in dim light
        (steps(*np.arange(20) / 25), [(ERROR, 'face length')]),
        (steps(*np.arange(30, 200) / 25), []),
        (steps(*np.arange(75, 200) / 25), [(ERROR, 'face seen')]),
        (steps(*np.delete(np.arange(200) / 25, slice(50, 60))), []),
        (steps(*np.delete(np.arange(200) / 25, slice(50, 90))), [(WARNING, 'gaps')]),
        (steps(*np.delete(np.arange(200) / 25, slice(50, 120))),
         [(WARNING, 'gaps'), (ERROR, 'face seen')]),
        ([make_face(t / 25, valid=t % 2 == 0) for t in range(100)],
         [(ERROR, 'face seen')]),
        ([replace(make_face(t / 25), confidence=0.5) for t in range(100)],
         [(ERROR, 'face seen')]),
    ],
)  # fmt: skip
def test_faults_of_a_face(frames, expected):
    assert found_in(checks.check_face, frames)[1] == expected


def test_faults_of_a_sound():
    samples = tone(4.0)
    broken = samples.copy()
    broken[100] = np.nan
    assert found_in(checks.check_sound, broken)[1] == [(NO_VOICE, 'sound')]
    assert found_in(checks.check_sound, 0 * samples)[1] == [(NO_VOICE, 'sound level')]
    loud = np.clip(10 * samples, -1, 1)
    assert found_in(checks.check_sound, loud)[1] == [(WARNING, 'clipped samples')]
    assert found_in(checks.check_sound, samples[:0])[1] == [(NO_VOICE, 'sound level')]
    _, wrong, found = found_in(checks.check_lengths, 20.0, 18.5)
    assert wrong == [(WARNING, 'face and sound lengths')]
    assert found[0].value == '20.00 s and 18.50 s'
    assert found_in(checks.check_lengths, 600.0, 590.0)[1] == []  # less than 2 %


def test_a_real_recording_passes(real_recordings):
    from robot_face_gen.features.openface import read_openface_csv

    track = read_openface_csv(real_recordings.openface)
    length, wrong, _ = found_in(checks.check_face, track.frames)
    assert length == pytest.approx(19.6, abs=0.1)
    assert not [what for level, what in wrong if level == ERROR]
