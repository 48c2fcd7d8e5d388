# SPDX-License-Identifier: Apache-2.0
"""Checks that embeddings are made as they were for the training of a checkpoint."""

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
    """The embeddings that a checkpoint expects, for the log; `health` gets each value as a fact.

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
    """Compares the number of embeddings in a message with the hop of the training.

    An encoder that catches up sends more at a time. So a difference is reported only if all of
    the newest messages hold more, or most of them less.

    Args:
        hop_s: of the training; None: unknown.
    """

    def __init__(self, hop_s: Any) -> None:
        self._expected = round(hop_s * EMBEDDINGS_HZ) if _is_number(hop_s) else None
        self._counts: deque[int] = deque(maxlen=SEEN)

    def see(self, count: int) -> str:
        """Add a message of `count` embeddings; returns a warning or ''."""
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
            f'{usual} embeddings in a message ({usual / EMBEDDINGS_HZ:g} s), but the checkpoint '
            f'was trained with hop_s {self._expected / EMBEDDINGS_HZ:g}: whisper_node has another '
            'hop_s, or it is overloaded (hops_at_once in its diagnostics)'
        )


def _is_number(value: Any) -> bool:
    """Whether a value from a checkpoint, which may be anything, is a usable number."""
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < 1e6
