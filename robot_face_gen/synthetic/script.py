# SPDX-License-Identifier: Apache-2.0
"""What a person says: phrases, syllables, stress and pauses, without sound or face."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .config import SpeakerConfig
from .signals import draw

KINDS = ('statement', 'question', 'raised', 'amused', 'emphatic')


@dataclass(frozen=True)
class Vowel:
    """Formants in Hz, and the shape of the mouth (0..1)."""

    formants: tuple[float, float, float]
    open: float
    round: float
    spread: float


# Typical adult formants, rounded.
VOWELS = (
    Vowel((730, 1100, 2450), 1.0, 0.0, 0.1),  # a
    Vowel((530, 1850, 2500), 0.6, 0.0, 0.6),  # e
    Vowel((280, 2250, 2950), 0.3, 0.0, 0.9),  # i
    Vowel((560, 880, 2400), 0.7, 0.7, 0.0),  # o
    Vowel((310, 870, 2250), 0.3, 1.0, 0.0),  # u
    Vowel((500, 1500, 2500), 0.5, 0.1, 0.2),  # schwa
)
ONSETS = ('none', 'plosive', 'labial', 'fricative', 'nasal')
_ONSET_SHARES = (0.18, 0.24, 0.2, 0.22, 0.16)


@dataclass(frozen=True)
class Syllable:
    """One syllable: a consonant (onset) and a vowel."""

    start_s: float  # begin
    length_s: float  # duration
    vowel: int  # index into `VOWELS`
    onset: str  # one of `ONSETS`
    stress: float  # 0 (none) to 1
    # relative to the mean pitch of the voice, at the start and at the end
    pitch: tuple[float, float]
    loudness: float  # amplitude relative to a normal, unstressed syllable

    @property
    def peak_s(self) -> float:
        """Middle of the vowel."""
        return self.start_s + 0.55 * self.length_s


@dataclass(frozen=True)
class Phrase:
    """Syllables between two pauses; `kind` is one of `KINDS`, or 'hum' for a listener's "mhm"."""

    kind: str
    syllables: tuple[Syllable, ...]

    @property
    def start_s(self) -> float:
        """Begin of the first syllable."""
        return self.syllables[0].start_s

    @property
    def stop_s(self) -> float:
        """End of the last syllable."""
        return self.syllables[-1].start_s + self.syllables[-1].length_s


@dataclass
class Script:
    """All phrases of a person in a clip, in order of time."""

    phrases: list[Phrase] = field(default_factory=list)

    @property
    def syllables(self) -> list[Syllable]:
        """The syllables of all phrases."""
        return [s for phrase in self.phrases for s in phrase.syllables]


def make_phrase(
    rng: np.random.Generator, kind: str, start_s: float, count: int, rate: float
) -> Phrase:
    """A phrase of `count` syllables, `rate` per second, with stress and intonation."""
    loud, high = {'raised': (2.2, 1.3), 'emphatic': (1.25, 1.1)}.get(kind, (1.0, 1.0))
    syllables = []
    t = start_s
    next_stress = int(rng.integers(0, 3))
    for index in range(count):
        stress = 0.0
        if index == next_stress:
            stress = float(rng.uniform(0.6, 1.0))
            next_stress += int(rng.integers(2, 5))
        last = index == count - 1
        length = rng.uniform(0.8, 1.15) / rate * (1 + 0.3 * stress + 0.35 * last)
        through = index / max(1, count - 1)
        contour = high * (1.08 - 0.2 * through + 0.16 * stress)
        end = contour * 0.97
        if kind == 'question' and index >= count - 2:
            contour, end = contour * (1.1 + 0.15 * last), contour * (1.3 + 0.3 * last)
        onset = str(rng.choice(ONSETS, p=_ONSET_SHARES))
        loudness = loud * (0.75 + 0.6 * stress) * (1.05 - 0.25 * through)
        vowel = int(rng.integers(len(VOWELS)))
        syllables.append(
            Syllable(t, float(length), vowel, onset, stress, (contour, end), loudness)
        )
        t += float(length)
    return Phrase(kind, tuple(syllables))


def make_hum(rng: np.random.Generator, start_s: float) -> Phrase:
    """A listener's "mhm": two short nasal syllables with the mouth closed."""
    first, second = rng.uniform(0.12, 0.18), rng.uniform(0.18, 0.28)
    return Phrase(
        'hum',
        (
            Syllable(start_s, float(first), 5, 'nasal', 0.0, (0.95, 0.9), 0.5),
            Syllable(start_s + float(first), float(second), 5, 'nasal', 0.3, (1.0, 1.15), 0.6),
        ),
    )


def write_script(
    rng: np.random.Generator, config: SpeakerConfig, duration_s: float, rate: float
) -> Script:
    """The phrases of a speaker who talks for the whole clip."""
    special = [config.question, config.raised, config.amused, config.emphatic]
    shares = np.array([max(0.0, 1 - sum(special)), *special])
    script = Script()
    t = float(rng.uniform(0.1, 0.8))
    while True:
        kind = str(rng.choice(KINDS, p=shares / shares.sum()))
        count = max(1, round(draw(rng, config.phrase_syllables)))
        phrase = make_phrase(rng, kind, t, count, rate)
        if phrase.stop_s > duration_s:
            return script
        script.phrases.append(phrase)
        pause = config.answer_pause_s if kind == 'question' else config.pause_s
        t = phrase.stop_s + draw(rng, pause)
