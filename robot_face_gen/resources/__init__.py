# SPDX-License-Identifier: Apache-2.0
"""Files that ship inside the package."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent


def default_checkpoint() -> Path | None:
    """The weights that ship with the package; None where there are none."""
    path = _FOLDER / 'reaction.safetensors'
    return path if path.is_file() else None


def demo_recording() -> tuple[Path, Path]:
    """The shipped recording of a speaker: an OpenFace CSV and a sound file."""
    return _FOLDER / 'demo' / 'speaker.csv', _FOLDER / 'demo' / 'speaker.flac'
