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
from collections.abc import Iterator
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
    removed = []
    for lock in folder.iterdir():
        if _LOCK_FILE.fullmatch(lock.name):
            with if_abandoned(lock, min_age_s) as is_abandoned:
                if is_abandoned:
                    segment = lock.with_name(lock.name.removesuffix('_el'))
                    segment.unlink(missing_ok=True)
                    lock.unlink()
                    removed.append(segment.name)
    return removed


@contextlib.contextmanager
def if_abandoned(lock: Path, min_age_s: float = _MIN_AGE_S) -> Iterator[bool]:
    """Whether the process that held the lock on a file has died; what the block removes is gone.

    Errors in the block are suppressed: files of other users, or removed by another process
    meanwhile, are left alone.
    """
    import fcntl

    with contextlib.ExitStack() as stack:
        is_abandoned = False
        with contextlib.suppress(OSError):
            if time.time() - lock.stat().st_mtime >= min_age_s:
                descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW)
                stack.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_abandoned = True
        with contextlib.suppress(OSError):
            yield is_abandoned
