# SPDX-License-Identifier: Apache-2.0
"""Whisper's encoder with ONNX Runtime only: a live node needs neither torch nor openai-whisper.

They and the weights would be half of the process' memory and most of its start-up time. A child
process exports the encoder, once; the file stays in the cache folder.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from robot_face_gen.extras import require
from robot_face_gen.models.cache import EXPORT_VERSION, CacheEntry, cached, read_entry
from robot_face_gen.models.export_process import export_in_child
from robot_face_gen.models.onnx_session import open_session

from .log_mel import check_span
from .whisper_cache import UNTRAINED, locate

_EDGE = 4  # receptive field of the second convolution in frames, rounded up to an even number


class ContextEncoder:
    """Encodes contexts of one length, one after the other; not thread-safe.

    The two convolutions have a receptive field of five frames. If a context is the previous one
    shifted, their outputs stay the same except at the edges and are reused, a tenth of the work.
    Nothing after the convolutions can be reused, because the positions change.

    The session is of a file that `whisper_onnx.export_encoder` wrote.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._mel: np.ndarray | None = None
        self._stem = np.empty((0, 0), np.float32)
        self.reused = 0  # contexts for which outputs were reused

    def encode(self, mel: np.ndarray, begin: int, end: int) -> np.ndarray:
        """Embeddings begin..end of a context (n_mels, frames): (end - begin, dim) float32."""
        mel = np.ascontiguousarray(mel, np.float32)
        frames, moved = mel.shape[1], self._moved(mel)
        if moved is None:
            pieces, kept = mel[None], np.empty((0, self._width()), np.float32)
        else:
            size = moved + _EDGE
            pieces = np.stack((mel[:, :size], mel[:, frames - size :]))
            # The first position and those that saw the end of the context are computed again.
            kept = self._stem[moved // 2 + 1 : frames // 2 - 1]
            self.reused += 1
        span = np.array([begin, end], np.int64)
        given = {'mel': pieces, 'kept': kept, 'span': span}
        embeddings, self._stem = self._session.run(None, given)
        self._mel = mel
        return embeddings

    def _width(self) -> int:
        kept = next(each for each in self._session.get_inputs() if each.name == 'kept')
        return int(kept.shape[1])

    def _moved(self, mel: np.ndarray) -> int | None:
        """Shift of a context against the previous one in frames; None if they do not overlap."""
        before, frames = self._mel, mel.shape[1]
        if before is None or before.shape != mel.shape:
            return None
        alike = np.flatnonzero((before[:, : frames // 2 : 2] == mel[:, :1]).all(axis=0))
        for moved in map(int, 2 * alike):
            if moved + _EDGE <= frames and np.array_equal(
                before[:, moved:], mel[:, : frames - moved]
            ):
                return moved
        return None


class ExportedWhisper:
    """Takes the place of `WhisperEncoder` in a stream, with the embeddings of backend `onnx`.

    Args:
        weights: see `WhisperEncoder.from_name_or_path`.
        frames: log-mel frames of 10 ms in a context; other lengths are exported when needed.
        int8: 8-bit weights: faster, not quite the same embeddings.
        threads: for one context; 0 is one per core.

    Attributes:
        id, dim, n_mels, most_frames, filters: as those of `WhisperEncoder`.

    Raises:
        ValueError: the weights cannot be used; the message says why.
        ImportError: a package is missing; it is named.
        OSError: the cache folder cannot be written.
    """

    device = 'cpu'

    def __init__(
        self, weights: str | Path, frames: int, *, int8: bool = False, threads: int = 1
    ) -> None:
        self._weights, self._int8, self._threads = str(weights), int8, threads
        self._contexts: dict[int, ContextEncoder] = {}
        described = self._open(frames).description
        self.id = str(described['id'])
        self.dim, self.n_mels, self.most_frames = (
            int(described[name]) for name in ('dim', 'n_mels', 'most_frames')
        )
        self.filters = np.array(described['filters'], np.float32)

    def _open(self, frames: int) -> CacheEntry:
        require('onnxruntime', 'onnx')
        entry = exported(self._weights, frames, int8=self._int8)
        if entry is None:
            if self._weights != UNTRAINED:
                # Here: errors of the child have no type of their own.
                locate(self._weights, checks_hash=True)
            name = _entry_name(self._weights, frames, self._int8)
            make = f'{__name__}:{_export.__name__}'
            entry = export_in_child(name, make, self._weights, frames, self._int8)
        self._contexts[frames] = ContextEncoder(open_session(entry.path, self._threads))
        return entry

    def encode(self, mel: np.ndarray, begin: int = 0, end: int | None = None) -> np.ndarray:
        """As `WhisperEncoder.encode`."""
        end = check_span(mel, self.n_mels, begin, end)
        frames = mel.shape[2]
        if frames not in self._contexts:
            self._open(frames)
        return np.stack([self._contexts[frames].encode(one, begin, end) for one in mel])


def exported(weights: str, frames: int, *, int8: bool = False) -> CacheEntry | None:
    """The valid export of these weights in the cache; None if there is none.

    Raises:
        ValueError: the file of the weights is missing; the message says how to get it.
    """
    return read_entry(_entry_name(weights, frames, int8))


def _entry_name(weights: str, frames: int, int8: bool) -> str:
    """Name of the cache entry.

    Weights are identified by path, size and time of change: reading them takes too long.
    """
    what = UNTRAINED
    if weights != UNTRAINED:
        file = locate(weights)
        found = file.stat()
        what = f'{file.resolve()}:{found.st_size}:{found.st_mtime_ns}'
    digest = hashlib.sha256(f'export {EXPORT_VERSION}\n{what}'.encode()).hexdigest()[:16]
    return f'whisper-{digest}-{frames}{"-int8" if int8 else ""}'


def _export(weights: str, frames: int, int8: bool) -> None:
    """Load and export, in the child process."""
    from .whisper_encoder import WhisperEncoder
    from .whisper_onnx import export_encoder

    made = WhisperEncoder.from_name_or_path(weights)
    if not 2 <= frames <= made.most_frames:
        raise ValueError(f'contexts of {frames} frames: expected 2 to {made.most_frames}')

    def make(path: Path) -> dict[str, Any]:
        export_encoder(made.network, frames, path, int8=int8)
        return {
            'id': made.id, 'dim': made.dim, 'n_mels': made.n_mels,
            'most_frames': made.most_frames, 'filters': made.filters.tolist(),
        }  # fmt: skip

    cached(_entry_name(weights, frames, int8), make)
