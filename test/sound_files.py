# SPDX-License-Identifier: Apache-2.0
"""Small sound files and films for the tests, written with numpy and PyAV."""

import struct
from fractions import Fraction

import av
import numpy as np


def wav_bytes(samples, rate, data_size=None):
    """A WAV file of (n,) or (n, channels): uint8, int16, int32, float32 or float64 samples."""
    samples = np.asarray(samples)
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    size = samples.dtype.itemsize
    data = samples.astype(samples.dtype.newbyteorder('<')).tobytes()
    data_size = len(data) if data_size is None else data_size
    kind = 3 if samples.dtype.kind == 'f' else 1
    head = struct.pack(
        '<4sI4s4sIHHIIHH', b'RIFF', (36 + data_size) & 0xFFFFFFFF, b'WAVE', b'fmt ', 16, kind,
        channels, rate, rate * channels * size, channels * size, 8 * size,
    )  # fmt: skip
    return head + b'data' + struct.pack('<I', data_size) + data


def write_wav(path, samples, rate):
    """Write such a file."""
    path.write_bytes(wav_bytes(samples, rate))


def encode(path, codec, samples, rate, *, container=None, film='', sound_at=0.0, pictures_at=0.0):
    """Mono or stereo samples (n, channels) as a sound file, or with pictures as a film.

    Args:
        path: of the file; its ending gives the container, unless `container` does.
        codec: of the sound.
        samples: float32; int16 for flac and pcm_s16.
        rate: Hz.
        container: FFmpeg's name.
        film: codec of the pictures; '': none.
        sound_at: time of the first sample, seconds.
        pictures_at: time of the first picture, seconds.
    """
    samples = samples.reshape(len(samples), -1)
    layout = 'mono' if samples.shape[1] == 1 else 'stereo'
    with av.open(str(path), 'w', format=container) as out:
        if film:
            video = out.add_stream(film, rate=25)
            video.width = video.height = 64
            video.pix_fmt = 'yuv420p'
        sound = out.add_stream(codec, rate=rate, layout=layout)
        if film:
            for index in range(round(25 * len(samples) / rate)):
                picture = av.VideoFrame.from_ndarray(
                    np.full((64, 64, 3), index % 256, np.uint8), format='rgb24'
                )
                picture.pts = index + round(25 * pictures_at)
                picture.time_base = Fraction(1, 25)
                out.mux(video.encode(picture))
            out.mux(video.encode(None))
        form = {'i': 's16', 'f': 'flt'}[samples.dtype.kind]
        for begin in range(0, len(samples), 1024):
            piece = np.ascontiguousarray(samples[begin : begin + 1024].reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(piece, format=form, layout=layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = begin + round(sound_at * rate)
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
