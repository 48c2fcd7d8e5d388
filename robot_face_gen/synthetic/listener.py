# SPDX-License-Identifier: Apache-2.0
"""The listener: a known random function of the speaker's past, plus independent motion.

The function is causal: what the listener does at a time depends on the speaker up to a lag before
that time. Lags and gains of a listener, whether a smile is mirrored, times of blinks, and time,
depth and number of cycles of a nod are random. So several listeners of one speaker differ, and
each is an appropriate listener. `docs/data.md` compares the rates with published ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_face_gen.layout import AU, RX, RY, RZ, TZ

from .config import CONTROL_HZ, ListenerConfig
from .gestures import add_blinks, add_nod, blink_intensity, point_process
from .motion import Motion, Mouth, add_mouth, own_motion
from .script import Phrase, Script, make_hum, make_phrase
from .signals import add_bump, add_hold, children, delayed, draw, smooth
from .voice import articulate

# A silence of this length is detected as a pause.
PAUSE_DETECTION_S = 0.25
# Loudness above which a voice counts as raised, relative to the speaker's own running level.
RAISED = 1.5
_RUNNING_S = 8.0


@dataclass(frozen=True)
class ListenerTraits:
    """Lags and gains of one listener, drawn from the ranges of `ListenerConfig`."""

    lag_s: float
    smile_gain: float
    brow_gain: float
    frown_gain: float
    nodding: float
    nod_lag_s: float
    nod_rad: float
    gaze_gain: float
    tilt_gain: float
    lean_m: float
    own_motion: float
    own_per_min: float
    blinks_per_min: float

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
    """Nods in pauses and a few at stressed syllables; (T,) radians, down is positive."""
    nod = np.zeros(steps)
    # A nod is more likely after a longer phrase.
    occasions = [
        (
            phrase.stop_s + PAUSE_DETECTION_S,
            traits.nodding * np.clip(0.5 + 0.25 * (phrase.stop_s - phrase.start_s), 0.5, 1.25),
            1.0,
        )
        for phrase, _ in pauses(speaker, steps / CONTROL_HZ)
    ]
    at_stress = [(s.peak_s + 0.2, config.stress_nod, 0.7) for s in speaker.syllables if s.stress]
    for source, places in zip(children(rng, 2), (occasions, at_stress), strict=True):
        for moment, probability, depth in places:
            one = children(source, 1)[0]
            nods = one.random() < probability
            jitter = float(np.clip(config.nod_jitter_s * one.standard_normal(), -0.15, 0.15))
            spread = max(0.3, 1 + config.nod_spread * one.standard_normal())
            if nods:
                # Never before the occasion.
                start = moment + max(0.0, traits.nod_lag_s + jitter)
                add_nod(nod, one, start, depth * traits.nod_rad * spread, config.nod_s)
    return nod


def _mirrored(
    rng: np.random.Generator,
    signal: np.ndarray,
    phrases: list[Phrase],
    probability: float,
    gain: float,
) -> np.ndarray:
    """A signal of the speaker, times a gain that is drawn anew when each of `phrases` begins."""
    gains = np.full(len(signal), gain)
    for phrase in phrases:
        mirrors, spread = rng.random() < probability, rng.uniform(0.8, 1.2)
        gains[round(phrase.start_s * CONTROL_HZ) :] = gain * (spread if mirrors else 0.1)
    return np.asarray(smooth(gains, 0.1) * signal)


def raised_voice(loudness: np.ndarray) -> np.ndarray:
    """How far a voice is above the speaker's own running level; (T,), 0 for ordinary speech."""
    speaks = (loudness > 0.2).astype(float)
    # Before anything is heard, the level is taken to be normal.
    known = smooth(speaks, _RUNNING_S) + 0.002
    running = (smooth(loudness * speaks, _RUNNING_S) + 0.002 * 0.8) / known
    return np.maximum(smooth(loudness * speaks, 0.2) / running - RAISED, 0)


def _own_gestures(rng: np.random.Generator, motion: Motion, traits: ListenerTraits) -> None:
    """Smiles, frowns and looks away without a reason that can be seen."""
    rate = np.full(len(motion), traits.own_per_min / 60)
    for kind, source in zip(('smile', 'frown', 'look'), children(rng, 3), strict=True):
        for t in point_process(source, rate, 1.0):
            length, height = source.uniform(0.8, 2.5), source.uniform(0.6, 1.5)
            side = source.choice((-1.0, 1.0))
            if kind == 'smile':
                add_hold(motion.au[:, AU['AU12']], t, t + length, height, 0.4)
                add_hold(motion.au[:, AU['AU06']], t, t + length, 0.5 * height, 0.4)
            elif kind == 'frown':
                add_hold(motion.au[:, AU['AU04']], t, t + length, 0.7 * height, 0.5)
            else:
                add_hold(motion.gaze[:, 0], t, t + 0.6 * length, 0.2 * side * height, 0.12)
                add_hold(motion.pose[:, RY], t, t + 0.6 * length, 0.05 * side * height, 0.4)


def listener_motion(
    rng: np.random.Generator,
    config: ListenerConfig,
    traits: ListenerTraits,
    speaker: Motion,
    script: Script,
    loudness: np.ndarray,
    own_script: Script,
    own_loudness: np.ndarray,
    own_mouth: Mouth | None = None,
) -> Motion:
    """The face of a listener, as long as the speaker's motion.

    `script` and `loudness` (T,) are the speaker's, those with `own_` the listener's; a loudness is
    1 for normal speech.
    """
    steps = len(speaker)
    motion = own_motion(rng, steps, traits.own_motion)
    lag = traits.lag_s
    nod_rng, smile_rng, brow_rng, flash_rng, own_rng, said_rng, blink_rng = children(rng, 7)
    kinds = {
        kind: [p for p in script.phrases if p.kind in kind.split()]
        for kind in ('amused', 'question emphatic')
    }
    smile = _perceived(
        _mirrored(smile_rng, speaker.au[:, AU['AU12']], kinds['amused'], config.smile_mirror,
                  traits.smile_gain), lag, 0.1,
    )  # fmt: skip
    motion.add(smile, AU12=1.0, AU06=0.75, AU14=0.3, AU25=0.25)
    raised_brows = 0.5 * (speaker.au[:, AU['AU01']] + speaker.au[:, AU['AU02']])
    brows = _perceived(
        _mirrored(brow_rng, raised_brows, kinds['question emphatic'], config.brow_mirror,
                  traits.brow_gain), lag, 0.08,
    )  # fmt: skip
    for phrase, _ in pauses(script, steps / CONTROL_HZ):
        flashes, length, height = flash_rng.random(), *flash_rng.uniform((0.4, 1.2), (0.8, 2.4))
        if flashes < config.brow_flash:
            add_bump(brows, phrase.stop_s + PAUSE_DETECTION_S, length, height)
    motion.add(brows, AU01=1.0, AU02=0.9, AU05=0.35)
    heard = delayed(raised_voice(loudness), max(0.0, lag - 0.3))
    frown = traits.frown_gain * np.minimum(5.0 * heard, 2.5)
    motion.add(frown, AU04=1.0, AU07=0.6, AU17=0.4, AU15=0.3)

    nod = _nods(nod_rng, config, traits, script, steps)
    lively = delayed(smooth(np.minimum(loudness, 2.5), 0.5), max(0.0, lag - 0.3))
    motion.pose[:, RX] += nod
    motion.pose[:, RY] += traits.tilt_gain * _perceived(speaker.pose[:, RY], lag, 0.12)
    motion.pose[:, RZ] += traits.tilt_gain * _perceived(speaker.pose[:, RZ], lag, 0.12)
    motion.pose[:, TZ] -= traits.lean_m * lively
    motion.gaze[:, 0] += traits.gaze_gain * _perceived(speaker.gaze[:, 0], lag, 0.06)
    # The eyes stay on the speaker while the head nods.
    motion.gaze[:, 1] += traits.gaze_gain * _perceived(speaker.gaze[:, 1], lag, 0.06) - 0.4 * nod
    _own_gestures(own_rng, motion, traits)

    add_mouth(motion, own_mouth or articulate(own_script, steps), own_loudness)
    for phrase in own_script.phrases:
        if phrase.kind != 'hum':
            smiles = np.zeros(steps)
            add_hold(smiles, phrase.start_s, phrase.stop_s + 0.4, said_rng.uniform(0.3, 0.8), 0.3)
            motion.add(smiles, AU12=1.0)
    intensity = blink_intensity(traits.blinks_per_min, script, steps)
    add_blinks(motion.au[:, AU['AU45']], blink_rng, intensity)
    return motion
