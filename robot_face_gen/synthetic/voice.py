# SPDX-License-Identifier: Apache-2.0
"""Speech synthesis from a script: glottal source, formant resonators, noise for consonants.

This is the source-filter model of speech: a pulse train at the pitch of the voice passes a cascade
of resonators at the formants of the vowel; consonants are silence, bursts and noise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from robot_face_gen.extras import require

from .config import CONTROL_HZ
from .script import VOWELS, Script
from .signals import smooth

numba = require('numba', 'training')

_FIXED_FORMANT = 3500.0
_BANDWIDTHS = np.array([70.0, 95.0, 130.0, 220.0])
# Root mean square of a normal vowel; full scale is 1.
SPEECH_LEVEL = 0.05


@dataclass(frozen=True)
class Voice:
    """Parameters of a person's voice."""

    pitch_hz: float  # mean pitch
    vocal_tract: float  # factor on all formants
    breath: float  # share of breath noise in the source
    room_noise_db: float  # background noise relative to `SPEECH_LEVEL`


@dataclass
class Articulation:
    """Control signals of voice and mouth, sampled at `CONTROL_HZ`; all arrays (T,) float64."""

    voiced: np.ndarray  # amplitude of the glottal source, 1 for a normal vowel
    hiss: np.ndarray  # amplitude of the consonant noise
    hiss_hz: np.ndarray  # centre frequency of that noise
    pitch: np.ndarray  # relative to the mean pitch of the voice
    f1: np.ndarray  # first formant of an average adult, Hz
    f2: np.ndarray  # second formant
    f3: np.ndarray  # third formant
    open: np.ndarray  # opening of the mouth, 0..1
    round: np.ndarray  # rounding of the lips, 0..1
    spread: np.ndarray  # spreading of the lips, 0..1
    closed: np.ndarray  # closure of the lips, 0..1


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


@numba.njit(cache=True)
def _synthesise(
    source: np.ndarray,
    hiss: np.ndarray,
    hiss_hz: np.ndarray,
    formants: np.ndarray,
    bandwidths: np.ndarray,
    voiced: np.ndarray,
    hertz: np.ndarray,
    breath: float,
    rate: float,
    control_hz: float,
) -> np.ndarray:
    """Run the resonators sample by sample; `source` is white noise for breath and consonants."""
    count = len(source)
    out = np.empty(count)
    memory = np.zeros((5, 2))
    coefficients = np.zeros((5, 3))
    phase, before = 0.0, 0.0
    hold = max(1, int(rate / (2 * control_hz)))  # coefficients change every 2.5 ms
    last = len(voiced) - 1
    loud, air, pitch = 0.0, 0.0, 0.0
    for n in range(count):
        if n % hold == 0:
            position = n * control_hz / rate
            i = min(int(position), last)
            j = min(i + 1, last)
            w = position - int(position)
            loud = (1 - w) * voiced[i] + w * voiced[j]
            air = (1 - w) * hiss[i] + w * hiss[j]
            pitch = (1 - w) * hertz[i] + w * hertz[j]
            for r in range(5):
                if r < 4:
                    centre = (1 - w) * formants[r, i] + w * formants[r, j]
                    width = bandwidths[r]
                else:
                    centre, width = hiss_hz[i], 900.0
                centre = min(centre, 0.45 * rate)
                radius = np.exp(-np.pi * width / rate)
                c = -radius * radius
                b = 2 * radius * np.cos(2 * np.pi * centre / rate)
                coefficients[r, 0] = 1 - b - c if r < 4 else 1 - radius
                coefficients[r, 1], coefficients[r, 2] = b, c
        phase += pitch / rate
        if phase >= 1:
            phase -= 1
        # Flow through the glottis: opens slowly, closes fast, then stays closed.
        if phase < 0.4:
            flow = 0.5 - 0.5 * np.cos(np.pi * phase / 0.4)
        elif phase < 0.56:
            flow = np.cos(0.5 * np.pi * (phase - 0.4) / 0.16)
        else:
            flow = 0.0
        noise = source[n]
        # The lips radiate the derivative; the scale makes high and low voices equally loud.
        x = loud * ((flow - before) * rate / (8 * max(pitch, 50.0)) + breath * flow * noise)
        before = flow
        for r in range(4):
            y = (
                coefficients[r, 0] * x
                + coefficients[r, 1] * memory[r, 0]
                + coefficients[r, 2] * memory[r, 1]
            )
            memory[r, 1] = memory[r, 0]
            memory[r, 0] = y
            x = y
        y = (
            coefficients[4, 0] * air * noise
            + coefficients[4, 1] * memory[4, 0]
            + coefficients[4, 2] * memory[4, 1]
        )
        memory[4, 1] = memory[4, 0]
        memory[4, 0] = y
        out[n] = x + y
    return out


def synthesise(
    a: Articulation, voice: Voice, rng: np.random.Generator, sample_rate: int
) -> np.ndarray:
    """Synthesise the sound of control signals.

    Args:
        a: control signals.
        voice: parameters of the voice.
        rng: random generator for noise.
        sample_rate: Hz.

    Returns:
        np.ndarray: (n,) float32, -1..1, exactly as long as the control signals.
    """
    count = round(len(a.voiced) * sample_rate / CONTROL_HZ)
    formants = np.stack((a.f1, a.f2, a.f3, np.full_like(a.f1, _FIXED_FORMANT)))
    flutter = 1 + 0.01 * smooth(rng.standard_normal(len(a.pitch)), 0.01) * 3
    sound = _synthesise(
        rng.standard_normal(count),
        a.hiss,
        a.hiss_hz,
        formants * voice.vocal_tract,
        _BANDWIDTHS,
        a.voiced,
        a.pitch * flutter * voice.pitch_hz,
        voice.breath,
        float(sample_rate),
        float(CONTROL_HZ),
    )
    # Normalise the level of the source: loudness means the same for every voice.
    sound *= SPEECH_LEVEL / 0.85
    sound += SPEECH_LEVEL * 10 ** (voice.room_noise_db / 20) * rng.standard_normal(count)
    # Soft clipping keeps a raised voice below full scale.
    return np.tanh(sound).astype(np.float32)


def envelope(sound: np.ndarray, sample_rate: int, steps: int) -> np.ndarray:
    """Loudness of a sound, sampled at `CONTROL_HZ`, relative to normal speech.

    Args:
        sound: (n,) float32.
        sample_rate: Hz.
        steps: number of samples of the result.

    Returns:
        np.ndarray: (steps,) float64, root mean square over 25 ms, 1 for a normal vowel.
    """
    power = np.concatenate(([0.0], np.cumsum(np.square(sound, dtype=np.float64))))
    stop = np.minimum(np.arange(1, steps + 1) * sample_rate // CONTROL_HZ, len(sound))
    start = np.maximum(stop - sample_rate // 40, 0)
    mean = (power[stop] - power[start]) / np.maximum(stop - start, 1)
    return np.sqrt(np.maximum(mean, 0)) / SPEECH_LEVEL
