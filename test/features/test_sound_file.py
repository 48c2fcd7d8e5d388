# SPDX-License-Identifier: Apache-2.0
"""Sound files and films as people have them: every kind, damaged and wrong ones."""

import numpy as np
import pytest
from sound_files import encode, wav_bytes, write_wav

from robot_face_gen.features.sound_file import SoundFile, read_audio, sound_length_s, write_flac

RATE = 48000
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (RATE, 2))
# A click of 20 ms at 0.5 s shows where time 0 is.
CLICK = np.zeros((2 * RATE, 1), np.float32)
CLICK[RATE // 2 : RATE // 2 + 960, 0] = 0.8 * np.sin(np.arange(960) * 2 * np.pi / 48)


def onset_s(samples, rate):
    return np.flatnonzero(np.abs(samples) > 0.2)[0] / rate


@pytest.mark.parametrize(
    ('kind', 'scale', 'offset'),
    [(np.uint8, 128, 128), (np.int16, 32768, 0), (np.int32, 2**31, 0), (np.float32, 1, 0),
     (np.float64, 1, 0)],
)  # fmt: skip
def test_samples_of_a_wav_are_exact(tmp_path, kind, scale, offset):
    written = (NOISE * scale + offset).astype(kind)
    write_wav(tmp_path / 'a.wav', written, RATE)
    samples, rate = read_audio(tmp_path / 'a.wav')
    full = (written.astype(np.float32) - np.float32(offset)) / np.float32(scale)
    assert (rate, samples.dtype) == (RATE, np.float32)
    assert np.array_equal(samples, full.mean(axis=1, dtype=np.float32))


@pytest.mark.parametrize('name', ['a.flac', 'a.FLAC', 'a.oga', 'a.aiff', 'a.au', 'a.caf', 'a.w64'])
def test_samples_of_lossless_files_are_exact(tmp_path, name):
    written = (NOISE * 32768).astype(np.int16)
    codec = {'flac': 'flac', 'oga': 'flac', 'aiff': 'pcm_s16be', 'au': 'pcm_s16be'}
    ending = name.partition('.')[2].lower()
    container = {'oga': 'ogg'}.get(ending, ending)
    encode(tmp_path / name, codec.get(ending, 'pcm_s16le'), written, RATE, container=container)
    samples, rate = read_audio(tmp_path / name)
    expected = (written.astype(np.float32) / np.float32(32768)).mean(axis=1, dtype=np.float32)
    assert rate == RATE and np.array_equal(samples, expected)


@pytest.mark.parametrize(
    ('name', 'codec', 'film'),
    [('a.mp3', 'libmp3lame', ''), ('a.m4a', 'aac', ''), ('A.M4A', 'aac', ''),
     ('a.opus', 'libopus', ''), ('a.ogg', 'libopus', ''), ('a.webm', 'libopus', ''),
     ('a.mka', 'aac', ''), ('a.mp4', 'aac', 'mpeg4'), ('a.MOV', 'aac', 'mpeg4'),
     ('a.mkv', 'libopus', 'mpeg4'), ('a.webm', 'libopus', 'libvpx')],
)  # fmt: skip
def test_time_zero_of_compressed_sound_is_where_it_was_recorded(tmp_path, name, codec, film):
    """The encoder's delay at the beginning and padding at the end are not part of the sound."""
    container = {'m4a': 'ipod', 'mka': 'matroska', 'mkv': 'matroska'}.get(
        name.partition('.')[2].lower(), name.partition('.')[2].lower()
    )
    encode(tmp_path / name, codec, CLICK, RATE, container=container, film=film)
    problems = []
    samples, rate = read_audio(tmp_path / name, problems)
    assert rate == RATE and problems == []
    assert onset_s(samples, rate) == pytest.approx(0.5, abs=0.001)
    padding_s = 0.006 if name == 'a.mka' else 0.001  # Matroska does not tell AAC's
    assert len(samples) / rate == pytest.approx(2.0, abs=padding_s)
    assert sound_length_s(tmp_path / name) == pytest.approx(2.0, abs=0.025)


@pytest.mark.parametrize(
    ('container', 'codec', 'times', 'onset'),
    [
        ('mp4', 'aac', {'sound_at': 0.7}, 1.2),
        ('matroska', 'libopus', {'sound_at': 0.7}, 1.2),
        ('matroska', 'libopus', {'pictures_at': 0.32}, 0.18),
    ],
)
def test_time_zero_of_a_film_is_its_first_picture(tmp_path, container, codec, times, onset):
    encode(tmp_path / 'a', codec, CLICK, RATE, container=container, film='mpeg4', **times)
    samples, rate = read_audio(tmp_path / 'a')
    assert onset_s(samples, rate) == pytest.approx(onset, abs=0.002)
    # Matroska gives the length of the film alone.
    later = times.get('pictures_at', 0.0)
    assert sound_length_s(tmp_path / 'a') - later == pytest.approx(len(samples) / rate, abs=0.02)


def test_a_film_without_sound_says_so(tmp_path):
    import av

    with av.open(str(tmp_path / 'a.mp4'), 'w') as out:
        video = out.add_stream('mpeg4', rate=25)
        video.width = video.height = 64
        video.pix_fmt = 'yuv420p'
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format='rgb24')
        out.mux(video.encode(picture))
        out.mux(video.encode(None))
    with pytest.raises(ValueError, match='a film without sound'):
        read_audio(tmp_path / 'a.mp4')


@pytest.mark.parametrize('name', ['a.mp4', 'a.mp3', 'a.flac'])
def test_a_title_that_is_not_utf_8(tmp_path, name):
    import av

    sound = CLICK if name != 'a.flac' else (CLICK * 32767).astype(np.int16)
    encode(tmp_path / 'b', {'a.mp4': 'aac', 'a.mp3': 'libmp3lame', 'a.flac': 'flac'}[name],
           sound, RATE, container=name[2:])  # fmt: skip
    with av.open(str(tmp_path / 'b')) as source, av.open(str(tmp_path / name), 'w') as out:
        out.metadata['title'] = 'Ad\u00edos'
        stream = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    data = (tmp_path / name).read_bytes()
    assert b'Ad\xc3\xados' in data
    (tmp_path / name).write_bytes(data.replace(b'Ad\xc3\xados', b'Ad\xed\xe9os'))
    samples, rate = read_audio(tmp_path / name)
    assert onset_s(samples, rate) == pytest.approx(0.5, abs=0.03)


def test_channels_in_opposite_phase_do_not_become_silence(tmp_path):
    left = (NOISE[:, :1] * 32768).astype(np.int16)
    late = np.zeros((RATE, 2), np.int16)  # silence at the beginning decides nothing
    write_wav(tmp_path / 'a.wav', np.concatenate((late, np.hstack((left, -left)))), RATE)
    problems = []
    samples, _ = read_audio(tmp_path / 'a.wav', problems)
    assert np.array_equal(samples[RATE:], left[:, 0] / np.float32(32768))
    assert problems == [
        f'{tmp_path / "a.wav"}: 2 channels in opposite phase cancel each other: channel 1 alone '
        'is used'
    ]
    write_wav(tmp_path / 'b.wav', np.hstack((left, left // 2)), RATE)
    problems.clear()
    read_audio(tmp_path / 'b.wav', problems)
    assert problems == []


@pytest.mark.parametrize('size', [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_killed_recorder_leaves_samples_that_are_read(tmp_path, size):
    written = (NOISE[:, 0] * 32768).astype(np.int16)
    (tmp_path / 'a.wav').write_bytes(wav_bytes(written, RATE, data_size=size))
    problems = []
    samples, _ = read_audio(tmp_path / 'a.wav', problems)
    assert np.array_equal(samples, written / np.float32(32768)) and problems == []


@pytest.mark.parametrize(
    ('name', 'codec'),
    [('a.wav', 'pcm_s16le'), ('a.flac', 'flac'), ('a.mp3', 'libmp3lame'), ('a.aiff', 'pcm_s16be')],
)
def test_how_much_of_a_truncated_file_was_read(tmp_path, name, codec):
    written = (np.concatenate((NOISE, NOISE, NOISE)) * 32768).astype(np.int16)
    if codec == 'libmp3lame':
        written = (written / 32768).astype(np.float32)
    encode(tmp_path / name, codec, written, RATE)
    whole = (tmp_path / name).read_bytes()
    full, _ = read_audio(tmp_path / name)
    (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
    problems = []
    samples, _ = read_audio(tmp_path / name, problems)
    length_s = len(samples) / RATE
    assert 1.5 < length_s < 2.1
    sure = len(samples) - 2304  # the end of a compressed file is another sound
    assert np.allclose(samples[:sure], full[:sure], atol=1e-3)
    assert problems[-1] == f'{tmp_path / name}: truncated: {length_s:.1f} s of 3.0 s could be read'


@pytest.mark.parametrize(
    ('name', 'codec', 'film', 'words'),
    [
        ('a.ogg', 'libopus', '', 'the Ogg stream has no last page'),
        ('a.oga', 'flac', '', 'the Ogg stream has no last page'),
        ('a.mkv', 'libopus', 'mpeg4', 'the file has {there} of {whole} bytes'),
        ('a.webm', 'libopus', 'libvpx', 'the file has {there} of {whole} bytes'),
        ('a.avi', 'libmp3lame', 'mpeg4', 'the file has {there} of {whole} bytes'),
        ('a.au', 'pcm_s16be', '', 'the file has {there} of {whole} bytes'),
        ('a.caf', 'pcm_s16be', '', 'the file has {there} of {whole} bytes'),
        ('a.w64', 'pcm_s16le', '', 'the file has {there} of {whole} bytes'),
    ],
)
def test_a_truncated_file_whose_length_is_not_known(tmp_path, name, codec, film, words):
    sound = np.concatenate((NOISE, NOISE, NOISE))[:, :1].astype(np.float32)
    if codec.startswith(('pcm', 'flac')):
        sound = (sound * 32768).astype(np.int16)
    container = {'mkv': 'matroska', 'oga': 'ogg'}.get(name[2:], name[2:])
    encode(tmp_path / name, codec, sound, RATE, container=container, film=film)
    problems = []
    read_audio(tmp_path / name, problems)
    assert problems == []
    whole = (tmp_path / name).read_bytes()
    there = len(whole) * 2 // 3
    for cut in (there, there - 1):
        (tmp_path / name).write_bytes(whole[:cut])
        samples, _ = read_audio(tmp_path / name, problems)
        # Of some kinds FFmpeg finds less: the pictures of a short film come before the sound.
        assert len(samples) < 2.2 * RATE
        expected = words.format(there=cut, whole=len(whole))
        length_s = len(samples) / RATE
        assert problems[-1] == (
            f'{tmp_path / name}: truncated: {length_s:.1f} s could be read; {expected}'
        )


def test_an_mp4_that_was_cut_off_has_no_index(tmp_path):
    encode(tmp_path / 'a.mp4', 'aac', CLICK, RATE, film='mpeg4')
    whole = (tmp_path / 'a.mp4').read_bytes()
    (tmp_path / 'a.mp4').write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match='an MP4 without its index: cut off'):
        read_audio(tmp_path / 'a.mp4')


@pytest.mark.parametrize('seed', range(12))
def test_bytes_without_a_header_are_no_sound(tmp_path, seed):
    """Neither random bytes, nor samples without a header, nor silence are MP3 or anything else."""
    random = np.random.default_rng(seed)
    tone = np.sin(np.arange(100_000) * random.uniform(0.01, 1)) * 20000
    data = [random.bytes(200_000), tone.astype('<i2').tobytes(),
            (tone + random.normal(0, 3000, len(tone))).astype('<i2').tobytes(),
            np.cumsum(random.normal(0, 0.01, 50_000)).astype('<f4').tobytes()]  # fmt: skip
    path = tmp_path / ('a.wav', 'a.raw', 'a.mp3')[seed % 3]
    path.write_bytes(data[seed % 4])
    with pytest.raises(ValueError, match='no known sound format') as error:
        read_audio(path)
    assert '\n' not in str(error.value)


def test_files_that_are_not_sound_are_one_clear_line(tmp_path):
    for name, data, words in (
        ('text.wav', b'hello', 'no sound file that can be read'),
        ('text.txt', b'hello world\n' * 999, 'no sound file that can be read'),
        ('nothing.flac', b'', 'is empty'),
        ('zeros.raw', bytes(99_999), 'no known sound format'),
        ('pointer.wav', b'version https://git-lfs.github.com/spec/v1\n', 'a git LFS pointer'),
        ('page.mp3', b'<!DOCTYPE html>\n<html>', 'it is a web page'),
        ('list.m3u8', b'#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n', 'no known sound format'),
        ('empty.wav', wav_bytes(np.zeros(0, np.int16), RATE), 'holds no sound'),
        ('nan.wav', wav_bytes(np.array([0, np.nan], np.float32), RATE),
         'holds 1 samples that are not finite, the first at 0.0'),
        ('loud.wav', wav_bytes(np.array([0, 3e4], np.float32), RATE),
         r'holds samples of up to 3e\+04: expected -1 to 1'),
        ('slow.wav', wav_bytes(np.zeros(9, np.int16), 500), '500 Hz: expected'),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=words) as error:
            read_audio(tmp_path / name)
        assert str(error.value).startswith(f'{tmp_path / name}: ')
        assert '\n' not in str(error.value)
    for missing, words in ((tmp_path / 'no.wav', 'no such sound file'), (tmp_path, 'is a folder')):
        with pytest.raises(FileNotFoundError, match=words):
            read_audio(missing)


def test_blocks_are_short_whatever_the_file(tmp_path):
    """Constant memory: also where a film's sound begins much later than its pictures."""
    encode(
        tmp_path / 'a.mkv', 'libopus', CLICK, RATE, container='matroska', film='mpeg4',
        sound_at=30.0,
    )  # fmt: skip
    blocks = list(SoundFile(tmp_path / 'a.mkv').blocks())
    assert max(map(len, blocks)) <= RATE
    assert sum(map(len, blocks)) / RATE == pytest.approx(32.0, abs=0.1)
    assert len(list(SoundFile(tmp_path / 'a.mkv').blocks())) == len(blocks)


def test_what_is_written_is_read_back(tmp_path):
    sound = np.concatenate(([-1.5, 1.5, 0.99999], NOISE[:, 0])).astype(np.float32)
    write_flac(tmp_path / 'a.flac', sound, 22050)
    samples, rate = read_audio(tmp_path / 'a.flac')
    assert rate == 22050 and np.abs(samples - sound.clip(-1, 1)).max() <= 1.01 / 32768


def test_a_real_voice(real_recordings):
    samples, rate = read_audio(real_recordings.audio)
    assert rate >= 16000 and len(samples) > 5 * rate and 0.1 < np.abs(samples).max() <= 1.0
