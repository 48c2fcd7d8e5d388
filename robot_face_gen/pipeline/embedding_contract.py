# SPDX-License-Identifier: Apache-2.0
"""Checks that embeddings are computed as they were for the training of a checkpoint."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from robot_face_gen.facial_reaction_model import checkpoint as checkpoints
from robot_face_gen.facial_reaction_model.config import CheckpointInfo
from robot_face_gen.features.whisper_cache import DEFAULT_WEIGHTS, UNTRAINED, weights_name
from robot_face_gen.resources import default_checkpoint
from robot_face_gen.timing import CONTEXT_S, EMBEDDING_RATE_HZ, HOP_S, SETTLE_S

from .health import Health

# Times among the parameters of `whisper_node`, also in the `audio` of a checkpoint, and what they
# are where neither says.
MADE_BY = {'hop_s': HOP_S, 'context_s': CONTEXT_S, 'settle_s': SETTLE_S}
EXPECTED = 'expected_'  # prefix of the values of the checkpoint in the diagnostics
SEEN = 50  # newest messages that are compared


def read_info(checkpoint: str) -> CheckpointInfo:
    """The description of a checkpoint, or of the shipped one if the path is ''.

    Raises:
        ValueError, OSError: the checkpoint cannot be read.
    """
    path = checkpoint or default_checkpoint()
    return checkpoints.read_info(path) if path else CheckpointInfo()


def trained_with(info: CheckpointInfo) -> dict[str, Any]:
    """How the embeddings were computed that a checkpoint was trained with.

    Returns:
        dict: `weights` (a name for `WhisperEncoder.from_name_or_path`), `hop_s`, `context_s` and
        `settle_s` in seconds; the defaults of a training where the checkpoint does not say.
    """
    audio = info.audio
    weights = weights_name(str(audio.get('weights', '')))
    if info.audio_encoder.startswith(f'whisper-{UNTRAINED}:'):  # older ones have no name
        weights = UNTRAINED
    times = {
        name: audio[name] if _is_number(audio.get(name)) else default
        for name, default in MADE_BY.items()
    }
    return {'weights': weights or DEFAULT_WEIGHTS, **times}


def expectation(encoder: str, audio: Mapping[str, Any], health: Health) -> str:
    """Embeddings that a checkpoint expects, as text for the log; each value is set in `health`.

    The encoder '' is any. `audio` has the parameters of the training as far as they are known.
    """
    names = (*MADE_BY, 'delay_s')
    known = {name: audio[name] for name in names if _is_number(audio.get(name))}
    for name, value in known.items():
        health.fact(f'{EXPECTED}{name}', value)
    parts = [f'of {encoder}'] if encoder else []
    parts += [f'{name} {value:g}' for name, value in known.items()]
    return f'expects embeddings {", ".join(parts)}' if parts else ''


class HopWatch:
    """Compares the number of embeddings in a message with the hop of the training.

    An encoder that is behind sends more embeddings per message for a while. So a difference is
    reported only if all of the newest messages have more embeddings, or most of them have fewer.
    If `hop_s` is not a number, nothing is compared.
    """

    def __init__(self, hop_s: Any) -> None:
        self._expected = round(hop_s * EMBEDDING_RATE_HZ) if _is_number(hop_s) else None
        self._counts: deque[int] = deque(maxlen=SEEN)

    def see(self, count: int) -> str:
        """Add a message with `count` embeddings; returns a warning or ''."""
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
            f'{usual} embeddings in a message ({usual / EMBEDDING_RATE_HZ:g} s), but the '
            f'checkpoint was trained with hop_s {self._expected / EMBEDDING_RATE_HZ:g}: '
            'whisper_node has a different hop_s, or it is overloaded (hops_at_once in its '
            'diagnostics)'
        )


def _is_number(value: Any) -> bool:
    """Whether a value from a checkpoint, which may be anything, is a usable number."""
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < 1e6
