# SPDX-License-Identifier: Apache-2.0
"""Generated conversations are reproducible, pass the checks, and differ from each other."""

from dataclasses import replace

import numpy as np
import pytest

from robot_face_gen.data.checks import ERROR, Findings, check_face, check_lengths, check_sound
from robot_face_gen.data.lip_sync import IN_SYNC, OFFSET, judge_lip_sync
from robot_face_gen.layout import AU, RX
from robot_face_gen.synthetic.config import (
    CameraConfig,
    GeneratorConfig,
    ListenerConfig,
    SoundConfig,
    SpeakerConfig,
)
from robot_face_gen.synthetic.conversation import generate_conversation

# Complete faces on the usual scale; `test_tracker` has the others.
COMPLETE = CameraConfig(missing=0.0, absent=0.0)
SHORT = GeneratorConfig(duration_s=8.0, listeners=2, camera=COMPLETE)


@pytest.fixture(scope='module')
def dyad():
    return generate_conversation(5, SHORT)


def everything(person):
    faces = [
        np.concatenate((f.landmarks, f.au, f.pose, f.gaze, [f.confidence, f.success, f.stamp_ns]))
        for f in person.frames
    ]
    return np.stack(faces), person.sound


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(everything(a), everything(b), strict=True))


def test_a_seed_gives_the_same_conversation_bit_for_bit(dyad):
    again = generate_conversation(5, SHORT)
    assert same(dyad.speaker, again.speaker)
    assert all(same(a, b) for a, b in zip(dyad.listeners, again.listeners, strict=True))
    assert not same(dyad.speaker, generate_conversation(6, SHORT).speaker)
    assert not same(*dyad.listeners)


def test_the_first_listener_is_independent_of_others(dyad):
    alone = generate_conversation(5, replace(SHORT, listeners=1))
    assert same(alone.speaker, dyad.speaker)
    assert same(alone.listeners[0], dyad.listeners[0])


def test_the_noise_of_listeners_differs_between_them():
    def pitch(**camera):
        config = replace(SHORT, camera=replace(COMPLETE, fps=(25.0,), **camera))
        listeners = generate_conversation(5, config).listeners
        return np.array([[f.pose[RX] for f in person.frames] for person in listeners])

    still = pitch(listener_noise=0.0)
    same, apart = (pitch(listener_noise_spread=spread) - still for spread in (0.0, 0.5))
    factors = apart.std(axis=1) / same.std(axis=1)
    np.testing.assert_allclose(apart, factors[:, None] * same, atol=1e-6)
    assert abs(np.log(factors[0] / factors[1])) > 0.1


def test_frames_have_the_format_of_a_tracker(dyad):
    for person in (dyad.speaker, *dyad.listeners):
        rate = 1e9 / np.median(np.diff([f.stamp_ns for f in person.frames]))
        assert min(abs(rate - 25), abs(rate - 30)) < 0.01
        assert len(person.frames) == round(8 * rate)
        assert person.frames[0].stamp_ns == 0
        assert len(person.sound) == 8 * person.sample_rate
        for f in person.frames:
            assert f.landmarks.shape == (136,)
            assert f.landmarks.dtype == f.au.dtype == f.pose.dtype == f.gaze.dtype == np.float32
            assert np.isfinite(f.landmarks).all()
            assert (f.au >= 0).all() and (f.au <= 5).all()
            assert f.au[AU['AU28']] in (0, 1)
            assert 0 <= f.confidence <= 1
        seen = np.stack([f.landmarks for f in person.frames if f.success])
        width, height = person.frames[0].image_width, person.frames[0].image_height
        assert (seen[:, :68] > 0).all() and (seen[:, :68] < width).all()
        assert (seen[:, 68:] > 0).all() and (seen[:, 68:] < height).all()


def test_conversations_pass_the_checks():
    for seed in range(3):
        dyad = generate_conversation(seed, replace(SHORT, duration_s=20.0, listeners=1))
        found = Findings()
        speaker = dyad.speaker
        length = check_face(speaker.frames, found)
        check_sound(speaker.sound, found)
        check_lengths(length, len(speaker.sound) / speaker.sample_rate, found)
        assert [f for f in found if f.level == ERROR or 'lengths' in f.what] == []
        assert (
            judge_lip_sync(speaker.frames, speaker.sound, speaker.sample_rate, 20.0).verdict
            == IN_SYNC
        )


def test_the_mouth_moves_with_the_voice():
    """A shifted sound is detected, so mouth and voice correlate."""
    detected = 0
    room = SoundConfig(noise_db=(-40.0, -30.0))
    config = replace(SHORT, duration_s=20.0, listeners=1, sound=room)
    for seed in range(3):
        speaker = generate_conversation(seed, config).speaker
        late = np.concatenate((np.zeros(8000, np.float32), speaker.sound))
        sync = judge_lip_sync(speaker.frames, late, speaker.sample_rate, 20.0)
        detected += sync.verdict == OFFSET and 0.3 < sync.offset_s[0] < 0.6
    assert detected == 3


def test_smiles_and_turns_show_in_the_landmarks():
    quiet = replace(
        COMPLETE, landmark_noise=0.0, au_noise=0.0, dropouts_per_minute=0.0, fps=(25.0,), scale=0.0
    )
    config = replace(SHORT, duration_s=20.0, listeners=1, camera=quiet)
    frames = generate_conversation(1, config).speaker.frames
    x = np.stack([f.landmarks[:68] for f in frames]).astype(float)
    y = np.stack([f.landmarks[68:] for f in frames]).astype(float)
    au = np.stack([f.au for f in frames])
    pose = np.stack([f.pose for f in frames])
    width = x[:, 16] - x[:, 0]
    opening = (y[:, 66] - y[:, 62]) / width
    assert np.corrcoef(opening, au[:, AU['AU26']])[0, 1] > 0.8
    mouth = (x[:, 54] - x[:, 48]) / width
    assert np.corrcoef(mouth, au[:, AU['AU12']])[0, 1] > 0.4
    # The nose moves relative to the jaw when the head turns.
    nose = (x[:, 30] - (x[:, 0] + x[:, 16]) / 2) / width
    assert abs(np.corrcoef(nose, pose[:, 1])[0, 1]) > 0.9


def test_speakers_differ_in_position_and_image_size():
    dyads = [generate_conversation(seed, replace(SHORT, duration_s=2.0)) for seed in range(12)]
    sizes = {(d.speaker.frames[0].image_width, d.speaker.frames[0].image_height) for d in dyads}
    assert len(sizes) == 3
    distance = np.array([np.median([f.pose[3] for f in d.speaker.frames]) for d in dyads])
    assert distance.min() < 0.65 and distance.max() > 0.85
    listeners = [np.median([f.pose[3] for f in p.frames]) for d in dyads for p in d.listeners]
    assert min(listeners) > 0.5 and max(listeners) < 0.75


def test_the_rate_of_dropouts():
    camera = replace(COMPLETE, dropouts_per_minute=30.0, dropout_s=(0.5, 0.5))
    config = replace(SHORT, duration_s=30.0, listeners=1, camera=camera)
    frames = [f for seed in range(3) for f in generate_conversation(seed, config).speaker.frames]
    assert 0.1 < np.mean([not f.success for f in frames]) < 0.4
    assert all(f.success == (f.confidence > 0.7) for f in frames)
    never = replace(config, camera=replace(COMPLETE, dropouts_per_minute=0.0))
    assert all(
        f.success and f.confidence > 0.7 for f in generate_conversation(0, never).speaker.frames
    )


@pytest.mark.parametrize(
    'make, message',
    [
        (lambda: GeneratorConfig(duration_s=0.5), 'duration_s = 0.5: expected at least 1 s'),
        (lambda: GeneratorConfig(listeners=0), 'listeners = 0: expected at least 1'),
        (lambda: GeneratorConfig(sample_rate=4000), 'sample_rate = 4000: expected at least 8000'),
        (lambda: SpeakerConfig(pitch_hz=(200, 100)), r'pitch_hz = \(200, 100\): expected low'),
        (lambda: SpeakerConfig(question=0.9), 'shares of all phrases'),
        (lambda: ListenerConfig(answer=1.5), r'ListenerConfig.answer = 1.5: expected 0 to 1'),
        (lambda: ListenerConfig(lag_s=(0.5, 3.0)), r'lag_s = \(0.5, 3.0\).* 0 to 1.5 s'),
        (lambda: CameraConfig(fps=()), 'CameraConfig.fps'),
    ],
)
def test_impossible_parameters_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Mean absolute second difference from frame to frame at 25 Hz in one recording of OpenFace 2. Its
# person is silent and blinks 40 times a minute: for mouth and lids, the median of five people who
# talk. Tz is relative.
RECORDED = {
    'AU01': 0.043, 'AU02': 0.031, 'AU04': 0.043, 'AU05': 0.028, 'AU06': 0.043, 'AU07': 0.117,
    'AU09': 0.013, 'AU10': 0.051, 'AU12': 0.035, 'AU14': 0.059, 'AU15': 0.024, 'AU17': 0.064,
    'AU20': 0.027, 'AU23': 0.032, 'AU25': 0.082, 'AU26': 0.083, 'AU45': 0.053,
    'Rx': 0.0044, 'Ry': 0.0030, 'Rz': 0.0024, 'Tz': 0.0033, 'gaze x': 0.0108, 'gaze y': 0.0128,
}  # fmt: skip


def test_speakers_move_as_fast_as_recorded_people():
    """Too fast a mouth is one that no recording has."""
    camera = replace(COMPLETE, fps=(25.0,), dropouts_per_minute=0.0)
    config = replace(SHORT, duration_s=20.0, listeners=1, camera=camera)
    found = []
    for seed in range(8):
        frames = generate_conversation(seed, config).speaker.frames
        au, pose = np.stack([f.au[:17] for f in frames]), np.stack([f.pose for f in frames])
        pose[:, 3] /= pose[:, 3].mean()
        values = np.concatenate((au, pose, [f.gaze for f in frames]), axis=1)
        found.append(np.abs(np.diff(values, n=2, axis=0)).mean(axis=0))
    ratio = np.mean(found, axis=0) / np.array(list(RECORDED.values()))
    wrong = {name: r for name, r in zip(RECORDED, ratio, strict=True) if not 0.5 < r < 2}
    assert not wrong
