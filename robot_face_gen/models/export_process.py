# SPDX-License-Identifier: Apache-2.0
"""Export in a child process, so that a live node never imports torch."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

from .cache import CacheEntry, cache_path, read_entry

_ERRORS = (ValueError, ImportError, OSError)


def export_in_child(entry: str, function: str, *arguments: str | int) -> CacheEntry:
    """The entry of the cache that a function ('MODULE:NAME') makes in a child process.

    Raises:
        ValueError, ImportError, OSError: raised again here, with the child's message.
        RuntimeError: the child ended in another way.
    """
    command = [sys.executable, '-m', __name__, function, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f'exit code {done.returncode}']
        kind, _, text = lines[-1].partition(': ')
        for error in _ERRORS:
            if kind == error.__name__:
                raise error(text)
        words = ' '.join(map(str, arguments))
        raise RuntimeError(f'{words}: the export failed: {lines[-1]}')
    found = read_entry(entry)
    if found is None:
        raise OSError(f'{cache_path(entry)}: the exported file is missing or damaged')
    return found


def main() -> int:
    """Export in the child process; an error becomes one line that begins with its type."""
    module, _, name = sys.argv[1].partition(':')
    try:
        getattr(importlib.import_module(module), name)(*json.loads(sys.argv[2]))
    except _ERRORS as error:
        kind = next(k for k in _ERRORS if isinstance(error, k))
        print(f'{kind.__name__}: {" ".join(str(error).split())}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
