# SPDX-License-Identifier: Apache-2.0
"""Whisper's encoder by ONNX Runtime alone: what lives with a robot needs no torch.

Torch, openai-whisper and the weights beside the exported ones take half of a live process'
memory and most of its start. So a process of its own exports, once, and ends.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path

import numpy as np

from robot_face_gen.export_process import export_elsewhere, report
from robot_face_gen.onnx_files import cache_path, makers, open_session

from .whisper_cache import UNTRAINED, find_cached
from .whisper_contexts import ContextEncoder

_SOURCES = ('whisper_weights.py', 'whisper_encoder.py', 'whisper_onnx.py', '../onnx_export.py')


class ExportedWhisper:
    """Stands in for `WhisperEncoder` in a stream; its embeddings are those of a backend `onnx`.

    Args:
        weights: see `WhisperEncoder.from_name_or_path`.
        frames: log-mel frames of 10 ms in a context; others are exported when they come.
        int8: 8-bit weights: faster, and not quite the same embeddings.
        threads: that work on one context; 0 is one a core.

    Attributes:
        id, dim, n_mels, most_frames, filters: as those of `WhisperEncoder`.

    Raises:
        ValueError: the weights cannot be used; it says why.
        ImportError: a package is missing; it is named.
        OSError: the cache folder cannot be written.
    """

    device = 'cpu'

    def __init__(
        self, weights: str | Path, frames: int, *, int8: bool = False, threads: int = 1
    ) -> None:
        self._weights, self._int8, self._threads = str(weights), int8, threads
        self._contexts: dict[int, ContextEncoder] = {}
        card = self._open(frames).with_suffix('.npz')
        with np.load(card, allow_pickle=False) as values:
            self.id = str(values['id'])
            self.dim, self.n_mels, self.most_frames = (
                int(values[name]) for name in ('dim', 'n_mels', 'most_frames')
            )
            self.filters: np.ndarray = values['filters']

    def _open(self, frames: int) -> Path:
        path = exported(self._weights, frames, int8=self._int8) or export_elsewhere(
            __name__, self._weights, str(frames), *(['--int8'] if self._int8 else [])
        )
        self._contexts[frames] = ContextEncoder(open_session(path, self._threads))
        return path

    def encode(self, mel: np.ndarray, begin: int = 0, end: int | None = None) -> np.ndarray:
        """As `WhisperEncoder.encode`."""
        end = check_span(mel, self.n_mels, begin, end)
        frames = mel.shape[2]
        if frames not in self._contexts:
            self._open(frames)
        return np.stack([self._contexts[frames].encode(one, begin, end) for one in mel])


def check_span(mel: np.ndarray, n_mels: int, begin: int, end: int | None) -> int:
    """Refuse contexts of another shape, and embeddings that they do not have; `end` as a number.

    Raises:
        ValueError: it names what was found and what was expected.
    """
    if mel.ndim != 3 or mel.shape[1] != n_mels or mel.shape[2] % 2:
        raise ValueError(f'mel of shape {mel.shape}: expected (B, {n_mels}, even frames)')
    there = mel.shape[2] // 2
    end = there if end is None else end
    if not 0 <= begin <= end <= there:
        raise ValueError(f'embeddings {begin} to {end}: expected 0 <= begin <= end <= {there}')
    return end


def exported(weights: str, frames: int, *, int8: bool = False) -> Path | None:
    """The ONNX file of these weights in the cache folder; None while there is none."""
    if weights == UNTRAINED:
        what = UNTRAINED
    elif (file := find_cached(weights)) is not None:
        found = file.stat()
        what = f'{file.resolve()}:{found.st_size}:{found.st_mtime_ns}'
    else:
        return None
    path = _place(what, frames, int8)
    return path if path.is_file() and path.with_suffix('.npz').is_file() else None


def _place(what: str, frames: int, int8: bool) -> Path:
    """Where these weights' file belongs; its name says all that its content depends on."""
    digest = hashlib.sha256(what.encode())
    digest.update(makers('openai-whisper').encode())
    for source in _SOURCES:
        digest.update((Path(__file__).parent / source).read_bytes())
    return cache_path(f'whisper-{digest.hexdigest()[:16]}-{frames}{"-int8" if int8 else ""}.onnx')


def _write(weights: str, frames: int, *, int8: bool) -> Path:
    """Load and export, in a process that ends afterwards."""
    from .whisper_encoder import WhisperEncoder
    from .whisper_onnx import export_encoder
    from .whisper_weights import find, load_encoder

    if weights != UNTRAINED:
        weights = str(find(weights).resolve())
    encoder, dims, name = load_encoder(weights)
    made = WhisperEncoder(encoder, dims, name)
    if not 2 <= frames <= made.most_frames:
        raise ValueError(f'contexts of {frames} frames: expected 2 to {made.most_frames}')
    found = Path(weights).stat() if weights != UNTRAINED else None
    what = f'{weights}:{found.st_size}:{found.st_mtime_ns}' if found else UNTRAINED
    path = _place(what, frames, int8)
    export_encoder(encoder, frames, path, int8=int8)
    part = path.with_suffix(f'.{os.getpid()}.npz')
    np.savez(
        part, id=made.id, dim=made.dim, n_mels=made.n_mels, most_frames=made.most_frames,
        filters=made.filters,
    )  # fmt: skip
    os.replace(part, path.with_suffix('.npz'))
    return path


def main() -> int:
    """Export an encoder; see `report`."""
    parser = argparse.ArgumentParser(description='Export an encoder of Whisper for the live nodes')
    parser.add_argument('weights')
    parser.add_argument('frames', type=int)
    parser.add_argument('--int8', action='store_true')
    args = parser.parse_args()
    return report(lambda: _write(args.weights, args.frames, int8=args.int8))


if __name__ == '__main__':
    sys.exit(main())
