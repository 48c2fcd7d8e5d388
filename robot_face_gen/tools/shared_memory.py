# SPDX-License-Identifier: Apache-2.0
"""Removes shared memory that Fast DDS left behind.

Fast DDS removes its segment (0.5 MB) when a process exits, but not when it is killed. With
/dev/shm full, which takes about 100 killed nodes in a container (64 MB), it falls back to UDP.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from pathlib import Path

_LOCK_FILE = re.compile(r'fastrtps_[0-9a-f]{16}_el')
#: A process that has just created its lock file may not have locked it yet.
_MIN_AGE_S = 10.0


def remove_stale_segments(
    folder: Path = Path('/dev/shm'), min_age_s: float = _MIN_AGE_S
) -> list[str]:
    """Remove segments whose process has died; their names.

    A running process holds a lock on its segment's `_el` file. `fastdds shm clean` relies on it
    as well.
    """
    if sys.platform != 'linux' or not folder.is_dir():
        return []
    import fcntl

    removed = []
    for lock in folder.iterdir():
        # Files of other users, or removed by another process meanwhile, are left alone.
        with contextlib.suppress(OSError):
            if (
                not _LOCK_FILE.fullmatch(lock.name)
                or time.time() - lock.stat().st_mtime < min_age_s
            ):
                continue
            with open(os.open(lock, os.O_RDONLY | os.O_NOFOLLOW), 'rb') as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while it is held
                segment = lock.with_name(lock.name.removesuffix('_el'))
                segment.unlink(missing_ok=True)
                lock.unlink()
                removed.append(segment.name)
    return removed
