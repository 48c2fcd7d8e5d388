# SPDX-License-Identifier: Apache-2.0
"""Export in a child process, so that a live node never imports torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

_ERRORS = (ValueError, ImportError, OSError)


def export_in_child(module: str, *arguments: str) -> None:
    """Run `python -m module`, whose `main` returns `run_export(...)`.

    Raises:
        ValueError, ImportError, OSError: raised again here, with the child's message.
        RuntimeError: the child ended in another way.
    """
    command = [sys.executable, '-m', module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return
    lines = done.stderr.strip().splitlines() or [f'exit code {done.returncode}']
    kind, _, text = lines[-1].partition(': ')
    for error in _ERRORS:
        if kind == error.__name__:
            raise error(text)
    raise RuntimeError(f'{" ".join(arguments)}: the export failed: {lines[-1]}')


def run_export(export: Callable[[], object]) -> int:
    """Export in the child process; an error becomes one line that begins with its type."""
    try:
        export()
    except _ERRORS as error:
        kind = next(k for k in _ERRORS if isinstance(error, k))
        print(f'{kind.__name__}: {" ".join(str(error).split())}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
