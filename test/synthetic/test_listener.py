# SPDX-License-Identifier: Apache-2.0
"""The listener is a causal function of the speaker."""

import numpy as np
import pytest

from robot_face_gen.layout import AU, RX
from robot_face_gen.synthetic.config import CONTROL_HZ, ListenerConfig, SpeakerConfig
from robot_face_gen.synthetic.listener import (
    ListenerTraits,
    listener_motion,
    listener_script,
    pauses,
)
from robot_face_gen.synthetic.motion import Motion, speaker_motion
from robot_face_gen.synthetic.script import Phrase, Script, Syllable, write_script
from robot_face_gen.synthetic.voice import Voice, articulate, envelope, synthesise

QUIET = ListenerConfig(
    own_motion=(0.0, 0.0), nod_miss=0.0, nod_spread=0.0, nod_jitter_s=0.0,
    blink_interval_s=(1e9, 1e9),
)  # fmt: skip


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
    sound = synthesise(a, Voice(120.0, 1.0, 0.03, -55.0), rng, 16_000)
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


def test_nods_follow_pauses_and_stress():
    plain = Syllable(0.5, 0.3, 0, 'none', 0.0, (1.0, 1.0), 1.0)
    after = Syllable(3.3, 1.2, 0, 'none', 0.0, (1.0, 1.0), 1.0)
    stressed = Syllable(3.0, 0.3, 0, 'none', 1.0, (1.0, 1.0), 1.0)
    script = Script([Phrase('statement', (plain,)), Phrase('statement', (stressed, after))])
    steps = 6 * CONTROL_HZ
    traits = draw_traits()
    nod = listen(Motion.still(steps), script, np.zeros(steps), traits=traits).pose[:, RX]
    t = np.arange(steps) / CONTROL_HZ
    at_pause = t[np.argmax(np.where(t < 2.5, nod, 0))]
    assert at_pause == pytest.approx(0.8 + 0.25 + max(traits.nod_lag_s, 0.425), abs=0.03)
    assert nod[(t > 0.8) & (t < 2.5)].max() == pytest.approx(traits.nod_rad, rel=0.01)
    assert not nod[t < 1.05].any()  # before the pause is detected
    late = np.where((t > 2.5) & (t < 4.5), nod, 0)
    expected = 3.165 + max(traits.nod_lag_s, 0.3)
    assert t[np.argmax(late)] == pytest.approx(expected, abs=0.03)
    assert late.max() == pytest.approx(QUIET.stress_nod * traits.nod_rad, rel=0.01)


def test_only_a_raised_voice_causes_a_frown():
    steps = 4 * CONTROL_HZ
    frowns = [
        listen(Motion.still(steps), Script(), np.full(steps, loud)).au[:, AU['AU04']].max()
        for loud in (0.0, 0.8, 1.8)
    ]
    assert frowns[0] == frowns[1] == 0
    assert frowns[2] > 1


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


def test_most_of_a_listener_is_explained_by_the_speaker():
    """Most of the variance over time is common to all listeners of a speaker."""
    config = ListenerConfig()
    common = {'au': 0.0, 'pose': 0.0, 'gaze': 0.0}
    whole = dict(common)
    for seed in range(3):
        script, loudness, speaker = conversation(seed)
        faces = [
            listen(speaker, script, loudness, config, draw_traits(config, j), seed=j)
            for j in range(10)
        ]
        for branch in common:
            y = np.stack([getattr(face, branch)[::8] for face in faces])
            residual = ((y - y.mean(axis=0)) ** 2).mean(axis=(0, 1)) * 10 / 9
            whole[branch] += y.var(axis=1).mean(axis=0).sum()
            common[branch] += (y.var(axis=1).mean(axis=0) - residual).sum()
    shares = {branch: common[branch] / whole[branch] for branch in common}
    assert min(shares.values()) > 0.5, shares
    assert max(shares.values()) < 0.95, shares  # listeners differ
