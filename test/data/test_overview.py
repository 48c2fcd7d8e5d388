# SPDX-License-Identifier: Apache-2.0
"""Counts and timelines of people whose faces and sounds are known."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from robot_face_gen.data.lip_sync import DRIFT, Lag, LipSync
from robot_face_gen.data.overview import MOST_BINS, Overview, measure
from robot_face_gen.features.openface import FaceFrame

RATE = 16_000


def make_frame(t, valid=True):
    return FaceFrame(
        round(t * 1e9), 0.98 if valid else 0.1, valid, 640, 480, np.ones(136, np.float32),
        np.zeros(18, np.float32), np.zeros(4, np.float32), np.zeros(2, np.float32),
    )  # fmt: skip


def test_a_timeline_shows_what_is_there():
    """0 to 2 s nothing, 2 to 4 s complete, 4 to 5 s without gaze, 5 to 6 s lost, a gap to 8 s."""
    frames = [make_frame(t / 25) for t in range(50, 150)] + [
        make_frame(8 + k / 25) for k in range(25)
    ]
    blind = np.full(2, np.nan, np.float32)
    frames = [replace(f, gaze=blind) if 4e9 <= f.stamp_ns < 5e9 else f for f in frames]
    frames = [replace(f, success=False) if 5e9 <= f.stamp_ns < 6e9 else f for f in frames]
    samples = np.zeros(10 * RATE, np.float32)
    samples[RATE : 3 * RATE] = 0.1 * np.sin(np.arange(2 * RATE) / 5)
    found = measure(frames, samples, RATE)
    assert (found.frames, found.valid, found.partly_valid) == (125, 100, 25)
    assert (found.face_s, found.sound_s, found.rate_hz) == pytest.approx((9.0, 10.0, 25.0))
    assert found.speech_s == pytest.approx(2.0, abs=0.3)
    assert found.bin_s == 0.2
    each = {name: np.array(getattr(found, name)) for name in
            ('complete', 'partial', 'level_db', 'speech')}  # fmt: skip
    assert {len(x) for x in each.values()} == {50}
    expected = np.zeros(50)
    expected[10:20] = expected[40:45] = 100
    np.testing.assert_array_equal(each['complete'], expected)
    np.testing.assert_array_equal(np.flatnonzero(each['partial']), range(20, 25))
    assert each['partial'].max() == 100
    assert (each['level_db'][5:15] == -23).all() and (each['level_db'][20:] == -60).all()
    np.testing.assert_array_equal(np.flatnonzero(each['speech'] > 50), range(5, 15))


def test_bins_of_a_long_session_and_their_shares():
    frames = [make_frame(t / 25, valid=t % 4 != 0) for t in range(25 * 600)]
    found = measure(frames, np.zeros(0, np.float32), 0)
    assert len(found.complete) == MOST_BINS and found.bin_s == pytest.approx(2.0)
    # Three of four frames; a bin begins with a lost one or not.
    assert np.mean(found.complete) == pytest.approx(75, abs=0.5)
    assert found.level_db == [] and set(found.speech) == {0}


def test_nothing_recorded():
    found = measure([], np.zeros(0, np.float32), 0)
    assert (found.length_s, found.frames, found.complete) == (0.0, 0, [0])
    alone = measure([make_frame(0.0)], np.zeros(0, np.float32), 0)
    assert (alone.frames, alone.rate_hz) == (1, 0.0)
    voice = np.zeros(3 * RATE, np.float32)
    voice[:RATE] = 0.1 * np.sin(np.arange(RATE) / 5)
    assert measure([], voice, RATE).speech_s == pytest.approx(1.0, abs=0.3)


def test_an_overview_survives_json():
    sync = LipSync(DRIFT, 'because', [Lag(4.0, 0.1, 0.5), Lag(12.0, 0.3, 0.6)], (0.1, 0.3))
    found = measure([make_frame(t / 25) for t in range(50)], np.ones(RATE, np.float32), RATE, sync)
    assert Overview.from_json(json.loads(json.dumps(asdict(found)))) == found
