# SPDX-License-Identifier: Apache-2.0
"""Who speaks to whom when many dyads are generated."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .config import GeneratorConfig


@dataclass(frozen=True)
class SpeakerJob:
    """One speaker and those who listen to him.

    Attributes:
        index: of the speaker in the whole.
        seed: of the whole.
        split: train, val or test.
        config: with as many listeners as dyads are wanted.
    """

    index: int
    seed: int
    split: str
    config: GeneratorConfig

    @property
    def group(self) -> str:
        """What the speaker says, as a word."""
        return f'speaker_{self.index:05d}'

    def session(self, listener: int) -> str:
        """Name of a dyad."""
        return f'dyad_{self.index:05d}_{listener}'


def split_of(index: int, count: int) -> str:
    """A tenth of the speakers each, the last ones, for test and val; from 3 on at least one."""
    tenth = max(1, round(count / 10)) if count >= 3 else 0
    if index >= count - tenth:
        return 'test'
    return 'val' if index >= count - 2 * tenth else 'train'


def make_plan(
    dyads: int, seed: int, config: GeneratorConfig, split: str = 'auto'
) -> list[SpeakerJob]:
    """Who speaks to how many listeners, so that there are `dyads` in all."""
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
