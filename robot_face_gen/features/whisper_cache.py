# SPDX-License-Identifier: Apache-2.0
"""Where weights of Whisper lie; without torch."""

from __future__ import annotations

import os
from pathlib import Path

from robot_face_gen.files import user_path
from robot_face_gen.models.store import MODELS, find, how_to_get, is_intact

UNTRAINED = 'untrained'  # the tiny architecture with fixed random weights
DEFAULT_WEIGHTS = 'tiny.en'
_PREFIX = 'whisper-'  # of the names in the model store
NAMES = tuple(name.removeprefix(_PREFIX) for name in MODELS if name.startswith(_PREFIX))


def weights_name(weights: str) -> str:
    """The name of weights, the same on every machine; '' for a path."""
    name = weights.removeprefix(_PREFIX)
    return name if name in (UNTRAINED, *NAMES) else ''


def model_name(weights: str) -> str:
    """The name of weights in the model store; '' for a path and for `untrained`."""
    name = weights.removeprefix(_PREFIX)
    return f'{_PREFIX}{name}' if name in NAMES and not Path(weights).is_file() else ''


def find_cached(weights: str) -> Path | None:
    """The file of weights; None where there is none.

    It is given by a path, a name in the model store with or without `whisper-`, or the name of a
    file that openai-whisper has downloaded.
    """
    name = weights.removeprefix(_PREFIX)
    path = user_path(weights)
    if path.is_file():
        return path
    if (stored := find(f'{_PREFIX}{name}')) is not None:
        return stored
    cache = Path(os.getenv('XDG_CACHE_HOME') or Path.home() / '.cache')
    path = cache / 'whisper' / f'{name}.pt'  # openai-whisper's
    return path if path.is_file() else None


class WeightsMissing(ValueError):
    """Weights of the model store that are not there, or damaged; the text says how to get them."""


def locate(weights: str, *, checks_hash: bool = False) -> Path:
    """The file of weights, see `find_cached`; `checks_hash`: of one in the model store.

    Raises:
        WeightsMissing: there is none, or it is damaged, but it can be downloaded.
        ValueError: no file, and no known name.
    """
    path, model = find_cached(weights), model_name(weights)
    is_checked = checks_hash and model and path == MODELS[model].path
    if path is not None and not (is_checked and not is_intact(model)):
        return path
    if model:
        raise WeightsMissing(f'Whisper weights {weights!r}: {how_to_get(model)}')
    raise ValueError(
        f'{weights}: no such file, and not the name of Whisper weights: known are {UNTRAINED}, '
        f'{", ".join(NAMES)}'
    )
