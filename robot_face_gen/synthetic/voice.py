# SPDX-License-Identifier: Apache-2.0
"""Speech synthesis from a script: glottal source, formant resonators, noise for consonants.

This is the source-filter model of speech: a pulse train at the pitch of the voice passes a cascade
of resonators at the formants of the vowel; consonants are silence, bursts and noise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.signal import sosfilt

from .config import CONTROL_HZ
from .motion import Mouth
from .script import VOWELS, Script
from .signals import smooth

_FIXED_FORMANT = 3500.0
_BANDWIDTHS = np.array([70.0, 95.0, 130.0, 220.0])
_HOLD = 2  # control steps for which the resonators stay the same
# Root mean square of a normal vowel; full scale is 1.
SPEECH_LEVEL = 0.05


@dataclass(frozen=True)
class Voice:
    """Parameters of a person's voice."""

    pitch_hz: float  # mean pitch
    vocal_tract: float  # factor on all formants
    breath: float  # share of breath noise in the source


@dataclass
class Articulation(Mouth):
    """Control signals of mouth and voice, sampled at `CONTROL_HZ`; all arrays (T,) float64."""

    hiss_hz: np.ndarray  # centre frequency of the consonant noise
    pitch: np.ndarray  # relative to the mean pitch of the voice
    f1: np.ndarray  # first formant of an average adult, Hz
    f2: np.ndarray  # second formant
    f3: np.ndarray  # third formant


def articulate(script: Script, steps: int) -> Articulation:
    """Convert a script to control signals of `steps` samples."""
    neutral = VOWELS[-1]
    a = Articulation(**{entry.name: np.zeros(steps) for entry in fields(Articulation)})
    a.pitch += 1.0
    a.hiss_hz += 3000.0
    for track, hertz in zip((a.f1, a.f2, a.f3), neutral.formants, strict=True):
        track += hertz
    for phrase in script.phrases:
        nasal_only = phrase.kind == 'hum'
        for s in phrase.syllables:
            begin, end = (round(t * CONTROL_HZ) for t in (s.start_s, s.start_s + s.length_s))
            begin, end = min(begin, steps), min(end, steps)
            if end - begin < 4:
                continue
            vowel = VOWELS[s.vowel]
            onset = min({'none': 0, 'fricative': 18}.get(s.onset, 11), (end - begin) // 2)
            core = slice(begin + onset, end)
            through = np.linspace(0, 1, end - begin)
            a.pitch[begin:end] = s.pitch[0] + (s.pitch[1] - s.pitch[0]) * through
            inside = np.linspace(0, 1, end - begin - onset)
            swell = np.minimum(1, np.minimum(inside / 0.2 + 0.15, (1 - inside) / 0.3 + 0.05))
            a.voiced[core] = s.loudness * swell
            for track, hertz in zip((a.f1, a.f2, a.f3), vowel.formants, strict=True):
                track[begin:end] = hertz
            if nasal_only:
                a.f1[begin:end] = 260.0
                a.closed[begin:end] = 0.7
                continue
            a.open[core] = vowel.open * (0.7 + 0.4 * s.stress)
            a.round[core], a.spread[core] = vowel.round, vowel.spread
            if s.onset == 'fricative':
                a.hiss[begin : begin + onset] = 0.3 * s.loudness
                a.hiss_hz[begin:end] = 3800.0 if s.vowel % 2 else 5400.0
            elif s.onset == 'nasal':
                a.voiced[begin : begin + onset] = 0.35 * s.loudness
                a.f1[begin : begin + onset] = 260.0
            elif s.onset in ('plosive', 'labial'):
                a.hiss[begin + onset - 3 : begin + onset] = 0.5 * s.loudness
                a.hiss_hz[begin:end] = 1200.0 if s.onset == 'labial' else 3000.0
            if s.onset == 'labial':
                a.closed[begin : begin + onset] = 1.0
    a.voiced, a.pitch = smooth(a.voiced, 0.006), smooth(a.pitch, 0.02)
    a.f1, a.f2, a.f3 = smooth(a.f1, 0.012), smooth(a.f2, 0.012), smooth(a.f3, 0.012)
    return a


def _resonators(hertz: np.ndarray, bandwidth_hz: np.ndarray, rate: float) -> np.ndarray:
    """Second-order sections (T, k, 6) of resonators (T, k) with gain 1 at 0 Hz."""
    radius = np.exp(-np.pi * bandwidth_hz / rate)
    b, c = 2 * radius * np.cos(2 * np.pi * np.minimum(hertz, 0.45 * rate) / rate), -(radius**2)
    sections = np.zeros((*hertz.shape, 6))
    sections[..., 0], sections[..., 3] = 1 - b - c, 1
    sections[..., 4], sections[..., 5] = -b, -c
    return sections


def _flow(phase: np.ndarray) -> np.ndarray:
    """Flow through the glottis: opens slowly, closes fast, then stays closed."""
    opening = 0.5 - 0.5 * np.cos(np.pi * phase / 0.4)
    closing = np.cos(0.5 * np.pi * (phase - 0.4) / 0.16)
    return np.where(phase < 0.4, opening, np.where(phase < 0.56, closing, 0.0))


def synthesise(
    a: Articulation, voice: Voice, rng: np.random.Generator, sample_rate: int
) -> np.ndarray:
    """Synthesise the sound of control signals: (n,) float32, -1..1, exactly as long as they."""
    count = round(len(a.voiced) * sample_rate / CONTROL_HZ)
    sound = np.zeros(count)
    blocks = [k for k in range(0, len(a.voiced), _HOLD) if a.voiced[k] + a.hiss[k] > 1e-4]
    if not blocks:
        return sound.astype(np.float32)
    # Only from the first to the last sound.
    first, last = blocks[0], min(blocks[-1] + _HOLD, len(a.voiced))
    offset = first * sample_rate // CONTROL_HZ
    at = np.arange(offset, last * sample_rate // CONTROL_HZ) * CONTROL_HZ / sample_rate
    flutter = 1 + 0.03 * smooth(rng.standard_normal(len(a.pitch)), 0.01)
    steps = np.arange(len(a.voiced))
    loud, air, pitch = (np.interp(at, steps, x) for x in (a.voiced, a.hiss, a.pitch * flutter))
    noise = rng.standard_normal(len(at))
    pitch *= voice.pitch_hz
    flow = _flow(np.cumsum(pitch) / sample_rate % 1)
    # The lips radiate the derivative; the scale makes high and low voices equally loud.
    source = np.diff(flow, prepend=0.0) * sample_rate / (8 * np.maximum(pitch, 50.0))
    source = loud * (source + voice.breath * flow * noise)
    hiss = air * noise
    formants = np.stack((a.f1, a.f2, a.f3, np.full_like(a.f1, _FIXED_FORMANT)), axis=1)
    sections = _resonators(formants * voice.vocal_tract, _BANDWIDTHS, sample_rate)
    noisy = _resonators(a.hiss_hz[:, None], np.array([900.0]), sample_rate)
    noisy[..., 0] = 1 - np.exp(-np.pi * 900.0 / sample_rate)
    memory, noisy_memory = np.zeros((4, 2)), np.zeros((1, 2))
    for k in blocks:
        begin, end = (t * sample_rate // CONTROL_HZ for t in (k, min(k + _HOLD, last)))
        place = slice(begin - offset, end - offset)
        spoken, memory = sosfilt(sections[k], source[place], zi=memory)
        sound[begin:end] = spoken
        if a.hiss[k : k + _HOLD].any():
            hissed, noisy_memory = sosfilt(noisy[k], hiss[place], zi=noisy_memory)
            sound[begin:end] += hissed
    # Normalise the level of the source: loudness means the same for every voice.
    sound *= SPEECH_LEVEL / 0.85
    # Soft clipping keeps a raised voice below full scale.
    return np.tanh(sound).astype(np.float32)


def envelope(sound: np.ndarray, sample_rate: int, steps: int) -> np.ndarray:
    """Loudness (steps,) of a sound (n,), sampled at `CONTROL_HZ`, 1 for a normal vowel.

    It is the root mean square over 25 ms.
    """
    power = np.concatenate(([0.0], np.cumsum(np.square(sound, dtype=np.float64))))
    stop = np.minimum(np.arange(1, steps + 1) * sample_rate // CONTROL_HZ, len(sound))
    start = np.maximum(stop - sample_rate // 40, 0)
    mean = (power[stop] - power[start]) / np.maximum(stop - start, 1)
    return np.sqrt(np.maximum(mean, 0)) / SPEECH_LEVEL
