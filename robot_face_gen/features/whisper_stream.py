# SPDX-License-Identifier: Apache-2.0
"""Whisper embeddings of a stream of sound: the same live and for training.

Whisper's encoder attends to 30 s in both directions. Here, after each `hop_s` of new sound, the
last `context_s` are encoded and the embeddings of the newest sound are used; `settle_s` delays
them until that much sound has followed. Hops are counted in samples from the beginning of the
stream, so the embeddings do not depend on how the sound is cut into chunks.
Whisper limits the spectrogram to 8 (log10) below the loudest bin of the clip. Here it is the
loudest bin so far, which decays slowly. It is rounded to steps, so that sound in the context keeps
the same values for many hops and intermediate results of the encoder can be reused.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from robot_face_gen.timing import EMBEDDING_RATE_HZ

from .log_mel import FLOOR, FRAME, LogMel
from .resample import RATE, Resampler, to_mono

if TYPE_CHECKING:
    from .whisper_encoder import WhisperEncoder
    from .whisper_exported import ExportedWhisper

RATE_HZ = float(EMBEDDING_RATE_HZ)
EMBEDDING = 2 * FRAME  # samples of an embedding: 20 ms
_FORGET = 0.001  # decay of the loudest bin (log10) per frame: a factor of 10 in 10 s
_QUIETEST_MAXIMUM = -4.0  # lower limit of the loudest bin (log10)
_STEPS = 8  # rounding steps of the loudest bin per unit of log10
_RANGE = 8.0  # below the loudest bin (log10)
_MOST_LOST_S = 1.0  # a shorter loss of sound is filled with silence; a longer one resets
_SAME_S = 0.1  # largest difference of the times of a sample that is sent twice
_AGAIN_S = 0.1  # this much old sound in order: the sender plays it again
_BATCH, _BATCH_ON_GPU = 32, 256  # contexts encoded at once


@dataclass(frozen=True)
class EmbeddingBlock:
    """Consecutive embeddings: data (n, dim) float32; the first begins at stamp_ns."""

    stamp_ns: int
    data: np.ndarray
    rate_hz: float = RATE_HZ


def _embeddings(name: str, seconds: float, least: int) -> int:
    count = round(seconds * RATE_HZ) if math.isfinite(seconds) else -1
    if count < least or abs(count / RATE_HZ - seconds) > 1e-6:
        raise ValueError(
            f'{name} = {seconds}: expected a multiple of 0.02 s, at least {least / RATE_HZ:g}'
        )
    return count


class WhisperStream:
    """Computes embeddings from chunks of sound of any size, rate and number of channels.

    Args:
        encoder: of the embeddings.
        hop_s: sound between two runs of the encoder.
        context_s: sound that the encoder sees; silence before the stream's beginning.
        settle_s: sound that must follow an embedding before it is returned.

    Attributes:
        counters: `lost_samples` (filled with silence), `bad_samples` (not finite: silence; far
            louder than full scale: clipped), `duplicate_samples`, `resets`, `hops_at_once`,
            `skipped_hops` (too old to be caught up with).
    """

    def __init__(self, encoder: WhisperEncoder | ExportedWhisper,
                 hop_s: float = 0.04, context_s: float = 2.0,
                 settle_s: float = 0.0) -> None:  # fmt: skip
        self.encoder = encoder
        self._hop = _embeddings('hop_s', hop_s, 1)
        self._settle = _embeddings('settle_s', settle_s, 0)
        self._frames = 2 * _embeddings('context_s', context_s, self._hop + self._settle)
        if self._frames > encoder.most_frames:
            raise ValueError(
                f'context_s = {context_s}: expected at most {encoder.most_frames / 100:g}'
            )
        self._log_mel = LogMel(encoder.filters)
        self._mel = np.full((2 * self._frames, encoder.n_mels), FLOOR, np.float32)
        self.counters: Counter[str] = Counter()
        self._rate = 0
        self._begin()

    def description(self) -> dict[str, float]:
        """How embeddings are computed; stored in checkpoints."""
        return {'hop_s': self._hop / RATE_HZ, 'context_s': self._frames / 100,
                'settle_s': self._settle / RATE_HZ}  # fmt: skip

    @property
    def delay_s(self) -> float:
        """How old sound must be that a frame uses so that the frame never waits for the encoder.

        The sound of an embedding has settled at most `settle_s` and a hop less 20 ms after its
        end. The other 20 ms are for the phase between camera and sound, 10 ms, and for the encoder
        to compute in. A frame that uses sound of this age waits for the face alone.
        """
        return (self._settle + self._hop) / RATE_HZ

    def _begin(self) -> None:
        self._log_mel.reset()
        self._mel[:] = FLOOR
        self._end = self._frames  # in _mel: the newest frames are before it
        self._loudest = _QUIETEST_MAXIMUM
        self._done = 0  # frames since the beginning
        self._next: int | None = None  # first_sample of the next chunk
        self._again = (0, 0)  # sound of long ago: until which sample, how much in order
        self._origin = 0  # first_sample at the beginning
        self._clock = (0, 0)  # a sample at the input's rate since the beginning, and its time

    def push(self, samples: np.ndarray, sample_rate: int, stamp_ns: int,
             first_sample: int | None = None, *,
             catch_up: bool = False) -> list[EmbeddingBlock]:  # fmt: skip
        """Process a chunk.

        Args:
            samples: (n,) or (n, channels), -1..1, or integers of their full range.
            sample_rate: Hz.
            stamp_ns: time of its first sample.
            first_sample: its number in the stream; None: it follows the previous chunk.
            catch_up: under overload: take the embeddings of all hops that this chunk completes
                from the newest context. It costs as much as one hop, and the values differ from
                those of `embed_recording` (`hops_at_once` counts them).

        Returns:
            list: the embeddings that are complete now; consecutive hops are joined.
        """
        contexts = self._contexts(samples, sample_rate, stamp_ns, first_sample)
        return self._encode_newest(contexts) if catch_up else self._encode(contexts)

    def _encode_newest(self, contexts: Iterator[tuple[int, np.ndarray]]) -> list[EmbeddingBlock]:
        end = self._frames // 2 - self._settle
        stamps: deque[int] = deque(maxlen=end // self._hop)  # older ones: outside of the newest
        newest = None
        for stamp_ns, mel in contexts:
            self.counters['skipped_hops'] += len(stamps) == stamps.maxlen
            stamps.append(stamp_ns)
            newest = mel
        if newest is None:
            return []
        self.counters['hops_at_once'] += len(stamps) - 1
        data = self.encoder.encode(newest[None], end - len(stamps) * self._hop, end)[0]
        return [EmbeddingBlock(stamps[0], data)]

    def _encode(self, contexts: Iterator[tuple[int, np.ndarray]]) -> list[EmbeddingBlock]:
        blocks: list[EmbeddingBlock] = []
        most = _BATCH if str(self.encoder.device) == 'cpu' else _BATCH_ON_GPU
        end = self._frames // 2 - self._settle
        while batch := list(itertools.islice(contexts, most)):
            stamps, mels = zip(*batch, strict=True)
            data = self.encoder.encode(np.stack(mels), end - self._hop, end)
            blocks += map(EmbeddingBlock, stamps, data)
        return blocks

    def _contexts(self, samples: np.ndarray, sample_rate: int, stamp_ns: int,
                  first_sample: int | None) -> Iterator[tuple[int, np.ndarray]]:  # fmt: skip
        """First embedding's time and log-mel (n_mels, frames) of each hop that is complete."""
        mono, bad = to_mono(samples)
        if bad:
            self.counters['bad_samples'] += bad
        # Python integers: NumPy's unsigned ones would wrap around below zero.
        stamp_ns = int(stamp_ns)
        first_sample = None if first_sample is None else int(first_sample)
        if sample_rate != self._rate:
            resampler = Resampler(sample_rate)  # refuses an impossible rate
            if self._rate:
                self.counters['resets'] += 1
            self._begin()
            self._rate, self._resampler = resampler.rate, resampler
        mono = self._continue(mono, stamp_ns, first_sample)
        for part in np.array_split(mono, max(1, len(mono) // (10 * self._rate))):
            for frame in self._log_mel.push(self._resampler.push(part)):
                self._add(frame)
                if self._done % (2 * self._hop) == 0:
                    first = self._done // 2 - self._settle - self._hop
                    if first >= 0:
                        yield self._time_ns(first * EMBEDDING), self._context()

    def _continue(self, mono: np.ndarray, stamp_ns: int, first_sample: int | None) -> np.ndarray:
        """Continue the stream: fill lost sound, drop duplicates, reset after a jump."""
        first = (self._next or 0) if first_sample is None else first_sample
        if self._next is not None:
            lost = first - self._next
            here = self._clock[1] + (first - self._origin - self._clock[0]) * 1e9 / self._rate
            # A known sample number with another time: the sender has restarted.
            most_s = _MOST_LOST_S if lost >= 0 else _SAME_S
            jumped = abs(stamp_ns - here) > most_s * 1e9
            if (
                jumped
                or lost > _MOST_LOST_S * self._rate
                or self._is_played_again(first, lost, len(mono))
            ):
                self.counters['resets'] += 1
                self._resampler.reset()
                self._begin()
            elif lost > 0:
                self.counters['lost_samples'] += lost
                mono = np.concatenate((np.zeros(lost, np.float32), mono))
                stamp_ns -= round(lost * 1e9 / self._rate)
                first = self._next
            elif lost < 0:
                twice = min(-lost, len(mono))
                self.counters['duplicate_samples'] += twice
                mono, first = mono[twice:], first + twice
                stamp_ns += round(twice * 1e9 / self._rate)
                if not len(mono):
                    return mono
        if self._next is None:
            self._origin = first
        self._clock = (first - self._origin, stamp_ns)
        self._next = first + len(mono)
        return mono

    def _is_played_again(self, first: int, lost: int, count: int) -> bool:
        """Whether the sender repeats old sound with equal numbers and times (a looping bag).

        Late sound is a chunk or two, not a longer piece of old sound in order.
        """
        if lost >= 0:
            self._again = (0, 0)
            return False
        until, in_order = self._again
        in_order = in_order + count if first == until else count
        self._again = (first + count, in_order)
        return in_order > _AGAIN_S * self._rate and -lost > _MOST_LOST_S * self._rate

    def _time_ns(self, sample: int) -> int:
        """Time of a sample at 16 kHz, from the stamp of the newest chunk."""
        at, stamp_ns = self._clock
        return stamp_ns + round(sample * 1e9 / RATE - at * 1e9 / self._rate)

    def _add(self, frame: np.ndarray) -> None:
        if self._end == len(self._mel):
            self._mel[: self._frames] = self._mel[-self._frames :]
            self._end = self._frames
        self._mel[self._end] = frame
        self._end += 1
        self._done += 1
        self._loudest = max(self._loudest - _FORGET, float(frame.max()), _QUIETEST_MAXIMUM)

    def _context(self) -> np.ndarray:
        mel = self._mel[self._end - self._frames : self._end]
        floor = np.float32(round(self._loudest * _STEPS) / _STEPS - _RANGE)
        return np.ascontiguousarray(((np.maximum(mel, floor) + 4.0) / 4.0).T)


def embed_recording(
    samples: np.ndarray,
    sample_rate: int,
    encoder: WhisperEncoder | ExportedWhisper,
    *,
    stamp_ns: int = 0,
    **times: float,
) -> list[EmbeddingBlock]:
    """The embeddings of a whole recording, as a live stream with these times would give them."""
    return WhisperStream(encoder, **times).push(samples, sample_rate, stamp_ns, 0)
