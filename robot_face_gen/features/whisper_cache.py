# SPDX-License-Identifier: Apache-2.0
"""Where weights of Whisper lie; without torch."""

from __future__ import annotations

import os
from pathlib import Path

UNTRAINED = 'untrained'  # the tiny architecture with fixed random weights


def cache_folder() -> Path:
    """Where openai-whisper keeps what it has downloaded."""
    return Path(os.getenv('XDG_CACHE_HOME') or Path.home() / '.cache') / 'whisper'


def find_cached(weights: str) -> Path | None:
    """The file of a path, or of a name that has been downloaded; None where there is none."""
    for path in (Path(weights).expanduser(), cache_folder() / f'{weights}.pt'):
        if path.is_file():
            return path
    return None
