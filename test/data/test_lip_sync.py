# SPDX-License-Identifier: Apache-2.0
"""Sound and mouth are judged where there is speech and movement, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

from robot_face_gen.data.lip_sync import (
    DRIFT,
    GRID_HZ,
    IN_SYNC,
    NOT_JUDGED,
    OFFSET,
    find_speech,
    judge_lip_sync,
    loudness_db,
)
from robot_face_gen.features.openface import FaceFrame
from robot_face_gen.synthetic.config import GeneratorConfig
from robot_face_gen.synthetic.conversation import generate_conversation

RATE = 16_000


@pytest.fixture(scope='module')
def dyads():
    config = GeneratorConfig(duration_s=34.0, listeners=1)
    return [generate_conversation(seed, config) for seed in range(3)]


def make_face(t, opening):
    x, y = np.zeros(68), np.zeros(68)
    x[16], y[66] = 200.0, opening * 200.0
    return FaceFrame(
        round(t * 1e9), 0.98, True, 640, 480, np.concatenate((x, y)).astype(np.float32),
        np.zeros(18, np.float32), np.zeros(4, np.float32), np.zeros(2, np.float32),
    )  # fmt: skip


def talking(seconds, late_s=0.0, faster=1.0, fps=25.0, seed=0, pause=(0.0, 0.0)):
    """A mouth that moves with the voice; the sound is delayed by `late_s`, or `faster`."""
    rng = np.random.default_rng(seed)
    words = np.cumsum(rng.uniform(0.2, 0.6, size=800))

    def loud(t):
        spoken = 0.5 * (np.searchsorted(words, t) % 2)
        return np.where((t >= pause[0]) & (t < pause[1]), 0.0, spoken)

    t = np.arange(round(seconds * fps)) / fps
    frames = [make_face(at, 0.2 * float(loud(at))) for at in t]
    heard = np.arange(round(seconds * RATE)) / RATE
    samples = loud((heard - late_s) * faster) * np.sin(2 * np.pi * 150 * heard)
    return frames, samples.astype(np.float32)


def judge(frames, samples, seconds):
    return judge_lip_sync(frames, samples, RATE, seconds)


@pytest.mark.parametrize('fps', [15.0, 25.0, 60.0])
def test_in_sync(fps):
    sync = judge(*talking(20.0, fps=fps), 20.0)
    assert sync.verdict == IN_SYNC
    assert sync.offset_s == (pytest.approx(0.0, abs=0.05), pytest.approx(0.0, abs=0.05))
    assert [lag.time_s for lag in sync.lags] == [4.0, 12.0]


@pytest.mark.parametrize('late_s', [-0.6, 0.4])
def test_offset(late_s):
    sync = judge(*talking(20.0, late_s=late_s), 20.0)
    assert sync.verdict == OFFSET
    assert sync.offset_s[0] == sync.offset_s[1] == pytest.approx(late_s, abs=0.05)
    assert f'{sync.offset_s[0]:+.2f} s' in sync.reason


def test_drift():
    sync = judge(*talking(48.0, late_s=-0.2, faster=0.99), 48.0)
    assert sync.verdict == DRIFT
    # The sound is later by 1 % of the time.
    assert sync.offset_s[0] == pytest.approx(-0.2 + 0.04, abs=0.06)
    assert sync.offset_s[1] == pytest.approx(-0.2 + 0.44, abs=0.06)
    assert judge(*talking(48.0, late_s=-0.1, faster=0.999), 48.0).verdict == IN_SYNC


@pytest.mark.parametrize('seconds', [0.0, 3.0, 15.0])
def test_a_short_clip_is_not_judged(seconds):
    sync = judge(*talking(max(seconds, 1.0), late_s=0.6), seconds)
    assert (sync.verdict, sync.reason) == (NOT_JUDGED, 'shorter than 16 s')


def test_no_verdict_without_speech():
    frames, samples = talking(34.0, late_s=0.5)
    hum = 0.1 * np.sin(np.arange(len(samples)) / 10)  # steady: nobody speaks
    noise = 0.01 * np.random.default_rng(0).standard_normal(len(samples))
    for quiet in (0 * samples, hum.astype(np.float32), noise.astype(np.float32)):
        sync = judge(frames, quiet, 34.0)
        assert (sync.verdict, sync.lags) == (NOT_JUDGED, [])
        assert sync.reason == 'speech and a visible mouth in 0 of 4 windows of 8 s'
    assert judge(frames, samples, 34.0).verdict == OFFSET
    # Speech in only one window.
    frames, samples = talking(34.0, late_s=0.5, pause=(8.0, 40.0))
    assert judge(frames, samples, 34.0).reason.startswith('speech and a visible mouth in 1 of 4')


def test_no_verdict_on_a_closed_mouth():
    _, samples = talking(34.0, late_s=0.5)
    rng = np.random.default_rng(0)
    t = np.arange(34 * 25) / 25
    # Noise of a tracker, and a smile that opens the lips slowly.
    closed = [make_face(at, abs(0.002 * rng.standard_normal())) for at in t]
    smile = [make_face(at, 0.05 * (1 + np.sin(0.8 * at))) for at in t]
    for frames in (closed, smile):
        sync = judge(frames, samples, 34.0)
        assert sync.verdict == NOT_JUDGED
        assert sync.reason == 'the mouth moves during speech in 0 of 4 windows of 8 s'


def test_no_verdict_without_landmarks():
    frames, samples = talking(20.0, late_s=0.5)
    blind = [replace(f, landmarks=np.full(136, np.nan, np.float32)) for f in frames]
    assert judge(blind, samples, 20.0).reason == 'no landmarks'
    lost = [replace(f, success=False) for f in frames]
    assert judge(lost, samples, 20.0).reason == 'no landmarks'
    assert judge([], samples, 20.0).reason == 'no landmarks'
    # Where landmarks are missing for a quarter of each window, nothing is judged either.
    partly = [f if k % 200 < 150 else blind[k] for k, f in enumerate(frames)]
    assert judge(partly, samples, 20.0).reason.startswith('speech and a visible mouth in 0 of 2')


def test_no_verdict_where_windows_disagree():
    frames, early = talking(34.0, late_s=-0.5)
    late = talking(34.0, late_s=0.5)[1]
    parts = [early, late, late, early]
    mixed = np.concatenate([x[k * 8 * RATE : (k + 1) * 8 * RATE] for k, x in enumerate(parts)])
    sync = judge(frames, mixed, 32.0)
    assert (sync.verdict, sync.reason) == (NOT_JUDGED, 'the offsets of 4 windows do not agree')
    assert len(sync.lags) == 4
    # Two of three is not enough.
    mixed = np.concatenate((early[: 16 * RATE], late[16 * RATE : 24 * RATE]))
    sync = judge(frames, mixed, 24.0)
    assert (sync.verdict, sync.reason) == (NOT_JUDGED, 'the offsets of 3 windows do not agree')


def test_no_verdict_where_few_windows_are_correlated():
    frames, own = talking(56.0, late_s=0.5)
    other = talking(56.0, seed=3)[1]
    for count, verdict in ((2, NOT_JUDGED), (5, OFFSET)):
        part = count * 8 * RATE
        sync = judge(frames, np.concatenate((own[:part], other[part:])), 56.0)
        assert (sync.verdict, len(sync.lags)) == (verdict, count)
        assert f'{count} of 7 windows with speech' in sync.reason


def test_generated_speakers_are_judged_and_listeners_are_not(dyads):
    for dyad in dyads:
        speaker, listener = dyad.speaker, dyad.listeners[0]
        assert judge(speaker.frames, speaker.sound, 34.0).verdict == IN_SYNC
        late = np.concatenate((np.zeros(8000, np.float32), speaker.sound))
        assert judge(speaker.frames, late, 34.0).verdict == OFFSET
        for sound in (listener.sound, speaker.sound, late):
            assert judge(listener.frames, sound, 34.0).verdict == NOT_JUDGED


def test_a_voice_of_another_recording_gives_no_verdict(dyads):
    for one in dyads:
        for other in dyads:
            if other is not one:
                sync = judge(one.speaker.frames, other.speaker.sound, 34.0)
                assert sync.verdict == NOT_JUDGED


def test_speech_is_loud_sound_between_pauses():
    samples = np.zeros(10 * RATE, np.float32)
    samples[3 * RATE : 6 * RATE] = 0.1 * np.sin(np.arange(3 * RATE) / 5)
    t = np.arange(0, 10, 1 / GRID_HZ)
    level = loudness_db(samples, RATE, t)
    assert level[200] == pytest.approx(-23.0, abs=0.2) and level[0] == -100.0
    speech = find_speech(level)
    np.testing.assert_array_equal(speech[160:290], True)
    assert speech.sum() / GRID_HZ == pytest.approx(3.0, abs=0.3)
    assert not find_speech(loudness_db(1e-4 * samples, RATE, t)).any()
