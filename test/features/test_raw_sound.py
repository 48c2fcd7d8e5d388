# SPDX-License-Identifier: Apache-2.0
"""Sound in pieces of bytes."""

import io
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.features.raw_sound import SoundDecoder, mono

RATE = 16_000
SOUND = (0.6 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
FORMATS = {
    'S8': ('<i1', 2**7, 0), 'U8': ('<u1', 2**7, 2**7), 'S16LE': ('<i2', 2**15, 0),
    'S16BE': ('>i2', 2**15, 0), 'U16LE': ('<u2', 2**15, 2**15), 'S16': ('<i2', 2**15, 0),
    'S32LE': ('<i4', 2**31, 0), 'F32LE': ('<f4', 1, 0), 'F64BE': ('>f8', 1, 0),
}  # fmt: skip


def encode(name, samples):
    if name.startswith('S24'):
        wide = (samples * 2**23).astype('<i4').view(np.uint8).reshape(-1, 4)[:, :3]
        return (wide if name == 'S24LE' else wide[:, ::-1]).tobytes()
    kind, full_scale, zero = FORMATS[name]
    return (samples * full_scale + zero).astype(kind).tobytes()


@pytest.mark.parametrize('name', [*FORMATS, 'S24LE', 'S24BE'])
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 4000), max_size=8), channels=st.sampled_from([1, 2]))
def test_raw_samples_are_the_same_however_the_bytes_are_cut(name, cuts, channels):
    samples = SOUND[:500]
    data = encode(name, np.repeat(samples, channels))
    decoder = SoundDecoder('wave', name, channels, RATE)
    edges = sorted({0, *(min(cut, len(data)) for cut in cuts), len(data)})
    found = np.concatenate([decoder.push(data[a:b]) for a, b in pairwise(edges)])
    step = 2**-7 if '8' in name else 2**-15
    np.testing.assert_allclose(found, samples, atol=1.01 * step)


def test_channels_are_averaged_and_a_header_is_left_out():
    stereo = np.stack((SOUND, np.zeros_like(SOUND)), 1).reshape(-1)
    decoder = SoundDecoder('', 'S16LE', 2, RATE)
    data = b'RIFF' + bytes(40) + encode('S16LE', stereo)
    np.testing.assert_allclose(decoder.push(data), SOUND / 2, atol=1e-4)
    # Later, the same four bytes are sound.
    assert len(decoder.push(b'RIFF' + bytes(60))) == 16
    with pytest.raises(ValueError, match='5 values: expected a multiple of 2'):
        mono(np.zeros(5), 2, 1.0)


@pytest.mark.parametrize(
    ('codec', 'encoder', 'container'), [('mp3', 'libmp3lame', 'mp3'), ('aac', 'aac', 'adts')]
)
def test_encoded_sound_in_pieces_is_the_sound(codec, encoder, container):
    if encoder not in av.codecs_available:
        pytest.skip(f'this PyAV has no encoder {encoder}')
    file = io.BytesIO()
    plain = {'id3v2_version': '0', 'write_xing': '0'} if codec == 'mp3' else {}
    with av.open(file, 'w', format=container, options=plain) as output:
        stream = output.add_stream(encoder, rate=RATE)
        stream.layout = 'mono'
        frame = av.AudioFrame.from_ndarray(SOUND[None], format='fltp', layout='mono')
        frame.sample_rate = RATE
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    data = file.getvalue()
    decoder = SoundDecoder(codec.upper(), '', 1, RATE)
    found = np.concatenate([decoder.push(data[i : i + 333]) for i in range(0, len(data), 333)])
    assert decoder.sample_rate == RATE
    assert 0.85 * RATE < len(found) < 1.2 * RATE
    middle = found[RATE // 4 : RATE // 4 + 8000]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 220  # 440 Hz of 0.5 s
    assert 0.5 < np.abs(middle).max() < 0.7


def test_damaged_encoded_sound_is_skipped():
    decoder = SoundDecoder('mp3', '', 1, RATE)
    found = []
    for _ in range(20):
        try:
            found.append(decoder.push(np.random.default_rng(0).bytes(500)))
        except ValueError as error:
            assert 'data:' in str(error)
    assert sum(map(len, found)) < RATE


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (('wave', 'S17LE', 1, RATE), "sample_format = 'S17LE'"),
        (('wave', 'F16LE', 1, RATE), "sample_format = 'F16LE'"),
        (('wave', 'S64LE', 1, RATE), "sample_format = 'S64LE'"),
        (('wave', 'S16LE', 0, RATE), '0 channels'),
        (('wave', 'S16LE', 1, 0), '0 Hz'),
        (('midi', '', 1, RATE), "coding_format = 'midi': expected wave or one of mp3, aac"),
    ],
)
def test_unknown_formats_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        SoundDecoder(*arguments)
