# SPDX-License-Identifier: Apache-2.0
"""Contexts through an exported encoder; what its convolutions gave for the one before is kept."""

from __future__ import annotations

from typing import Any

import numpy as np

_EDGE = 4  # frames that a position of the second convolution reaches over, and one to be even


class ContextEncoder:
    """Encodes contexts of one length, one after the other; not for several threads at once.

    A position's convolutions see five frames. Where a context is the one before, moved on, those
    of all frames that are still there are the same numbers, but for the edges. That is a tenth of
    the work; nothing after the convolutions can be kept, as each position of a context moves.

    Args:
        session: of a file that `whisper_onnx.export_encoder` wrote.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._mel: np.ndarray | None = None
        self._stem = np.empty((0, 0), np.float32)
        self.reused = 0  # contexts for which there was something

    def encode(self, mel: np.ndarray, begin: int, end: int) -> np.ndarray:
        """Embeddings begin..end of a context (n_mels, frames): (end - begin, dim) float32."""
        mel = np.ascontiguousarray(mel, np.float32)
        frames, moved = mel.shape[1], self._moved(mel)
        if moved is None:
            pieces, kept = mel[None], np.empty((0, self._width()), np.float32)
        else:
            size = moved + _EDGE
            pieces = np.stack((mel[:, :size], mel[:, frames - size :]))
            # The first position is made anew, and the last that saw the end of the context.
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
        """By how many frames a context is the last one moved on; None if it is another."""
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
