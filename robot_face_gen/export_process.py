# SPDX-License-Identifier: Apache-2.0
"""A process of its own that exports, once, and ends: what lives with a robot needs no torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_KINDS = (ValueError, ImportError, OSError)


def export_elsewhere(module: str, *arguments: str) -> Path:
    """Run a module whose `main` is `report`; the path that it wrote.

    Raises:
        ValueError, ImportError, OSError: as the other process says.
        RuntimeError: it ended in another way.
    """
    command = [sys.executable, '-m', module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return Path(done.stdout.splitlines()[-1])
    words = done.stderr.strip().splitlines() or [f'exit code {done.returncode}']
    kind, _, text = words[-1].partition(': ')
    for error in _KINDS:
        if kind == error.__name__:
            raise error(text)
    raise RuntimeError(f'{" ".join(arguments)}: cannot be exported: {words[-1]}')


def report(write: Callable[[], Path]) -> int:
    """Export, and print the path; an error is one line that begins with its kind."""
    try:
        print(write())
    except _KINDS as error:
        kind = next(k for k in _KINDS if isinstance(error, k))
        print(f'{kind.__name__}: {" ".join(str(error).split())}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
