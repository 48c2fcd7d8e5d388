# SPDX-License-Identifier: Apache-2.0
"""Sound in pieces of bytes, raw or encoded, as mono samples."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

# Names of raw formats: signed, unsigned or float; bits; order of the bytes (GStreamer's names).
_RAW = re.compile(r'([SUF])(8|16|24|32|64)(LE|BE)?')
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


class RawDecoder:
    """Decodes raw samples; a sample may be split between two pieces.

    Args:
        sample_format: such as 'S16LE' or 'F32LE'; without an order of bytes, little endian.
        channels: interleaved.
        sample_rate: Hz.

    Raises:
        ValueError: an unknown format.
    """

    def __init__(self, sample_format: str, channels: int, sample_rate: int) -> None:
        found = _RAW.fullmatch(sample_format.upper().replace('_', ''))
        if not found or channels < 1 or sample_rate < 1:
            raise ValueError(
                f'sample_format = {sample_format!r}, {channels} channels, {sample_rate} Hz: '
                'expected a format such as S16LE, and both numbers'
            )
        kind, bits, order = found.groups()
        self.sample_rate, self._channels = sample_rate, channels
        self._bytes = int(bits) // 8
        self._is_big = order == 'BE'
        self._zero = 2.0 ** (int(bits) - 1) if kind == 'U' else 0.0
        self._full_scale = 1.0 if kind == 'F' else 2.0 ** (int(bits) - 1)
        # numpy has no 24 bits: they become the upper three bytes of 32.
        width = 4 if self._bytes == 3 else self._bytes
        if (kind == 'F' and width not in (4, 8)) or (kind != 'F' and width == 8):
            raise ValueError(f'sample_format = {sample_format!r}: expected one such as S16LE')
        letter = {'S': 'i', 'U': 'u', 'F': 'f'}[kind]
        self._type = np.dtype(f'{">" if self._is_big else "<"}{letter}{width}')
        self._rest = b''
        self._is_first = True

    def push(self, data: bytes) -> np.ndarray:
        """Mono samples (n,) of a piece."""
        if self._is_first and data.startswith(b'RIFF'):
            data = data[_WAVE_HEADER_BYTES:]
        self._is_first = False
        data = self._rest + data
        whole = len(data) - len(data) % (self._bytes * self._channels)
        self._rest = data[whole:]
        data = data[:whole]
        if self._bytes == 3:
            values = self._three_bytes(data)
        else:
            values = np.frombuffer(data, self._type)
        return mono(values, self._channels, self._full_scale, self._zero)

    def _three_bytes(self, data: bytes) -> np.ndarray:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, slice(0, 3) if self._is_big else slice(1, 4)] = np.frombuffer(
            data, np.uint8
        ).reshape(-1, 3)
        return wide.reshape(-1).view(self._type) // 256


class CodedDecoder:
    """Decodes a stream of compressed sound, such as MP3; a frame may be split between pieces.

    Args:
        codec: one of CODECS.

    Raises:
        ValueError: an unknown codec.
    """

    def __init__(self, codec: str) -> None:
        import av

        if codec not in CODECS:
            raise ValueError(
                f'coding_format = {codec!r}: expected wave or one of {", ".join(CODECS)}'
            )
        self._av = av
        self._codec: Any = av.CodecContext.create(CODECS[codec], 'r')
        self._resampler: Any = None
        self.sample_rate = 0

    def push(self, data: bytes) -> np.ndarray:
        """Mono samples (n,) of the frames that are complete; sets `sample_rate`.

        Raises:
            ValueError: the bytes are not of this codec; decoding goes on with the next piece.
        """
        pieces: list[np.ndarray] = []
        problem = ''
        for packet in self._codec.parse(data):
            try:
                frames = self._codec.decode(packet)
            except self._av.error.FFmpegError as error:
                problem = str(error)
                continue
            for frame in frames:
                if frame.sample_rate != self.sample_rate:
                    self.sample_rate = int(frame.sample_rate)
                    self._resampler = self._av.AudioResampler(
                        format='flt', layout='mono', rate=self.sample_rate
                    )
                pieces += [one.to_ndarray()[0] for one in self._resampler.resample(frame)]
        if problem and not pieces:
            raise ValueError(f'data: {problem}')
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def make_decoder(
    coding_format: str, sample_format: str, channels: int, sample_rate: int
) -> RawDecoder | CodedDecoder:
    """The decoder of a stream that audio_common_msgs/AudioInfo describes.

    Raises:
        ValueError: an unknown format.
    """
    coding_format = coding_format.lower()
    if coding_format in _RAW_NAMES:
        return RawDecoder(sample_format, channels, sample_rate)
    return CodedDecoder(coding_format)
