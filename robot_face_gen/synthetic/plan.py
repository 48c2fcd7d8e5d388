# SPDX-License-Identifier: Apache-2.0
"""Which dyads are generated: speakers, splits, and what each dyad depends on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from .config import GeneratorConfig
from .conversation import Dyad, generate_conversation


@dataclass(frozen=True)
class SpeakerJob:
    """One speaker and the listeners of this speaker."""

    index: int  # of the speaker in the plan
    seed: int  # of the plan
    split: str  # train, val or test
    config: GeneratorConfig  # its `listeners` is the number of dyads of this speaker
    voices: Path | None = None  # a voice bank; None: the formant synthesiser
    bank: str = ''  # digest of the voice bank, '' without one

    @property
    def group(self) -> str:
        """Name of what the speaker says, see `sessions`."""
        return f'speaker_{self.index:05d}'

    @property
    def held_out(self) -> bool:
        """Whether the voice is one that is kept for tests."""
        return bool(self.bank) and self.split == 'test'

    def generate(self) -> Dyad:
        """Generate the dyads."""
        seed = (self.seed, self.index)
        return generate_conversation(seed, self.config, self.voices, held_out=self.held_out)

    def session(self, listener: int) -> str:
        """Name of a dyad."""
        return f'dyad_{self.index:05d}_{listener}'

    @property
    def note(self) -> dict[str, Any]:
        """What the dyads depend on, as JSON values."""
        values = {'seed': self.seed, 'index': self.index, 'voices': self.bank}
        values |= {'held_out': self.held_out, **asdict(self.config)}
        return dict(json.loads(json.dumps(values)))


def split_of(index: int, count: int) -> str:
    """Split of a speaker: the last tenths are val and test; at least one each from 3 speakers."""
    tenth = max(1, round(count / 10)) if count >= 3 else 0
    if index >= count - tenth:
        return 'test'
    return 'val' if index >= count - 2 * tenth else 'train'


def make_plan(
    dyads: int, seed: int, config: GeneratorConfig, split: str = 'auto'
) -> list[SpeakerJob]:
    """Plan `dyads` dyads; only the last speaker may have fewer than `config.listeners`."""
    count = -(-dyads // config.listeners)
    return [
        SpeakerJob(
            index,
            seed,
            split_of(index, count) if split == 'auto' else split,
            replace(config, listeners=min(config.listeners, dyads - index * config.listeners)),
        )
        for index in range(count)
    ]


def plan_speakers(
    speakers: dict[str, int], seed: int, config: GeneratorConfig
) -> list[SpeakerJob]:
    """Plan a number of speakers for each split, with `config.listeners` dyads each.

    The speakers of test and val have the first numbers: with the same seed, more training speakers
    can be added later and the others stay as they are.
    """
    splits = [split for split in ('test', 'val', 'train') for _ in range(speakers[split])]
    return [SpeakerJob(index, seed, split, config) for index, split in enumerate(splits)]
