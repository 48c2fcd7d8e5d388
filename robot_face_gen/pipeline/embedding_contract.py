# SPDX-License-Identifier: Apache-2.0
"""Whether embeddings are made as a checkpoint's training had them made."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from .health import Health

MADE_BY = ('hop_s', 'context_s', 'settle_s')  # of `whisper_node`, and in a checkpoint's `audio`
EXPECTED = 'expected_'  # before the names of what a checkpoint asks for, in the diagnostics
EMBEDDINGS_HZ = 50.0
SEEN = 50  # newest messages that are looked at


def expectation(encoder: str, audio: Mapping[str, Any], health: Health) -> str:
    """What a checkpoint asks of its embeddings, for the log; single values go to `health`.

    Args:
        encoder: id of the weights; '' is any.
        audio: how embeddings were made for training; names that are missing are not known.
        health: of the node.
    """
    known = {name: audio[name] for name in MADE_BY if _is_number(audio.get(name))}
    for name, value in known.items():
        health.fact(f'{EXPECTED}{name}', value)
    parts = [f'of {encoder}'] if encoder else []
    parts += [f'{name} {value:g}' for name, value in known.items()]
    return f'expects embeddings {", ".join(parts)}' if parts else ''


class HopWatch:
    """Tells from how many embeddings come at a time whether the hop is that of the training.

    An encoder that is behind gives more at once: only if all of the newest messages hold more,
    or most of them less, is it another hop.

    Args:
        hop_s: of the training; None where it is not known.
    """

    def __init__(self, hop_s: Any) -> None:
        self._expected = round(hop_s * EMBEDDINGS_HZ) if _is_number(hop_s) else None
        self._counts: deque[int] = deque(maxlen=SEEN)

    def see(self, count: int) -> str:
        """A message held `count` embeddings; what is wrong, '' if nothing is."""
        if self._expected is None:
            return ''
        self._counts.append(count)
        if len(self._counts) < SEEN:
            return ''
        least = min(self._counts)
        usual = least if least > self._expected else Counter(self._counts).most_common(1)[0][0]
        if least <= self._expected and usual >= self._expected:
            return ''
        return (
            f'embeddings come {usual} at a time (a hop of {usual / EMBEDDINGS_HZ:g} s), the '
            f'checkpoint was trained with hop_s {self._expected / EMBEDDINGS_HZ:g}'
        )


def _is_number(value: Any) -> bool:
    """A checkpoint is somebody else's: anything can stand there."""
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < 1e6
