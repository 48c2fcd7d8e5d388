# SPDX-License-Identifier: Apache-2.0
"""The listener: a known random function of the speaker's past, plus independent motion.

The function is causal: what the listener does at a time depends on the speaker up to a lag before
that time. Lags and gains of a listener, and time and depth of a nod, are random. So several
listeners of one speaker differ, and each is an appropriate listener.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_face_gen.layout import AU, RX, RY, RZ, TZ

from .config import CONTROL_HZ, ListenerConfig
from .motion import Motion, add_mouth, own_motion
from .script import Phrase, Script, make_hum, make_phrase
from .signals import add_blinks, add_bump, add_hold, children, delayed, draw, smooth
from .voice import Articulation, articulate

# A silence of this length is detected as a pause.
PAUSE_DETECTION_S = 0.25
# Loudness above which a voice counts as raised, relative to normal speech.
RAISED = 0.85


@dataclass(frozen=True)
class ListenerTraits:
    """Lags and gains of one listener, drawn from the ranges of `ListenerConfig`."""

    lag_s: float
    smile_gain: float
    brow_gain: float
    frown_gain: float
    nod_lag_s: float
    nod_rad: float
    gaze_gain: float
    tilt_gain: float
    lean_m: float
    own_motion: float
    blink_interval_s: float

    @classmethod
    def draw(cls, rng: np.random.Generator, config: ListenerConfig) -> ListenerTraits:
        """Draw a listener."""
        return cls(**{name: draw(rng, getattr(config, name)) for name in cls.__annotations__})


def _perceived(x: np.ndarray, lag_s: float, settle_s: float) -> np.ndarray:
    """A signal delayed by `lag_s`, the delay of the smoothing included."""
    return delayed(smooth(x, settle_s), max(0.0, lag_s - 2 * settle_s))


def pauses(script: Script, duration_s: float) -> list[tuple[Phrase, float]]:
    """Each phrase that is followed by a detectable pause, with the length of the pause."""
    starts = [phrase.start_s for phrase in script.phrases] + [duration_s]
    gaps = [
        (phrase, after - phrase.stop_s)
        for phrase, after in zip(script.phrases, starts[1:], strict=True)
    ]
    return [(phrase, gap) for phrase, gap in gaps if gap > PAUSE_DETECTION_S]


def listener_script(
    rng: np.random.Generator, config: ListenerConfig, speaker: Script, duration_s: float
) -> Script:
    """What a listener says: short answers to questions and "mhm" in pauses."""
    script = Script()
    for phrase, gap in pauses(speaker, duration_s):
        start = phrase.stop_s + rng.uniform(0.35, 0.55)
        if phrase.kind == 'question' and rng.random() < config.answer:
            said = make_phrase(rng, 'statement', start, int(rng.integers(2, 5)), 4.5)
        elif phrase.kind != 'question' and rng.random() < config.backchannel:
            said = make_hum(rng, start)
        else:
            continue
        if said.stop_s < phrase.stop_s + gap:
            script.phrases.append(said)
    return script


def _nods(
    rng: np.random.Generator,
    config: ListenerConfig,
    traits: ListenerTraits,
    speaker: Script,
    steps: int,
) -> np.ndarray:
    """Nods at pauses and smaller ones at stressed syllables; (T,) radians, down is positive."""
    nod = np.zeros(steps)
    at_pauses = [
        (phrase.stop_s + PAUSE_DETECTION_S, 1.0, 0.85)
        for phrase, _ in pauses(speaker, steps / CONTROL_HZ)
    ]
    at_stress = [
        (s.peak_s, config.stress_nod * s.stress, 0.6) for s in speaker.syllables if s.stress
    ]
    for source, occasions in zip(children(rng, 2), (at_pauses, at_stress), strict=True):
        for moment, depth, length in occasions:
            missed = source.random() < config.nod_miss
            jitter = np.clip(config.nod_jitter_s * source.standard_normal(), -0.15, 0.15)
            spread = max(0.2, 1 + config.nod_spread * source.standard_normal())
            if not missed:
                # The nod is deepest nod_lag_s after the occasion, but never begins before it.
                start = moment + max(0.0, traits.nod_lag_s + jitter - length / 2)
                add_bump(nod, start, length, depth * traits.nod_rad * spread)
    return nod


def listener_motion(
    rng: np.random.Generator,
    config: ListenerConfig,
    traits: ListenerTraits,
    speaker: Motion,
    script: Script,
    loudness: np.ndarray,
    own_script: Script,
    own_loudness: np.ndarray,
    own_articulation: Articulation | None = None,
) -> Motion:
    """The face of a listener.

    Args:
        rng: random generator.
        config: parameters of listeners.
        traits: lags and gains of this listener.
        speaker: motion of the speaker.
        script: what the speaker says (stress and pauses are used).
        loudness: (T,) envelope of the speaker's voice, 1 for normal speech.
        own_script: what the listener says.
        own_loudness: (T,) envelope of the listener's voice.
        own_articulation: control signals of `own_script`; computed if not given.

    Returns:
        Motion: (T,) as the speaker's.
    """
    steps = len(speaker)
    motion = own_motion(rng, steps, traits.own_motion)
    lag = traits.lag_s
    smile = traits.smile_gain * _perceived(speaker.au[:, AU['AU12']], lag, 0.1)
    motion.au[:, AU['AU12']] += smile
    motion.au[:, AU['AU06']] += 0.75 * smile
    motion.au[:, AU['AU14']] += 0.3 * smile
    motion.au[:, AU['AU25']] += 0.25 * smile
    brows = traits.brow_gain * _perceived(
        0.5 * (speaker.au[:, AU['AU01']] + speaker.au[:, AU['AU02']]), lag, 0.08
    )
    motion.au[:, AU['AU01']] += brows
    motion.au[:, AU['AU02']] += 0.9 * brows
    motion.au[:, AU['AU05']] += 0.35 * brows
    # A raised voice is loud for longer than a syllable.
    heard = smooth(np.maximum(loudness - RAISED, 0), 0.25)
    frown = traits.frown_gain * np.minimum(5.0 * delayed(heard, max(0.0, lag - 0.3)), 2.8)
    motion.au[:, AU['AU04']] += frown
    motion.au[:, AU['AU07']] += 0.6 * frown
    motion.au[:, AU['AU17']] += 0.4 * frown
    motion.au[:, AU['AU15']] += 0.3 * frown

    nod_rng, smile_rng, end_rng, blink_rng = children(rng, 4)
    nod = _nods(nod_rng, config, traits, script, steps)
    lively = delayed(smooth(np.minimum(loudness, 2.5), 0.5), max(0.0, lag - 0.3))
    motion.pose[:, RX] += nod
    motion.pose[:, RY] += traits.tilt_gain * _perceived(speaker.pose[:, RY], lag, 0.12)
    motion.pose[:, RZ] += traits.tilt_gain * _perceived(speaker.pose[:, RZ], lag, 0.12)
    motion.pose[:, TZ] -= traits.lean_m * lively
    motion.gaze[:, 0] += traits.gaze_gain * _perceived(speaker.gaze[:, 0], lag, 0.06)
    # The eyes stay on the speaker while the head nods.
    motion.gaze[:, 1] += traits.gaze_gain * _perceived(speaker.gaze[:, 1], lag, 0.06) - 0.4 * nod

    add_mouth(motion, own_articulation or articulate(own_script, steps), own_loudness)
    for phrase in own_script.phrases:
        if phrase.kind != 'hum':
            smiles = np.zeros(steps)
            add_hold(smiles, phrase.start_s, phrase.stop_s + 0.4, smile_rng.uniform(0.3, 0.8), 0.3)
            motion.au[:, AU['AU12']] += smiles
    # Listeners blink at the end of phrases, and at random times.
    ends = [
        phrase.stop_s + PAUSE_DETECTION_S + traits.nod_lag_s
        for phrase, _ in pauses(script, steps / CONTROL_HZ)
        if end_rng.random() < 0.6
    ]
    add_blinks(motion.au[:, AU['AU45']], blink_rng, 2.0 * traits.blink_interval_s, ends)
    return motion
