# SPDX-License-Identifier: Apache-2.0
"""Where weights of Whisper lie; without torch."""

from __future__ import annotations

import os
from pathlib import Path

from robot_face_gen.models.store import MODELS, find, how_to_get

UNTRAINED = 'untrained'  # the tiny architecture with fixed random weights
DEFAULT_WEIGHTS = 'tiny.en'
_PREFIX = 'whisper-'  # of the names in the model store
NAMES = tuple(name.removeprefix(_PREFIX) for name in MODELS if name.startswith(_PREFIX))


def weights_name(weights: str) -> str:
    """The name of weights, the same on every machine; '' for a path."""
    name = weights.removeprefix(_PREFIX)
    return name if name in (UNTRAINED, *NAMES) else ''


def find_cached(weights: str) -> Path | None:
    """The file of weights; None where there is none.

    Args:
        weights: a path, a name in the model store with or without `whisper-`, or the name of a
            file that openai-whisper has downloaded.
    """
    name = weights.removeprefix(_PREFIX)
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    if (stored := find(f'{_PREFIX}{name}')) is not None:
        return stored
    cache = Path(os.getenv('XDG_CACHE_HOME') or Path.home() / '.cache')
    path = cache / 'whisper' / f'{name}.pt'  # openai-whisper's
    return path if path.is_file() else None


def locate(weights: str) -> Path:
    """The file of weights, see `find_cached`.

    Raises:
        ValueError: there is none; the message says how to get it.
    """
    path = find_cached(weights)
    if path is not None:
        return path
    name = weights.removeprefix(_PREFIX)
    if name in NAMES:
        raise ValueError(f'Whisper weights {weights!r}: {how_to_get(f"{_PREFIX}{name}")}')
    raise ValueError(
        f'{weights}: no such file, and not the name of Whisper weights: known are {UNTRAINED}, '
        f'{", ".join(NAMES)}'
    )
