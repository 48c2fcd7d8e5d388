# SPDX-License-Identifier: Apache-2.0
"""The encoder half of Whisper for short contexts: openai-whisper's own classes and weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from whisper.audio import mel_filters
from whisper.model import AudioEncoder, ModelDimensions

from .log_mel import check_span
from .whisper_weights import load_encoder


class WhisperEncoder:
    """Log-mel frames in, embeddings out.

    Attributes:
        id: the name, and a hash of the weights: what a checkpoint was trained with.
        dim: length of an embedding.
        n_mels: bands of the log-mel spectrogram.
        filters: (n_mels, 201) float32, from power spectrum to mel bands.
    """

    def __init__(self, encoder: AudioEncoder, dims: ModelDimensions, name: str) -> None:
        self._encoder = encoder.eval().requires_grad_(False)
        self.dim, self.n_mels = dims.n_audio_state, dims.n_mels
        self.most_frames = 2 * dims.n_audio_ctx
        self.id = f'{name}:{_digest(encoder)}'
        self.filters = mel_filters('cpu', dims.n_mels).numpy()
        self._positions = encoder.positional_embedding

    @classmethod
    def from_name_or_path(cls, weights: str | Path, device: str = 'cpu') -> WhisperEncoder:
        """Load weights: a name (`tiny.en`), a path (`.pt` in Whisper's format), or `untrained`.

        `untrained` is the tiny architecture with fixed random weights. It needs no download and is
        the same everywhere; it keeps what the sound is like, and knows nothing of speech.

        Raises:
            ValueError, OSError: see `load_encoder`.
        """
        encoder, dims, name = load_encoder(str(weights))
        return cls(encoder.to(device), dims, name)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self._positions.device

    @torch.inference_mode()
    def encode(self, mel: np.ndarray, begin: int = 0, end: int | None = None) -> np.ndarray:
        """Embeddings of short contexts, with the first positions of Whisper's table.

        Args:
            mel: (B, n_mels, frames) float32, an even number of frames of 10 ms.
            begin: the first embedding that is wanted, 0..frames / 2: what is not costs less.
            end: the one after the last; None is frames / 2.

        Returns:
            np.ndarray: (B, end - begin, dim) float32.
        """
        end = check_span(mel, self.n_mels, begin, end)
        encoder = self._encoder
        x = torch.from_numpy(np.ascontiguousarray(mel, np.float32)).to(self.device)
        # TF32, torch's default for convolutions on CUDA, would change the third digit.
        with torch.backends.cudnn.flags(allow_tf32=False):
            x = torch.nn.functional.gelu(encoder.conv1(x))
            x = torch.nn.functional.gelu(encoder.conv2(x)).permute(0, 2, 1)
        x = x + self._positions[: x.shape[1]]
        *lower, last = encoder.blocks
        for block in lower:
            x = block(x)
        # The last layer looks at all positions, and answers the wanted ones alone.
        seen, x = last.attn_ln(x), x[:, begin:end]
        x = x + last.attn(seen[:, begin:end], seen)[0]
        x = x + last.mlp(last.mlp_ln(x))
        return encoder.ln_post(x).float().cpu().numpy()


def _digest(encoder: AudioEncoder) -> str:
    """First 12 digits of the SHA-256 of all weights as float32, in the order of their names.

    Without the table of positions: it is computed, and its last bits depend on the processor.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.state_dict().items()):
        if 'positional' in name:
            continue
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
