# SPDX-License-Identifier: Apache-2.0
"""How the voices of prepared data are embedded: the robot's own streamed Whisper encoder."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from robot_face_gen.features.face_crop import FaceCropParameters
from robot_face_gen.features.recording import Embeddings


@dataclass(frozen=True)
class EmbeddingConfig:
    """How embeddings are made; the defaults are those of the nodes.

    Attributes:
        encoder: weights by name (`tiny`), by path, or `untrained`.
        hop_s: sound between two runs of the encoder.
        context_s: sound that it sees.
        settle_s: sound that must follow an embedding before it is taken.
        device: where the encoder runs: auto, cpu, cuda.
    """

    encoder: str = 'untrained'
    hop_s: float = 0.04
    context_s: float = 2.0
    settle_s: float = 0.0
    device: str = 'auto'

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> EmbeddingConfig:
        """From the command line, see `add_embedding_arguments`."""
        return cls(args.encoder, args.hop, args.context, args.settle, args.device)


def add_embedding_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of all commands that embed voices."""
    defaults = EmbeddingConfig()
    parser.add_argument(
        '--encoder', default=defaults.encoder, metavar='NAME|FILE',
        help='Whisper weights: tiny, a .pt file, or untrained (default %(default)s). Use those '
        'that the robot will use',
    )  # fmt: skip
    for name, text in (
        ('hop', 'sound between two runs of the encoder'),
        ('context', 'sound that the encoder sees'),
        ('settle', 'sound that must follow an embedding'),
    ):
        parser.add_argument(
            f'--{name}', type=float, default=getattr(defaults, f'{name}_s'), metavar='S',
            help=f'{text}, in seconds (default %(default)s)',
        )  # fmt: skip
    parser.add_argument(
        '--device', default=defaults.device, help='where the encoder runs: auto, cpu or cuda'
    )
    parser.add_argument(
        '--workers', type=int, default=min(os.cpu_count() or 1, 16), metavar='N',
        help='processes (default: one a core)',
    )  # fmt: skip


class Embedder:
    """An encoder that is loaded once for many voices.

    Args:
        config: how embeddings are made.
        crop: parameters of the face crop that goes with them into the prepared data.
    """

    def __init__(self, config: EmbeddingConfig, crop: FaceCropParameters | None = None) -> None:
        import torch

        from robot_face_gen.features.whisper_encoder import WhisperEncoder
        from robot_face_gen.features.whisper_stream import WhisperStream

        device = config.device
        if device == 'auto':
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self.config = config
        self.crop = crop or FaceCropParameters()
        self._encoder = WhisperEncoder.from_name_or_path(config.encoder, device)
        # Refuses impossible times now, by name, not in the middle of the work.
        self._times = WhisperStream(
            self._encoder, config.hop_s, config.context_s, config.settle_s
        ).description()

    @property
    def dim(self) -> int:
        """Width of an embedding."""
        return self._encoder.dim

    @property
    def description(self) -> dict[str, Any]:
        """What a checkpoint must know of prepared data: audio_encoder, audio, face_crop."""
        return {
            'audio_encoder': self._encoder.id,
            'audio': self._times,
            'face_crop': asdict(self.crop),
        }

    @property
    def settings(self) -> dict[str, Any]:
        """All that what is prepared depends on."""
        return self.description

    def embed(self, samples: np.ndarray, sample_rate: int) -> list[Embeddings]:
        """Embeddings of a voice, as a live stream would give them.

        Args:
            samples: (n,) float32.
            sample_rate: Hz.

        Returns:
            list: blocks on the clock whose 0 is the first sample.
        """
        from robot_face_gen.features.whisper_stream import embed_recording

        config = self.config
        blocks: list[Any] = embed_recording(
            samples,
            sample_rate,
            self._encoder,
            hop_s=config.hop_s,
            context_s=config.context_s,
            settle_s=config.settle_s,
        )
        return blocks
