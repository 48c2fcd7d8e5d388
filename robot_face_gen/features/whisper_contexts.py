# SPDX-License-Identifier: Apache-2.0
"""Encodes contexts with an exported encoder and reuses the convolutions of the one before."""

from __future__ import annotations

from typing import Any

import numpy as np

_EDGE = 4  # receptive field of the second convolution in frames, rounded up to an even number


class ContextEncoder:
    """Encodes contexts of one length, one after the other; not thread-safe.

    The two convolutions have a receptive field of five frames. If a context is the previous one
    shifted, their outputs stay the same except at the edges and are reused, a tenth of the work.
    Nothing after the convolutions can be reused, because the positions change.

    Args:
        session: of a file that `whisper_onnx.export_encoder` wrote.
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
