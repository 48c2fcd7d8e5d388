# SPDX-License-Identifier: Apache-2.0
"""Each check finds its fault, and a good recording passes."""

from dataclasses import replace

import numpy as np
import pytest

from robot_face_gen.data import checks
from robot_face_gen.data.checks import ERROR, WARNING, Findings
from robot_face_gen.features.openface import FaceFrame

RATE = 16_000
SECOND_NS = 1_000_000_000


def make_face(t, opening=0.0, valid=True):
    x, y = np.zeros(68), np.zeros(68)
    x[16], y[66] = 200.0, opening * 200.0
    return FaceFrame(
        round(t * SECOND_NS), 0.98 if valid else 0.1, valid, 640, 480,
        np.concatenate((x, y)).astype(np.float32), np.zeros(18, np.float32),
        np.zeros(4, np.float32), np.zeros(2, np.float32),
    )  # fmt: skip


def talking(seconds, late_s=0.0, faster=1.0, fps=25.0, seed=0):
    """A mouth that moves with the voice; the sound is delayed by `late_s`, or `faster`."""
    rng = np.random.default_rng(seed)
    words = np.cumsum(rng.uniform(0.2, 0.6, size=400))

    def loud(t):
        return 0.5 * (np.searchsorted(words, t) % 2)

    t = np.arange(round(seconds * fps)) / fps
    frames = [make_face(at, 0.2 * float(loud(at))) for at in t]
    heard = np.arange(round(seconds * RATE)) / RATE
    samples = loud((heard - late_s) * faster) * np.sin(2 * np.pi * 150 * heard)
    return frames, samples.astype(np.float32)


def found_in(check, *args):
    found = Findings('x', 'a')
    result = check(*args, found)
    return result, [(f.level, f.what) for f in found], found


def test_a_good_recording_passes():
    frames, samples = talking(20.0)
    length, face, _ = found_in(checks.check_face, frames)
    heard, sound, _ = found_in(checks.check_sound, samples, RATE)
    assert (length, heard) == (pytest.approx(20.0), 20.0)
    assert face == sound == []
    assert found_in(checks.check_lengths, length, heard)[1] == []
    assert found_in(checks.check_drift, frames, samples, RATE)[1] == []


def steps(*times):
    return [make_face(t) for t in times]


@pytest.mark.parametrize(
    'frames, expected',
    [
        (steps(0.0), [(ERROR, 'face frames')]),
        (steps(0.0, 0.04, 0.04), [(ERROR, 'face timestamps')]),
        (steps(*np.arange(20) / 5), [(ERROR, 'face rate')]),
        (steps(*np.arange(20) / 25), [(ERROR, 'face length')]),
        (steps(*np.arange(30, 200) / 25), [(ERROR, 'first face')]),
        (steps(*np.delete(np.arange(200) / 25, slice(50, 60))), [(WARNING, 'longest gap')]),
        (steps(*np.delete(np.arange(200) / 25, slice(50, 90))), [(ERROR, 'longest gap')]),
        ([make_face(t / 25, valid=t % 2 == 0) for t in range(100)],
         [(ERROR, 'confident frames')]),
        ([replace(make_face(t / 25), confidence=0.5) for t in range(100)],
         [(ERROR, 'confident frames')]),
    ],
)  # fmt: skip
def test_faults_of_a_face(frames, expected):
    assert found_in(checks.check_face, frames)[1] == expected


def test_faults_of_a_sound():
    samples = talking(4.0)[1]
    broken = samples.copy()
    broken[100] = np.nan
    assert found_in(checks.check_sound, broken, RATE)[1] == [(ERROR, 'sound')]
    assert found_in(checks.check_sound, 0 * samples, RATE)[1] == [(ERROR, 'sound level')]
    loud = np.clip(10 * samples, -1, 1)
    assert found_in(checks.check_sound, loud, RATE)[1] == [(WARNING, 'clipped samples')]
    _, wrong, found = found_in(checks.check_lengths, 20.0, 18.5)
    assert wrong == [(ERROR, 'face and sound lengths')]
    assert found[0].value == '20.00 s and 18.50 s'
    assert found_in(checks.check_lengths, 600.0, 590.0)[1] == []  # less than 2 %


@pytest.mark.parametrize('late_s', [-0.6, 0.4])
def test_offset_of_sound_and_mouth(late_s):
    frames, samples = talking(20.0, late_s=late_s)
    _, wrong, found = found_in(checks.check_drift, frames, samples, RATE)
    assert wrong == [(ERROR, 'offset of sound and mouth')]
    assert float(found[0].value.split()[0]) == pytest.approx(late_s, abs=0.05)


def test_drift_of_sound_and_mouth():
    frames, samples = talking(40.0, late_s=-0.2, faster=0.99)
    assert found_in(checks.check_drift, frames, samples, RATE)[1] == [
        (ERROR, 'drift of sound and mouth')
    ]


def test_no_verdict_without_correlation():
    frames, _ = talking(20.0, seed=0)
    _, samples = talking(20.0, seed=1)
    assert found_in(checks.check_drift, frames, samples, RATE)[1] == []
    assert found_in(checks.check_drift, frames, 0 * samples, RATE)[1] == []


def test_a_real_recording_passes(real_recordings):
    from robot_face_gen.features.openface import read_openface_csv

    track = read_openface_csv(real_recordings.openface)
    length, wrong, _ = found_in(checks.check_face, track.frames)
    assert length == pytest.approx(19.6, abs=0.1)
    assert not [what for level, what in wrong if level == ERROR]
