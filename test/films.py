# SPDX-License-Identifier: Apache-2.0
"""Writes small films for tests."""

from fractions import Fraction

import av
import numpy as np


def write_film(
    path, images, rate=25, sound=None, sample_rate=16000, first=0, codec='mpeg4', title=''
):
    """A film of BGR images; `sound` is mono float32 (n,); `first`: number of the first picture."""
    with av.open(str(path), 'w') as film:
        film.metadata.update({'title': title} if title else {})
        height, width = images[0].shape[:2]
        pictures = film.add_stream(codec, rate=rate, width=width, height=height)
        pictures.pix_fmt, pictures.bit_rate = 'yuv420p', 8_000_000
        voice = (
            film.add_stream('aac', rate=sample_rate, layout='mono') if sound is not None else None
        )
        for number, image in enumerate(images, first):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format='bgr24')
            frame.pts, frame.time_base = number, Fraction(1, rate)
            film.mux(pictures.encode(frame))
        film.mux(pictures.encode(None))
        if voice is not None:
            for begin in range(0, len(sound), 1024):
                block = sound[None, begin : begin + 1024].astype(np.float32)
                frame = av.AudioFrame.from_ndarray(block, format='fltp', layout='mono')
                frame.sample_rate, frame.pts = sample_rate, begin
                film.mux(voice.encode(frame))
            film.mux(voice.encode(None))
    return path
