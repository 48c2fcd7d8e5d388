# SPDX-License-Identifier: Apache-2.0
"""Motion of face and head: the speaker, and the parts that speaker and listener share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from robot_face_gen.layout import AU, BRANCHES, RX, RY, RZ, TZ

from .config import CONTROL_HZ, SpeakerConfig
from .gestures import add_blinks, blink_intensity
from .script import Script
from .signals import add_bump, add_hold, draw, smooth, wander


@dataclass
class Motion:
    """Motion of a face, sampled at `CONTROL_HZ`, before a camera sees it."""

    au: np.ndarray  # (T, 18) intensities; the last one is AU28, 0 or 1
    pose: np.ndarray  # (T, 4) Rx, Ry, Rz in radians, and the change of Tz in metres
    gaze: np.ndarray  # (T, 2) radians

    @classmethod
    def still(cls, steps: int) -> Motion:
        """A face at rest."""
        return cls(*(np.zeros((steps, BRANCHES[name])) for name in ('au', 'pose', 'gaze')))

    def __len__(self) -> int:
        return len(self.au)

    def add(self, signal: np.ndarray, **gains: float) -> None:
        """Add a signal (T,) to action units, each with a gain: `add(smile, AU12=1.0)`."""
        for name, gain in gains.items():
            self.au[:, AU[name]] += gain * signal


@dataclass
class Mouth:
    """Control signals of a mouth that speaks, sampled at `CONTROL_HZ`; all (T,) float64."""

    voiced: np.ndarray  # amplitude of the voice, 1 for a normal vowel
    hiss: np.ndarray  # amplitude of the consonant noise
    open: np.ndarray  # opening of the mouth, 0..1
    round: np.ndarray  # rounding of the lips, 0..1
    spread: np.ndarray  # spreading of the lips, 0..1
    closed: np.ndarray  # closure of the lips, 0..1


def add_mouth(motion: Motion, a: Mouth, loudness: np.ndarray) -> None:
    """Add the mouth motion that belongs to a sound with the envelope `loudness` (T,)."""
    effort = np.sqrt(np.minimum(loudness, 4.0))
    jaw = _eased(a.open * effort, 0.075)
    closed = _eased(a.closed, 0.03)
    open_lips = np.clip(1 - closed, 0, 1)
    parted = _eased(a.voiced + a.hiss > 0.05, 0.08)
    motion.add(open_lips * parted, AU25=0.7)
    motion.add(open_lips * jaw, AU25=2.0, AU26=1.7)
    motion.add(jaw, AU10=0.5)
    motion.add(_eased(a.spread * parted, 0.06), AU20=0.7, AU14=0.5)
    motion.add(_eased(0.7 * a.round * parted + 0.5 * a.closed, 0.08), AU23=1.0)
    motion.add(_eased(a.closed + 0.3 * a.round * parted, 0.06), AU17=0.8)


def _eased(x: np.ndarray, time_s: float) -> np.ndarray:
    """Slow motion of a muscle without a delay: lips and jaw move before their sound."""
    return np.asarray(gaussian_filter1d(x.astype(float), time_s * CONTROL_HZ, mode='nearest'))


def own_motion(rng: np.random.Generator, steps: int, gain: float) -> Motion:
    """Small, slow random motion that is independent of the conversation."""
    motion = Motion.still(steps)
    for axis, size in ((RX, 0.014), (RY, 0.02), (RZ, 0.012), (TZ, 0.005)):
        motion.pose[:, axis] = gain * size * wander(rng, steps, 1.3)
    for axis, size in ((0, 0.02), (1, 0.015)):
        motion.gaze[:, axis] = gain * size * wander(rng, steps, 0.5)
    for name, size in (
        ('AU01', 0.08), ('AU02', 0.06), ('AU04', 0.1), ('AU06', 0.08), ('AU07', 0.12),
        ('AU12', 0.1), ('AU14', 0.12), ('AU15', 0.08), ('AU17', 0.12), ('AU23', 0.06),
    ):  # fmt: skip
        motion.au[:, AU[name]] = gain * size * np.maximum(wander(rng, steps, 0.7), 0)
    return motion


def speaker_motion(
    rng: np.random.Generator,
    config: SpeakerConfig,
    script: Script,
    a: Mouth,
    loudness: np.ndarray,
) -> Motion:
    """The face of a speaker: mouth, smiles, brows, head beats, gaze, blinks.

    `loudness` is the envelope (T,) of the sound, 1 for a normal vowel.
    """
    steps = len(loudness)
    strong, lively = draw(rng, config.expressiveness), draw(rng, config.head_motion)
    motion = own_motion(rng, steps, 1.0)
    add_mouth(motion, a, loudness)
    smile, brows, frown = np.zeros(steps), np.zeros(steps), np.zeros(steps)
    turn, tilt, nod = np.zeros(steps), np.zeros(steps), np.zeros(steps)
    for phrase in script.phrases:
        start, stop = phrase.start_s, phrase.stop_s
        if phrase.kind == 'amused':
            add_hold(smile, start + 0.2, stop + rng.uniform(0.2, 0.7), rng.uniform(1.8, 3.0), 0.4)
        elif phrase.kind == 'raised':
            add_hold(frown, start + 0.1, stop + 0.2, rng.uniform(1.5, 2.6), 0.35)
        elif phrase.kind == 'question':
            tail = max(start, stop - 0.8)
            add_hold(brows, tail, stop + rng.uniform(0.5, 1.0), rng.uniform(1.6, 2.6), 0.3)
            add_hold(tilt, tail, stop + 0.9, rng.choice((-1, 1)) * rng.uniform(0.08, 0.16), 0.5)
        side = float(rng.choice((-1.0, 1.0)))
        if rng.random() < config.look_away:
            away = start + rng.uniform(0.6, 1.4)
            far = rng.uniform(0.2, 0.4)
            for axis, height in ((0, side * far), (1, rng.uniform(-0.12, 0.15))):
                look = np.zeros(steps)
                add_hold(look, start - 0.15, away, height, 0.12)
                motion.gaze[:, axis] += look
            add_hold(turn, start - 0.05, away + 0.2, side * rng.uniform(0.08, 0.2), 0.45)
        for s in phrase.syllables:
            if s.stress and phrase.kind == 'emphatic':
                add_bump(brows, s.start_s - 0.12, 0.75, s.stress * rng.uniform(1.6, 2.6))
            if s.stress:
                add_bump(nod, s.peak_s - 0.15, 0.4, s.stress * rng.uniform(0.03, 0.07))
    motion.add(strong * smile, AU12=1.0, AU06=0.75)
    motion.add(strong * brows, AU01=0.9, AU02=0.8, AU05=0.3)
    motion.add(strong * frown, AU04=1.0, AU07=0.6)
    motion.pose[:, RX] += lively * (nod + 0.03 * wander(rng, steps, 0.6))
    motion.pose[:, RY] += lively * turn
    motion.pose[:, RZ] += lively * tilt
    motion.pose[:, TZ] -= 0.012 * lively * smooth(np.minimum(loudness, 3), 0.5)
    intensity = blink_intensity(draw(rng, config.blinks_per_min), script, steps)
    add_blinks(motion.au[:, AU['AU45']], rng, intensity)
    _suck_lips(rng, motion, script)
    return motion


def _suck_lips(rng: np.random.Generator, motion: Motion, script: Script) -> None:
    """Suck the lips in (AU28) in some of the pauses."""
    for before, after in zip(script.phrases, script.phrases[1:], strict=False):
        if after.start_s - before.stop_s > 0.6 and rng.random() < 0.1:
            begin, end = before.stop_s + 0.15, after.start_s - 0.15
            motion.au[int(begin * CONTROL_HZ) : int(end * CONTROL_HZ), AU['AU28']] = 1.0
