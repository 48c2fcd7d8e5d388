# SPDX-License-Identifier: Apache-2.0
"""From the frames and the voice of a person to a track: 25 Hz, with the live robot's functions."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from robot_face_gen.features.openface import FaceFrame
from robot_face_gen.features.whisper_cache import DEFAULT_WEIGHTS, weights_name
from robot_face_gen.features.whisper_stream import EmbeddingBlock, WhisperStream, embed_recording
from robot_face_gen.layout import BRANCHES, VALUE_MASK_SLICES
from robot_face_gen.pipeline.crop import FaceCropParameters
from robot_face_gen.pipeline.recording import align_recording
from robot_face_gen.timing import (
    CONTEXT_S,
    EMBEDDINGS_PER_FRAME,
    FRAME_RATE_HZ,
    HOP_S,
    MAX_AUDIO_DELAY_S,
    PERIOD_NS,
    SETTLE_S,
)

from .store import Track, hold_last_valid


def frame_count(length_s: float) -> int:
    """Number of complete frames in a duration; 29.9999 s counts as 30 s."""
    return int(length_s * FRAME_RATE_HZ + 0.05)


def align_person(
    frames: Sequence[FaceFrame],
    blocks: Iterable[EmbeddingBlock],
    count: int,
    *,
    audio_dim: int,
    audio_delay_s: float = 0.0,
    crop: FaceCropParameters | None = None,
) -> Track:
    """Align a person to the grid whose frame k is at 40 ms x k of the session's clock.

    The live timeline does the alignment. Its grid begins at the first frame, so its frames differ
    from this grid by up to 20 ms, and some may be missing at the beginning. Stamps of frames and
    embeddings are on the session's clock. `audio_dim` is 0 if the voice is not used. The sound of
    a frame is `audio_delay_s` older than its face.

    Returns:
        dict: the arrays of a track (see `store`), each with `count` frames. Where there is no
        face, the last one is repeated and marked as not valid.
    """
    # Without embeddings the live timeline would return empty ones of its default width.
    found = align_recording(
        frames, blocks, audio_dim=max(audio_dim, 1), audio_delay_s=audio_delay_s, crop=crop
    )
    # The stamp of a timeline frame is half a period after its centre. Integer division, because
    # all centres have the same phase: rounding could move some up and others down.
    place = found['stamp_ns'].astype(np.int64) // PERIOD_NS
    place, first = np.unique(place, return_index=True)
    inside = (place >= 0) & (place < count)
    place, first = place[inside], first[inside]
    present = np.zeros(count, bool)
    present[place] = True
    # The timeline gives 0 for a value that the tracker did not deliver.
    seen = found['mask'] | ~found['face_valid'][:, None]
    track: Track = {}
    for name, width in BRANCHES.items():
        values = np.zeros((count, width), np.float32)
        values[place] = np.where(seen[:, VALUE_MASK_SLICES[name]], found[name], np.nan)[first]
        track[name] = hold_last_valid(values, present)
    track['audio'] = np.zeros((count, EMBEDDINGS_PER_FRAME, audio_dim), np.float32)
    for name in ('face_valid', 'audio_valid'):
        track[name] = np.zeros(count, bool)
    track['face_valid'][place] = found['face_valid'][first]
    if audio_dim:
        track['audio'][place] = found['audio'][first]
        track['audio_valid'][place] = found['audio_valid'][first]
    return track


@dataclass(frozen=True)
class EmbeddingConfig:
    """How embeddings are computed, and which of them a frame uses."""

    encoder: str = DEFAULT_WEIGHTS  # weights by name, by path, or `untrained`
    hop_s: float = HOP_S  # sound between two runs of the encoder
    context_s: float = CONTEXT_S  # sound that the encoder sees
    settle_s: float = SETTLE_S  # sound that must follow an embedding before it is used
    # How much older than its face the sound of a frame is. None: so old that the live robot never
    # waits for the encoder, `WhisperStream.delay_s`.
    delay_s: float | None = None
    device: str = 'auto'  # of the encoder: auto, cpu, cuda

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> EmbeddingConfig:
        """Make it from the command line, see `add_embedding_arguments`."""
        return cls(args.encoder, args.hop, args.context, args.settle, args.delay, args.device)


def add_embedding_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of all commands that compute embeddings."""
    defaults = EmbeddingConfig()
    parser.add_argument(
        '--encoder', default=defaults.encoder, metavar='NAME|FILE',
        help='Whisper weights: tiny.en, a .pt file, or untrained (default %(default)s). Use the '
        'weights that the robot will use',
    )  # fmt: skip
    for name, text in (
        ('hop', 'sound between two runs of the encoder'),
        ('context', 'sound that the encoder sees'),
        ('settle', 'sound that must follow an embedding before it is used'),
    ):
        parser.add_argument(
            f'--{name}', type=float, default=getattr(defaults, f'{name}_s'), metavar='S',
            help=f'{text}, in seconds (default %(default)s)',
        )  # fmt: skip
    parser.add_argument(
        '--delay', type=float, metavar='S',
        help='how much older than its face the sound of a frame is, in seconds (default: hop + '
        'settle, so that no frame waits for the encoder)',
    )  # fmt: skip
    parser.add_argument(
        '--device',
        default=defaults.device,
        help='where the encoder runs: auto, cpu or cuda (default: auto)',
    )
    parser.add_argument(
        '--workers', type=int, default=min(os.cpu_count() or 1, 16), metavar='N',
        help='number of processes (default: one per core)',
    )  # fmt: skip


@cache
def _embedder(config: EmbeddingConfig) -> Embedder:
    return Embedder(config)


class Embedder:
    """Computes the embeddings of voices; the encoder is loaded once in a process.

    Raises:
        ValueError: unknown weights, weights that are not there, or impossible times.
    """

    def __init__(self, config: EmbeddingConfig) -> None:
        import torch

        from robot_face_gen.features.whisper_encoder import WhisperEncoder

        device = config.device
        if device == 'auto':
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self.config = config
        self.crop = FaceCropParameters()
        self._encoder = WhisperEncoder.from_name_or_path(config.encoder, device)
        # Checks the times before any work is done.
        stream = WhisperStream(self._encoder, config.hop_s, config.context_s, config.settle_s)
        delay_s = stream.delay_s if config.delay_s is None else config.delay_s
        if not 0 <= delay_s <= MAX_AUDIO_DELAY_S:
            raise ValueError(f'--delay {delay_s:g}: expected 0 to {MAX_AUDIO_DELAY_S:g} seconds')
        self.audio_delay_s = delay_s
        self._audio: dict[str, Any] = {**stream.description(), 'delay_s': delay_s}
        if name := weights_name(config.encoder):  # no path: a checkpoint is shared
            self._audio['weights'] = name

    def __reduce__(self) -> tuple[Any, ...]:
        return _embedder, (self.config,)

    @property
    def dim(self) -> int:
        """Width of an embedding."""
        return self._encoder.dim

    @property
    def description(self) -> dict[str, Any]:
        """What prepared data depends on and a checkpoint stores."""
        return {
            'audio_encoder': self._encoder.id,
            'audio': self._audio,
            'face_crop': asdict(self.crop),
        }

    def embed(self, samples: np.ndarray, sample_rate: int) -> list[EmbeddingBlock]:
        """Compute the embeddings of a voice as the live stream does; 0 ns is the first sample."""
        return embed_recording(
            samples,
            sample_rate,
            self._encoder,
            hop_s=self.config.hop_s,
            context_s=self.config.context_s,
            settle_s=self.config.settle_s,
        )
