# SPDX-License-Identifier: Apache-2.0
"""Trackers: missing values, scales of people, absent faces, noise of speakers and listeners."""

from dataclasses import replace

import numpy as np
import pytest

from robot_face_gen.layout import AU, BRANCH_SLICES, BRANCHES
from robot_face_gen.synthetic.config import CONTROL_HZ, CameraConfig
from robot_face_gen.synthetic.motion import Motion
from robot_face_gen.synthetic.tracker import Faults, draw_camera_setup, draw_faults, track_face

CONFIG = CameraConfig(dropouts_per_minute=0.0, fps=(25.0,))


def faults(config, seed, duration_s=30.0):
    return draw_faults(np.random.default_rng(seed), config, duration_s)


def track(fault, seconds=20, config=CONFIG, seed=0):
    rng = np.random.default_rng(seed)
    setup = draw_camera_setup(rng, config, config.distance_m, 0.0)
    return track_face(rng, config, setup, Motion.still(seconds * CONTROL_HZ), fault)


def values(frames):
    return np.stack([np.concatenate([getattr(f, name) for name in BRANCHES]) for f in frames])


def test_patterns_of_missing_values():
    patterns = [faults(CameraConfig(missing=1.0), seed) for seed in range(200)]
    kinds = set()
    for fault in patterns:
        lost = {name: fault.missing[columns] for name, columns in BRANCH_SLICES.items()}
        assert all(x.all() or not x.any() for name, x in lost.items() if name != 'au')
        aus = frozenset(name for name, place in AU.items() if lost['au'][place])
        kinds.add((*(name for name, x in lost.items() if x.all()), *sorted(aus)))
        if 'AU06' in aus:
            assert aus == {'AU06', 'AU09', 'AU14', 'AU20', 'AU28'}
    assert len(kinds) == 6
    assert ('landmarks',) in kinds and ('landmarks', 'pose', 'gaze') in kinds
    webcam = [fault.noise for fault in patterns if fault.missing.sum() == 5]
    other = [fault.noise for fault in patterns if fault.missing.sum() != 5]
    assert np.median(webcam) > 1.5 * np.median(other)
    share = np.mean([faults(CameraConfig(missing=0.3), s).missing.any() for s in range(400)])
    assert share == pytest.approx(0.3, abs=0.08)


def test_missing_values_are_nan_and_the_rest_is_not():
    fault = next(
        f for f in (faults(CameraConfig(missing=1.0), seed) for seed in range(99))
        if f.missing.sum() == BRANCHES['landmarks']
    )  # fmt: skip
    frames = track(replace(fault, absent_s=(0.0, 0.0)))
    np.testing.assert_array_equal(
        np.isnan(values(frames)), np.tile(fault.missing, (len(frames), 1))
    )
    assert all(f.is_valid() for f in frames)


def test_people_differ_at_rest():
    people = [faults(CONFIG, seed) for seed in range(300)]
    smiles = np.array([f.at_rest[AU['AU12']] for f in people])
    assert 0.05 < (smiles > 0.3).mean() < 0.3
    assert np.std([f.pose[0] for f in people]) == pytest.approx(0.09, rel=0.2)
    smiler = people[int(np.argmax(smiles))]
    seen = values(track(replace(smiler, missing=np.zeros_like(smiler.missing))))
    assert np.median(seen[:, BRANCH_SLICES['au']][:, AU['AU12']]) == pytest.approx(
        smiles.max(), abs=0.15
    )
    same = faults(CameraConfig(scale=0.0), 0)
    assert not same.at_rest.any() and not same.pose.any() and (same.gain == 1).all()


def test_a_face_can_be_away_for_seconds():
    away = [faults(CameraConfig(absent=1.0, absent_s=(2.0, 5.0)), seed) for seed in range(50)]
    lengths = np.array([f.absent_s[1] - f.absent_s[0] for f in away])
    assert lengths.min() >= 2 and lengths.max() <= 4.5 + 1e-9  # at most 15 % of the clip
    frames = track(away[0], 30)
    begin, end = away[0].absent_s
    for f in frames:
        assert f.success != (begin <= f.stamp_ns / 1e9 < end)


def test_speakers_have_the_noise_of_openface_and_listeners_its_smooth_part():
    """Mean second differences of a recording by OpenFace: .03 to .05, .003, .01."""

    def second_differences(fault):
        x = values(track(fault, 60))
        au, pose, gaze = (
            np.abs(np.diff(x[:, BRANCH_SLICES[name]], n=2, axis=0)) for name in
            ('au', 'pose', 'gaze')
        )  # fmt: skip
        return au[:, :17].mean(), pose[:, :3].mean(), gaze.mean()

    speaker = replace(Faults.none(1.0), still=False, at_rest=np.full(18, 1.0))
    au, pose, gaze = second_differences(speaker)
    assert 0.015 < au < 0.05
    assert 0.0015 < pose < 0.0045
    assert 0.005 < gaze < 0.014
    still = second_differences(Faults.none(CONFIG.listener_noise))
    assert all(0.26 < x / y < 0.64 for x, y in zip(still, (au, pose, gaze), strict=True))
