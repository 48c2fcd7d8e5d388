# SPDX-License-Identifier: Apache-2.0
"""Sound in pieces of bytes, raw or encoded, as mono samples."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

# Names of raw formats: signed, unsigned or float; bits; order of the bytes (GStreamer's names).
_RAW = re.compile(r'([SU](?:8|16|24|32)|F(?:32|64))(LE|BE)?')
_RAW_NAMES = ('', 'wave', 'wav', 'raw', 'pcm')
#: Coding formats whose frames are found in a stream of bytes, and their decoders in FFmpeg.
CODECS = {'mp3': 'mp3float', 'aac': 'aac'}
_WAVE_HEADER_BYTES = 44


def mono(values: np.ndarray, channels: int, full_scale: float, zero: float = 0.0) -> np.ndarray:
    """The mean of interleaved channels (n x channels,) as float32 of full scale 1, (n,).

    Raises:
        ValueError: the number of values is not a multiple of the number of channels.
    """
    if channels < 1 or len(values) % channels:
        raise ValueError(f'{len(values)} values: expected a multiple of {channels} channels')
    samples = (np.asarray(values, np.float64) - zero) / full_scale
    return samples.reshape(-1, channels).mean(axis=1).astype(np.float32)


class SoundDecoder:
    """Decodes a stream of sound; a sample or frame may be split between two pieces.

    The arguments are those of audio_common_msgs/AudioInfo.

    Args:
        coding_format: wave, or one of CODECS.
        sample_format: of raw samples, such as S16LE or F32LE; little endian without an order.
        channels: of raw samples, interleaved.
        sample_rate: of raw samples, Hz.

    Raises:
        ValueError: an unknown format.
    """

    def __init__(
        self, coding_format: str, sample_format: str, channels: int, sample_rate: int
    ) -> None:
        import av  # a microphone does not need it

        self._av = av
        self._channels = self.sample_rate = 0  # of encoded sound: its frames tell
        coding = coding_format.lower()
        if coding in CODECS:
            self._codec: Any = av.CodecContext.create(CODECS[coding], 'r')
            return
        if coding not in _RAW_NAMES:
            raise ValueError(
                f'coding_format = {coding!r}: expected wave or one of {", ".join(CODECS)}'
            )
        found = _RAW.fullmatch(sample_format.upper().replace('_', ''))
        if not found or channels < 1 or sample_rate < 1:
            raise ValueError(
                f'sample_format = {sample_format!r}, {channels} channels, {sample_rate} Hz: '
                'expected a format such as S16LE, and both numbers'
            )
        kind, order = found[1].lower(), (found[2] or 'LE').lower()
        name = f'pcm_{kind}' if kind in ('s8', 'u8') else f'pcm_{kind}{order}'
        self._codec = av.CodecContext.create(name, 'r')
        # Interleaved channels are decoded as one, and averaged afterwards.
        self._codec.layout, self._codec.sample_rate = 'mono', sample_rate
        self._channels, self.sample_rate = channels, sample_rate
        self._frame_bytes = int(kind[1:]) // 8 * channels
        self._rest: bytes | None = None  # None: nothing was received yet

    def push(self, data: bytes) -> np.ndarray:
        """Mono samples (n,) that are complete now; sets `sample_rate` of encoded sound.

        Raises:
            ValueError: the bytes are not of this codec; decoding goes on with the next piece.
        """
        from .sound_file import frame_samples

        pieces: list[np.ndarray] = []
        problem = ''
        for packet in self._raw_packets(data) if self._channels else self._codec.parse(data):
            try:
                frames = self._codec.decode(packet)
            except self._av.FFmpegError as error:
                problem = str(error)
                continue
            for frame in frames:
                self.sample_rate = int(frame.sample_rate)
                samples = frame_samples(frame)
                if self._channels:
                    samples = samples.reshape(-1, self._channels)
                pieces.append(samples.mean(axis=1, dtype=np.float32))
        if problem and not pieces:
            raise ValueError(f'data: {problem}')
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

    def _raw_packets(self, data: bytes) -> Iterable[Any]:
        if self._rest is None and data.startswith(b'RIFF'):
            data = data[_WAVE_HEADER_BYTES:]
        data = (self._rest or b'') + data
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        return [self._av.Packet(data[:whole])] if whole else []
