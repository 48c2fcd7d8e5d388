# SPDX-License-Identifier: Apache-2.0
"""ament's linters, where ROS 2's are installed; their rules are those of `make lint`."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.linter
ROOT = Path(__file__).resolve().parents[1]
PATHS = [str(ROOT / name) for name in ('robot_face_gen', 'launch', 'setup.py')]


def test_flake8():
    flake8 = pytest.importorskip('ament_flake8.main', exc_type=ImportError)
    code, errors = flake8.main_with_errors(
        ['--config', str(ROOT / 'setup.cfg'), *PATHS, str(ROOT / 'test')]
    )
    assert code == 0, '\n'.join(errors)


def test_pep257(capsys):
    pep257 = pytest.importorskip('ament_pep257.main', exc_type=ImportError)
    # Rules that ruff does not apply, or not to overridden methods.
    ignored = ['D102', 'D103', 'D105', 'D107', 'D402', 'D403']
    code = pep257.main(['--convention', 'google', '--add-ignore', *ignored, '--', *PATHS[:2]])
    printed = capsys.readouterr()
    assert code == 0, [line for line in printed.err.splitlines() if ': D' in line]
