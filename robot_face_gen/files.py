# SPDX-License-Identifier: Apache-2.0
"""Paths, files that are written completely or not at all, their digests, the text of errors."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PIECE_BYTES = 1 << 20


def user_path(path: str | Path) -> Path:
    """A path whose ~ is the home folder; ~NAME of an unknown user stays as it is."""
    return Path(os.path.expanduser(path))


def parse_json(text: str) -> Any:
    """The value of a JSON document.

    Raises:
        ValueError: not valid JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError('not valid JSON: nested too deeply') from None


def error_text(error: BaseException) -> str:
    """What an error says, in one line; errors of the system begin with the name of the file."""
    text = str(error)
    if isinstance(error, FileExistsError) and error.strerror == os.strerror(errno.EEXIST):
        return f'{error.filename}: is a file: expected a folder'  # of mkdir
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f'{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}'
    return ' '.join(text.split()) or type(error).__name__


@contextlib.contextmanager
def results_folder(path: Path) -> Iterator[Path]:
    """Make a folder; where the block ends with an error, no new, empty folder is left.

    Raises:
        OSError: the folder cannot be made.
    """
    is_new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield path
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):  # it is not empty
                path.rmdir()
        raise


def expect_writable(path: Path) -> None:
    """Find out that a file cannot be written before the work, not after it.

    Raises:
        OSError: there is no such folder, or nothing can be written to it; it names `path`.
    """
    _expect_folder(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, 'is a folder: expected a file', str(path))
    is_replaced = path.is_file() or not path.exists()  # see `atomic_file`
    if not os.access(path.parent if is_replaced else path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def _expect_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f'there is no folder {path.parent}', str(path))


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Write a file completely or not at all, also when the machine loses power.

    What exists and is no regular file (a device, a pipe) is written in place: it must never be
    replaced. A link stays; the file that it points to is replaced.

    Yields:
        A path in the same folder, to write to; it becomes `path` when the block ends. Where it
        ends with an error, nothing is left.

    Raises:
        OSError: the disk is full, or the folder cannot be written; it names `path`.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        with naming(path, path):
            yield path
        return
    _expect_folder(path)
    partial = path.with_name(f'{path.name}.{os.getpid()}.partial')
    try:
        with naming(path, partial):
            yield partial
            replace(partial, path)
    finally:
        with contextlib.suppress(OSError):  # a folder that cannot be written
            partial.unlink()


@contextlib.contextmanager
def naming(path: Path, written: Path | None = None) -> Iterator[None]:
    """Name `path` in an OSError that names no file (a full disk), or the file `written`."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(written or path)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def replace(partial: Path, path: Path) -> None:
    """Bring a file's bytes to the disk, then move it to its place.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    _sync(partial)
    os.replace(partial, path)
    if os.name == 'posix':  # elsewhere a folder cannot be opened
        _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_folder(*, make: bool = True) -> Path | None:
    """A folder for temporary files, the same in each run, that nobody but this user can write.

    None if it is missing, or not the user's own: anybody can make one there.
    """
    user = os.getuid() if os.name == 'posix' else 'user'  # elsewhere each user has a place
    folder = Path(tempfile.gettempdir()) / f'robot_face_gen-{user}'
    try:
        if make:
            folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    if os.name == 'posix' and (found.st_uid != os.getuid() or found.st_mode & 0o077):
        return None
    return folder if stat.S_ISDIR(found.st_mode) else None


def feed(digest: Any, path: Path) -> None:
    """Add the bytes of a file to a digest of hashlib, in pieces."""
    with path.open('rb') as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) completely or not at all.

    Raises:
        OSError: see `atomic_file`.
    """
    with atomic_file(path) as partial:
        # A file name that is no UTF-8 can be in the text.
        partial.write_text(text, encoding='utf-8', errors='replace')
