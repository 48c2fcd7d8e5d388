# SPDX-License-Identifier: Apache-2.0
"""Files that ship with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PACKAGE = 'robot_face_gen'
_FOLDER = Path(__file__).resolve().parent


def default_checkpoint() -> Path | None:
    """The weights that ship with the package; None where there are none."""
    path = _FOLDER / 'reaction.safetensors'
    return path if path.is_file() else None


def demo_recording() -> tuple[Path, Path]:
    """The shipped recording of a speaker: an OpenFace CSV and a sound file."""
    return _FOLDER / 'demo' / 'speaker.csv', _FOLDER / 'demo' / 'speaker.flac'


def share_folder() -> Path:
    """The folder that holds `launch` and `config`: the source tree or the installed share folder.

    Raises:
        FileNotFoundError: Neither was found.
    """
    for parent in Path(__file__).resolve().parents:
        for folder in (parent, parent / 'share' / PACKAGE):
            if all((folder / name).is_file() for name in ('package.xml', 'config/bringup.yaml')):
                return folder
    raise FileNotFoundError(
        f'config/bringup.yaml of {PACKAGE} not found: expected it in the source tree or in '
        f'share/{PACKAGE} of the installation of {_FOLDER.parent}'
    )


def fill_in(room: str, template: str, **values: Any) -> str:
    """A page of HTML, from a template in the folder `templates` of a room of the package."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(f'{PACKAGE}.{room}'),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(**values)
