# SPDX-License-Identifier: Apache-2.0
"""A person is aligned to the grid of the session at the correct times."""

from types import SimpleNamespace

import numpy as np
import pytest

from robot_face_gen.data.store import value_mask
from robot_face_gen.data.tracks import align_person, frame_count
from robot_face_gen.features.openface import FaceFrame

SECOND_NS = 1_000_000_000


def faces(fps, seconds, start_s=0.0, lost=()):
    """Faces whose pose is their time; `lost` are the indices of invalid frames."""
    frames = []
    for k in range(round(seconds * fps)):
        t = start_s + k / fps
        valid = k not in lost
        frames.append(
            FaceFrame(
                round(t * SECOND_NS),
                0.95 if valid else 0.0,
                valid,
                640,
                480,
                np.linspace(100, 300, 136).astype(np.float32),
                np.zeros(18, np.float32),
                np.array([t if valid else 99, 0, 0, 0.7], np.float32),
                np.zeros(2, np.float32),
            )
        )
    return frames


def sound(seconds, hop=4):
    """Embeddings whose values are the end time of their sound."""
    return [
        SimpleNamespace(
            stamp_ns=k * hop * 20_000_000,
            data=np.repeat((k * hop + np.arange(1, hop + 1))[:, None] * 0.02, 3, axis=1),
            rate_hz=50.0,
        )
        for k in range(round(seconds * 50 / hop))
    ]


@pytest.mark.parametrize('fps', [25.0, 30.0, 60.0])
@pytest.mark.parametrize('start_s', [0.0, 0.5])
@pytest.mark.parametrize('delay_s', [0.0, 0.2])
def test_frame_k_is_at_40_k_ms(fps, start_s, delay_s):
    track = align_person(
        faces(fps, 6.0 - start_s, start_s), sound(6.0), 150, audio_dim=3, audio_delay_s=delay_s
    )
    seen = track['face_valid']
    first = round(start_s * 25)
    assert not seen[:first].any()
    assert seen[first + 1 :].all()
    t = np.arange(150) * 0.04
    # Half a period for the grid's phase, and half a period for the camera's.
    assert np.abs(track['pose'][seen, 0] - t[seen]).max() < 0.0401
    heard = track['audio_valid']
    assert heard[max(first, round(delay_s * 25)) + 3 :].all()
    late = t[heard] - delay_s - track['audio'][heard, 1, 0]
    assert late.min() > -0.0301 and late.max() < 0.0301
    np.testing.assert_allclose(
        track['audio'][heard, 1] - track['audio'][heard, 0], 0.02, atol=1e-6
    )


def test_missing_frames_repeat_the_last_and_are_invalid():
    track = align_person(faces(25.0, 4.0, lost={0, 1, 50, 51, 52}), [], 110, audio_dim=0)
    expected = np.ones(110, bool)
    expected[[0, 1, 50, 51, 52]] = False
    expected[100:] = False
    np.testing.assert_array_equal(track['face_valid'], expected)
    assert (track['pose'][50:53, 0] == track['pose'][49, 0]).all()
    assert (track['pose'][100:, 0] == track['pose'][99, 0]).all()
    assert not track['landmarks'][:2].any()
    assert all(np.isfinite(x).all() for x in track.values())
    assert track['audio'].shape == (110, 2, 0)
    assert not track['audio_valid'].any()


def test_thirty_seconds_are_750_frames():
    assert frame_count(30.0) == 750
    assert frame_count(29.9999) == 750
    assert frame_count(29.97) == 749
    assert frame_count(0.0) == 0


def test_a_value_that_the_tracker_did_not_deliver_is_nan():
    frames = faces(25.0, 4.0, lost={50})
    for k, frame in enumerate(frames):
        frame.gaze[:] = np.nan
        if k == 30:
            frame.au[3] = np.nan
        if k in (60, 61):
            frame.landmarks[:] = np.nan
    track = align_person(frames, [], 100, audio_dim=0)
    expected = np.ones((100, 25), bool)
    expected[:, 23:] = expected[30, 1 + 3] = False
    expected[60:62, 0] = False
    valid = np.arange(100) != 50
    np.testing.assert_array_equal(track['face_valid'], valid)
    np.testing.assert_array_equal(value_mask(track)[valid], expected[valid])
    assert (track['pose'][50] == track['pose'][49]).all()
