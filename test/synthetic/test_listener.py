# SPDX-License-Identifier: Apache-2.0
"""The listener is a causal function of the speaker."""

import numpy as np
import pytest

from robot_face_gen.layout import AU, RX
from robot_face_gen.synthetic.config import CONTROL_HZ, ListenerConfig, SpeakerConfig
from robot_face_gen.synthetic.gestures import add_blinks, add_nod
from robot_face_gen.synthetic.listener import (
    ListenerTraits,
    listener_motion,
    listener_script,
    pauses,
)
from robot_face_gen.synthetic.motion import Motion, speaker_motion
from robot_face_gen.synthetic.script import Phrase, Script, Syllable, write_script
from robot_face_gen.synthetic.voice import Voice, articulate, envelope, synthesise
from robot_face_gen.training.events import find_blinks, find_brow_raises, find_nods, find_smiles

QUIET = ListenerConfig(
    own_motion=(0.0, 0.0), own_per_min=(0.0, 0.0), blinks_per_min=(0.0, 0.0), nodding=(2.0, 2.0),
    nod_spread=0.0, nod_jitter_s=0.0, stress_nod=0.0, brow_flash=0.0, smile_mirror=1.0,
    brow_mirror=1.0,
)  # fmt: skip
LIVELY = ListenerConfig()
SPEAKERS = 6


def draw_traits(config=QUIET, seed=0):
    return ListenerTraits.draw(np.random.default_rng(seed), config)


def listen(speaker, script, loudness, config=QUIET, traits=None, seed=0):
    steps = len(speaker)
    traits = traits or draw_traits(config)
    rng = np.random.default_rng(seed)
    return listener_motion(
        rng, config, traits, speaker, script, loudness, Script(), np.zeros(steps)
    )


def conversation(seed, seconds=30.0):
    rng = np.random.default_rng(seed)
    config, steps = SpeakerConfig(), round(seconds * CONTROL_HZ)
    script = write_script(rng, config, seconds, 4.5)
    a = articulate(script, steps)
    sound = synthesise(a, Voice(120.0, 1.0, 0.03), rng, 16_000)
    loudness = envelope(sound, 16_000, steps)
    return script, loudness, speaker_motion(rng, config, script, a, loudness)


@pytest.mark.parametrize('name', ['AU12', 'AU01'])
def test_smile_and_brows_are_mirrored_with_lag_and_gain(name):
    steps = 6 * CONTROL_HZ
    speaker = Motion.still(steps)
    speaker.au[2 * CONTROL_HZ :, [AU['AU01'], AU['AU02'], AU['AU12']]] = 2.0
    traits = draw_traits()
    out = listen(speaker, Script(), np.zeros(steps), traits=traits).au[:, AU[name]]
    gain = traits.smile_gain if name == 'AU12' else traits.brow_gain
    assert out[-1] == pytest.approx(2 * gain, rel=0.01)
    assert not out[: 2 * CONTROL_HZ].any()
    # The mean delay of a step response is the area above it.
    delay = np.sum(1 - out[2 * CONTROL_HZ :] / out[-1]) / CONTROL_HZ
    assert delay == pytest.approx(traits.lag_s, abs=0.03)


def test_nods_follow_pauses():
    plain = Syllable(0.5, 0.3, 0, 'none', 0.0, (1.0, 1.0), 1.0)
    after = Syllable(3.3, 1.2, 0, 'none', 0.0, (1.0, 1.0), 1.0)
    script = Script([Phrase('statement', (plain,)), Phrase('statement', (after,))])
    steps = 8 * CONTROL_HZ
    traits = draw_traits()
    nod = listen(Motion.still(steps), script, np.zeros(steps), traits=traits).pose[:, RX]
    t = np.arange(steps) / CONTROL_HZ
    begin = 0.8 + 0.25 + traits.nod_lag_s
    assert not nod[t < begin].any()  # before the pause is detected, and the listener's lag
    first = np.where(t < 3.3, nod, 0)
    assert 0.85 * traits.nod_rad * 0.99 < first.max() < 1.01 * traits.nod_rad
    assert begin + 0.1 < t[np.argmax(first)] < begin + 0.4
    assert not nod[(t > 3.3) & (t < 4.75)].any()  # the end of the other phrase
    assert nod[t > 4.75].max() > 0.8 * traits.nod_rad


def test_a_nod_has_one_to_three_cycles_that_become_smaller():
    counts = []
    for seed in range(60):
        nod = np.zeros(4 * CONTROL_HZ)
        add_nod(nod, np.random.default_rng(seed), 0.5, 0.1, (0.5, 0.7))
        inner = nod[1:-1]
        peaks = inner[(inner > nod[:-2]) & (inner >= nod[2:])]
        counts.append(len(peaks))
        assert (np.diff(peaks) < 0).all()
    assert set(counts) == {1, 2, 3}
    assert counts.count(1) > counts.count(3)


def test_the_course_of_a_blink():
    x = np.zeros(60 * CONTROL_HZ)
    add_blinks(x, np.random.default_rng(0), np.full(len(x), 0.2))
    closed = np.flatnonzero(np.diff((x > 0).astype(int)))
    for begin, end in closed.reshape(-1, 2):
        part = x[begin : end + 1]
        peak = int(np.argmax(part))
        assert 0.05 < peak / CONTROL_HZ < 0.12
        assert len(part) - peak > 1.2 * peak  # closes fast, opens slowly
        assert 1.5 < part.max() < 3.6


@pytest.fixture(scope='module')
def faces():
    """Listeners as motion at 25 Hz, with the speakers' pauses."""
    found, seconds = [], 60.0
    for seed in range(SPEAKERS):
        script, loudness, speaker = conversation(seed, seconds)
        face = listen(speaker, script, loudness, LIVELY, draw_traits(LIVELY, seed), seed=seed)
        found.append((face.au[::8], face.pose[::8], pauses(script, seconds)))
    return found


def test_rates_of_events_are_those_of_attentive_people(faces):
    blinks, nods, smiles, brows, intervals, widths = 0, 0, 0, 0, [], []
    frowns, minutes = [], 0.0
    after_pause = chance = 0.0
    for au, pose, found in faces:
        minutes += len(au) / 25 / 60
        blink, nod = find_blinks(au[:, AU['AU45']]), find_nods(pose[:, RX])
        blinks += len(blink)
        widths += blink.duration_s.tolist()
        intervals += np.diff(blink.time_s).tolist()
        nods += len(nod)
        smiles += len(find_smiles(au[:, AU['AU12']]))
        brows += len(find_brow_raises(au[:, AU['AU01']], au[:, AU['AU02']]))
        frowns.append((au[:, AU['AU04']] > 1).mean())
        t = np.arange(len(au)) / 25
        window = np.zeros(len(au), bool)
        for phrase, _ in found:
            window |= (t >= phrase.stop_s + 0.2) & (t <= phrase.stop_s + 1.0)
        after_pause += window[np.round(nod.time_s * 25).astype(int)].sum()
        chance += len(nod) * window.mean()
    assert 10 < blinks / minutes < 20
    assert 0.5 < np.std(intervals) / np.mean(intervals) < 1.2
    assert min(widths) > 0.1 and max(widths) < 0.3
    assert 8 < nods / minutes < 25
    assert 2.2 < after_pause / chance < 4.5
    assert 1 < smiles / minutes < 8
    assert 1 < brows / minutes < 8
    assert np.mean(frowns) < 0.05


def test_listeners_blink_without_a_speaker():
    steps = 120 * CONTROL_HZ
    au = listen(Motion.still(steps), Script(), np.zeros(steps), LIVELY).au[::8]
    assert 10 < len(find_blinks(au[:, AU['AU45']])) < 45


def test_most_blinks_are_at_the_ends_of_phrases(faces):
    near = chance = 0.0
    for au, _, found in faces:
        blink = find_blinks(au[:, AU['AU45']])
        t = np.arange(len(au)) / 25
        window = np.zeros(len(au), bool)
        for phrase, _ in found:
            window |= (t >= phrase.stop_s + 0.15) & (t <= phrase.stop_s + 1.05)
        near += window[np.round(blink.time_s * 25).astype(int)].sum()
        chance += len(blink) * window.mean()
    assert near / chance > 1.5


def test_only_a_voice_above_its_own_level_causes_a_frown():
    steps = 20 * CONTROL_HZ
    t = np.arange(steps) / CONTROL_HZ

    def frown(loudness):
        return listen(Motion.still(steps), Script(), loudness).au[:, AU['AU04']].max()

    for level in (0.0, 0.5, 1.0, 2.0):
        # Ordinary speech of a quiet or loud person.
        assert frown(np.full(steps, level)) < 0.3, level
    assert frown(np.where((t > 12) & (t < 14), 2.2, 0.9)) > 0.8


def test_gaze_follows():
    steps = 4 * CONTROL_HZ
    speaker = Motion.still(steps)
    speaker.gaze[CONTROL_HZ:] = (0.3, -0.1)
    traits = draw_traits()
    gaze = listen(speaker, Script(), np.zeros(steps), traits=traits).gaze
    np.testing.assert_allclose(gaze[-1], traits.gaze_gain * np.array([0.3, -0.1]), rtol=0.02)


@pytest.mark.parametrize('phrase', [1, 3, 6])
def test_the_future_has_no_influence(phrase):
    """Two conversations with the same past: the listener's past is the same, bit for bit."""
    script, loudness, speaker = conversation(1)
    cut = int(script.phrases[phrase].start_s * CONTROL_HZ)
    ended = Script(script.phrases[:phrase])
    silent = loudness.copy()
    silent[cut:] = 0
    changed = Motion(speaker.au.copy(), speaker.pose.copy(), speaker.gaze.copy())
    for x in (changed.au, changed.pose, changed.gaze):
        x[cut:] = 1.0
    a = listen(speaker, script, loudness)
    b = listen(changed, ended, silent)
    for one, other in ((a.au, b.au), (a.pose, b.pose), (a.gaze, b.gaze)):
        np.testing.assert_array_equal(one[:cut], other[:cut])
        assert np.abs(one[cut + CONTROL_HZ :] - other[cut + CONTROL_HZ :]).max() > 0.05


def test_answers_are_in_the_pauses():
    script, _, _ = conversation(0)
    config = ListenerConfig(answer=1.0, backchannel=1.0)
    said = listener_script(np.random.default_rng(0), config, script, 30.0)
    assert len(said.phrases) >= 3
    gaps = [(phrase.stop_s, phrase.stop_s + gap) for phrase, gap in pauses(script, 30.0)]
    for phrase in said.phrases:
        assert any(begin < phrase.start_s and phrase.stop_s < end for begin, end in gaps)


def test_listeners_of_one_speaker_share_a_part_and_differ():
    """A part of the variance over time is common to all listeners of a speaker."""
    config = ListenerConfig()
    common = {'au': 0.0, 'pose': 0.0, 'gaze': 0.0}
    whole = dict(common)
    for seed in range(3):
        script, loudness, speaker = conversation(seed)
        listeners = [
            listen(speaker, script, loudness, config, draw_traits(config, j), seed=j)
            for j in range(10)
        ]
        for branch in common:
            y = np.stack([getattr(face, branch)[::8] for face in listeners])
            residual = ((y - y.mean(axis=0)) ** 2).mean(axis=(0, 1)) * 10 / 9
            whole[branch] += y.var(axis=1).mean(axis=0).sum()
            common[branch] += (y.var(axis=1).mean(axis=0) - residual).sum()
    shares = {branch: common[branch] / whole[branch] for branch in common}
    assert min(shares.values()) > 0.2, shares
    assert max(shares.values()) < 0.9, shares
