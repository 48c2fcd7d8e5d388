# SPDX-License-Identifier: Apache-2.0
"""Exported files, kept from run to run in the user's cache folder, and checked when read.

An entry is two files. `NAME.json` holds a description, the name of the payload and a SHA-256 over
both; the payload's name contains a part of its hash, so that processes that write the same entry
at the same time do not disturb each other. An entry that does not pass its check is made again.
Only the entries used last are kept: weights that change often would fill the disk.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from robot_face_gen.files import (
    error_text,
    feed,
    parse_json,
    replace,
    temporary_folder,
    write_text,
)

# Part of the name of every entry. Raise it when the code that exports changes what it writes.
EXPORT_VERSION = 5

KEPT_ENTRIES = 24
KEPT_S = 24 * 3600.0  # an entry used since then is kept: a process may be about to open it


@dataclass(frozen=True)
class CacheEntry:
    """A payload file whose checksum was verified, and its description (JSON values)."""

    path: Path
    description: dict[str, Any]


def cache_path(name: str) -> Path:
    """The path of a file in the cache folder."""
    base = os.environ.get('XDG_CACHE_HOME') or str(Path.home() / '.cache')
    return Path(base) / 'robot_face_gen' / name


def cache_folder(name: str = '') -> Path:
    """A folder in the cache that can be written; made if missing, for this user alone.

    Raises:
        OSError: it cannot be made or written.
    """
    return _private_folder(cache_path(''), name)


def _private_folder(base: Path, name: str = '') -> Path:
    folder = base / name
    try:
        for missing in (base, folder):
            missing.parent.mkdir(parents=True, exist_ok=True)
            missing.mkdir(mode=0o700, exist_ok=True)
            if os.name == 'posix':
                found = missing.stat()
                if found.st_uid == os.getuid() and found.st_mode & 0o077:
                    missing.chmod(0o700)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    except OSError as error:
        hint = 'set XDG_CACHE_HOME to a folder that can be written'
        raise OSError(error.errno, f'{error.strerror} ({hint})', error.filename) from None
    return folder


def _entry_folder() -> Path:
    """The cache folder; if it is read-only, a folder for temporary files.

    Raises:
        OSError: neither can be written.
    """
    try:
        return cache_folder()
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        folder = temporary_folder()
        if folder is None:
            raise
        _warn(error_text(error), folder)
        return folder


@cache
def _warn(why: str, folder: Path) -> None:
    """Once in a process."""
    logging.getLogger(__name__).warning('%s; exported models are kept in %s', why, folder)


def read_entry(name: str) -> CacheEntry | None:
    """The entry of this name; None if it is missing or damaged."""
    if (entry := _read(cache_path(''), name)) is not None:
        return entry
    temporary = temporary_folder(make=False)
    if temporary is None or (entry := _read(temporary, name)) is None:
        return None
    with contextlib.suppress(OSError):
        _entry_folder()  # warns
    return entry


def _read(folder: Path, name: str) -> CacheEntry | None:
    index = folder / f'{name}.json'
    try:
        found = parse_json(index.read_text(encoding='utf-8'))
        path, description = index.with_name(found['file']), found['description']
        if found['sha256'] != _checksum(path, description):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    with contextlib.suppress(OSError):  # a cache that cannot be written can be read
        os.utime(index)  # used now: see `_remove_old`
    return CacheEntry(path, description)


def cached(name: str, make: Callable[[Path], dict[str, Any] | None]) -> CacheEntry:
    """The entry of this name; made if it is missing or damaged.

    The name contains a hash of the weights and all options. `make` writes the payload to the path
    it is given and returns the description.

    Raises:
        OSError: neither the cache folder nor that of temporary files can be written.
    """
    if (found := read_entry(name)) is not None:
        return found
    index = _entry_folder() / f'{name}.json'
    with tempfile.TemporaryDirectory(dir=index.parent, prefix='.export-') as folder:
        payload = Path(folder) / 'payload.onnx'
        description = json.loads(json.dumps(make(payload) or {}))
        checksum = _checksum(payload, description)
        path = index.with_name(f'{name}-{checksum[:8]}.onnx')
        replace(payload, path)
    entry = {'file': path.name, 'sha256': checksum, 'description': description}
    write_text(index, json.dumps(entry))
    _remove_old(index.parent)
    return CacheEntry(path, description)


def _remove_old(folder: Path) -> None:
    """Remove entries beyond the `KEPT_ENTRIES` used last, and payloads without an entry."""
    age_s: dict[Path, float] = {}
    for path in (*folder.glob('*.json'), *folder.glob('*.onnx'), *folder.glob('*.npz')):
        with contextlib.suppress(OSError):  # another process removes it too
            age_s[path] = time.time() - path.stat().st_mtime
    indexes = sorted((p for p in age_s if p.suffix == '.json'), key=age_s.__getitem__)
    kept = {p.stem for i, p in enumerate(indexes) if i < KEPT_ENTRIES or age_s[p] < KEPT_S}
    for path, age in age_s.items():
        entry = path.stem if path.suffix == '.json' else path.stem.rpartition('-')[0]
        if age >= KEPT_S and entry not in kept:
            with contextlib.suppress(OSError):
                path.unlink()


def _checksum(path: Path, description: dict[str, Any]) -> str:
    found = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    feed(found, path)
    return found.hexdigest()


def weights_digest(weights: Mapping[str, np.ndarray], *options: str) -> str:
    """The part of an entry's name that stands for its content: 16 hexadecimal digits.

    The options are all else that the exported file depends on.
    """
    found = hashlib.sha256('\n'.join((f'export {EXPORT_VERSION}', *options)).encode())
    for name, array in sorted(weights.items()):
        found.update(f'{name} {array.dtype} {array.shape}'.encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]
