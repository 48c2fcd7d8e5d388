# SPDX-License-Identifier: Apache-2.0
"""Sound of files and films, block by block in constant memory (FFmpeg, through PyAV)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from robot_face_gen.files import atomic_file

from .file_kind import HEAD_BYTES, foreign_kind
from .resample import LEAST_RATE, LOUDEST, MOST_RATE
from .sound_headers import has_mp3_length, missing_end, wav_length_s

# FFmpeg's names. Raw streams without a container are not among them, except MP3, AAC and AC-3:
# FFmpeg would take nearly any bytes for one of the others.
_CONTAINERS = (
    'wav,w64,rf64,flac,mp3,aac,ac3,eac3,ogg,aiff,au,caf,amr,wv,ape,tta,mov,matroska,webm,avi,'
    'mpegts,mpeg,asf,flv,mp4,m4a'
)
# The length in the header of these is exact, so that a truncated file can be recognised.
_EXACT_LENGTH = {'wav', 'w64', 'flac', 'aiff', 'caf', 'mov,mp4,m4a,3gp,3g2,mj2'}
_RAW = {'mp3', 'aac', 'ac3', 'eac3'}  # FFmpeg guesses their length from the bit rate
_GUESSED_LENGTH = {'avi', 'asf', 'mpegts', 'mpeg', 'flv', 'amr'}
_FIRST_PACKETS = 16  # of which most must be good: else it is no sound, whatever FFmpeg says
_MOST_BAD = 2
_PROBE_S = 5.0  # of sound that is not silent, from which the channels are compared
_LONGEST_PROBE_S = 60.0
_SILENT = 1e-4  # root mean square
_OPPOSITE = 0.01  # power of the mean of the channels, as a share of their own power
_LONGEST_PIECE_S = 1.0
_GAP_S = 0.1  # a longer gap of the timestamps in a film is filled with silence
_LONGEST_GAP_S = 3600.0
_NO_FORMAT = 'no known sound format, or damaged at its beginning; samples without a header?'
_FLAC_BLOCK = 4096
_SHORT_S = 0.1  # by which a file is shorter than its header says, to be called truncated


class SoundFile:
    """The sound of a file as mono samples; the first sample is at time 0.

    In a film, time 0 is the first picture: sound before it is left out, and silence is put where
    the sound begins later or has gaps. Two channels in opposite phase would cancel each other:
    then the first channel alone is used.

    Attributes:
        sample_rate: Hz.
        duration_s: as the header says (of a film, that of its pictures where it has no other); 0
            where it says nothing.
        problems: what was found so far, one line each; grows while blocks are read.

    Raises:
        OSError: the file cannot be read.
        ValueError: no sound file; the text names the file and says why.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        if not Path(path).is_file():
            is_folder = Path(path).is_dir()
            problem = 'is a folder; expected a sound file' if is_folder else 'no such sound file'
            raise FileNotFoundError(f'{path}: {problem}')
        with open(path, 'rb') as file:
            head = file.read(HEAD_BYTES)
        if not head:
            raise ValueError(f'{path}: is empty: expected a sound file')
        self._kind = 'an MP4 without its index: cut off?' if head[4:8] == b'ftyp' else _NO_FORMAT
        if kind := foreign_kind(head):
            raise ValueError(f'{path}: no sound file that can be read (it is {kind})')
        self.problems: list[str] = []
        self.sample_rate = 0
        self.duration_s = 0.0
        self._channel: int | None = None  # the only one that is used
        self._probe()

    def blocks(self) -> Iterator[np.ndarray]:
        """All samples from the beginning, (n,) float32 each, not empty; errors as of the class.

        Samples beyond 4 times full scale and those that are not finite are not changed.
        """
        for block in self._decoded(self.problems):
            if block.shape[1] == 1:
                yield block[:, 0]
            elif self._channel is not None:
                yield block[:, min(self._channel, block.shape[1] - 1)]
            else:
                yield block.mean(axis=1, dtype=np.float32)

    def _probe(self) -> None:
        """Check what the file is, and whether its channels cancel each other."""
        total, loud, power, mean_power = 0, 0, np.zeros(1), 0.0
        for block in self._decoded([]):
            if not total:
                power = np.zeros(block.shape[1])
            total += len(block)
            with np.errstate(over='ignore', invalid='ignore'):
                squares = np.square(block, dtype=np.float64)
                if np.sqrt(squares.mean()) > _SILENT and block.shape[1] == len(power):
                    loud += len(block)
                    power += squares.sum(axis=0)
                    mean_power += float(np.square(block.mean(axis=1, dtype=np.float64)).sum())
            most_s = _LONGEST_PROBE_S if len(power) > 1 else _PROBE_S
            if max(loud / _PROBE_S, total / most_s) > self.sample_rate:
                break
        if not total:
            raise ValueError(f'{self.path}: holds no sound')
        if len(power) > 1 and loud and mean_power < _OPPOSITE * power.mean():
            self._channel = int(power.argmax())
            self.problems.append(
                f'{len(power)} channels in opposite phase cancel each other: channel '
                f'{self._channel + 1} alone is used'
            )

    def _decoded(self, problems: list[str]) -> Iterator[np.ndarray]:
        """Blocks (n, channels) float32; what is found is added to the problems."""
        with open(self.path, 'rb') as file:
            try:
                container = av.open(
                    file,
                    options={'format_whitelist': _CONTAINERS},
                    metadata_errors='replace',  # titles are not always UTF-8
                )
            except (av.FFmpegError, ValueError) as error:
                raise self._unreadable(error) from None
            with container:
                yield from self._streamed(container, problems)

    def _streamed(self, container: Any, problems: list[str]) -> Iterator[np.ndarray]:
        if not container.streams.audio:
            what = 'film without sound' if container.streams.video else 'file without sound'
            raise ValueError(f'{self.path}: a {what}')
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise ValueError(f'{self.path}: its sound has a codec that FFmpeg does not have')
        origin_s = None  # of the timestamps; None: they are not used
        for video in container.streams.video:
            if not video.disposition & av.stream.Disposition.attached_pic:
                start = video.start_time
                origin_s = 0.0 if start is None else float(start * video.time_base)
                break
        declared_s = self._declared_s(container, stream, origin_s)
        padded = container.format.name.startswith('mov') and declared_s > 0
        given, error = 0, None
        frames = self._frames(container, stream, problems)
        while True:
            try:
                frame = next(frames, None)
            except av.FFmpegError as found:
                error = found
                break
            if frame is None:
                break
            samples = frame_samples(frame)
            if not given:
                self.sample_rate = int(frame.sample_rate)
                if not LEAST_RATE <= self.sample_rate <= MOST_RATE:
                    raise ValueError(
                        f'{self.path}: {self.sample_rate} Hz: expected {LEAST_RATE} to {MOST_RATE}'
                    )
            elif frame.sample_rate != self.sample_rate:
                problems.append(
                    f'the sample rate changes to {frame.sample_rate} Hz at '
                    f'{given / self.sample_rate:.1f} s: the rest is not read'
                )
                break
            if origin_s is not None and frame.pts is not None:
                place = round((float(frame.pts * frame.time_base) - origin_s) * self.sample_rate)
                if not given and place < 0:
                    samples = samples[-place:]
                    place = 0
                missing = place - given
                least = 0 if not given else _GAP_S * self.sample_rate
                if least < missing < _LONGEST_GAP_S * self.sample_rate:
                    if given:
                        problems.append(
                            f'{missing / self.sample_rate:.1f} s without sound at '
                            f'{given / self.sample_rate:.1f} s: filled with silence'
                        )
                    piece = round(_LONGEST_PIECE_S * self.sample_rate)
                    for begin in range(0, missing, piece):
                        silence = min(piece, missing - begin)
                        yield np.zeros((silence, samples.shape[1]), np.float32)
                    given = place
            if padded:  # the encoder's padding at the end, after the length that is given
                samples = samples[: max(0, round(declared_s * self.sample_rate) - given)]
            if len(samples):
                given += len(samples)
                yield samples
        if error is not None and not given:
            raise self._unreadable(error)
        length_s = given / (self.sample_rate or 1)
        if declared_s > length_s + _SHORT_S:
            problems.append(f'truncated: {length_s:.1f} s of {declared_s:.1f} s could be read')
        # The sizes in a WAV are often wrong by a byte, but its length was checked.
        elif container.format.name != 'wav' and (end := missing_end(self.path)):
            problems.append(f'truncated: {length_s:.1f} s could be read; {end}')
        elif error is not None:
            problems.append(f'damaged: read until {length_s:.1f} s ({_text(error)})')

    def _declared_s(self, container: Any, stream: Any, origin_s: float | None) -> float:
        """Length of the sound as the header says; 0 where it does not say it exactly."""
        name, duration_s = container.format.name, 0.0
        if stream.duration is not None:
            duration_s = float(stream.duration * stream.time_base)
        elif container.duration is not None and (origin_s is None or not self.duration_s):
            duration_s = container.duration / av.time_base - (origin_s or 0.0)
        late_s = 0.0
        if origin_s is not None and stream.start_time is not None:
            late_s = float(stream.start_time * stream.time_base) - origin_s
        if name in _GUESSED_LENGTH or (name in _RAW and not has_mp3_length(self.path)):
            return 0.0
        if name == 'wav':
            duration_s = wav_length_s(self.path, stream) or duration_s
        if not self.duration_s and duration_s > 0:
            self.duration_s = max(0.0, duration_s + (late_s if stream.duration else 0.0))
        if name == 'wav':
            return wav_length_s(self.path, stream)
        exact = name in _EXACT_LENGTH or name == 'mp3'
        if exact or (name.startswith('matroska') and origin_s is None):
            return duration_s + late_s
        return 0.0

    def _frames(self, container: Any, stream: Any, problems: list[str]) -> Iterator[Any]:
        """Decoded frames; packets that are damaged are left out, except at the beginning."""
        raw = container.format.name in _RAW
        good = bad = 0
        end: int | None = None  # of the packet before, in the file
        for packet in container.demux(stream):
            # Of a raw stream, FFmpeg finds one good packet here and there in any bytes.
            apart = raw and end is not None and packet.pos is not None and packet.pos != end
            end = packet.pos + packet.size if packet.pos is not None else None
            try:
                frames = packet.decode()
                bad += apart
            except av.FFmpegError:
                bad += 1
                frames = []
            if bad > _MOST_BAD and good + bad <= _FIRST_PACKETS:
                raise ValueError(f'{self.path}: no sound file that can be read ({_NO_FORMAT})')
            good += bool(frames)
            yield from frames
        if bad:
            problems.append(f'{bad} damaged packets of {bad + good} are left out')

    def _unreadable(self, error: Exception) -> ValueError:
        known = isinstance(error, (av.error.InvalidDataError, av.error.ArgumentError))
        reason = self._kind if known else _text(error)
        return ValueError(f'{self.path}: no sound file that can be read ({reason})')


def frame_samples(frame: Any) -> np.ndarray:
    """Samples (n, channels) float32 of full scale 1, as exact as float32 can be."""
    channels = len(frame.layout.channels)
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, channels)
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == 'f':
        return np.ascontiguousarray(values, np.float32)
    # The same operations as libsndfile: a float32 of the integer, then a power of two.
    full = np.float32(2.0 ** (8 * size - 1))
    if kind == 'u':
        return np.ascontiguousarray((values.astype(np.float32) - full) / full)
    return np.ascontiguousarray(values.astype(np.float32) / full)


def _text(error: Exception) -> str:
    return ' '.join(str(getattr(error, 'strerror', None) or error).split())


def sound_length_s(path: str | Path) -> float:
    """Length of the sound in seconds, from the header or else by decoding all of it.

    Raises:
        OSError, ValueError: see `SoundFile`.
    """
    file = SoundFile(path)
    return file.duration_s or sum(map(len, file.blocks())) / file.sample_rate


def read_audio(
    path: str | Path, problems: list[str] | None = None, until_s: float = math.inf
) -> tuple[np.ndarray, int]:
    """All sound of a file or film, or at least its first `until_s` seconds.

    What was found is appended to `problems`, one line each.

    Returns:
        tuple: mono samples (n,) float32 of full scale 1, and their rate in Hz.

    Raises:
        OSError: the file cannot be read.
        ValueError: no sound file, no sound in it, or samples that are not finite or not scaled.
    """
    file = SoundFile(path)
    blocks, count = [], 0
    for block in file.blocks():
        blocks.append(block)
        count += len(block)
        if count >= until_s * file.sample_rate:
            break
    mono = np.concatenate(blocks)
    bad = np.flatnonzero(~np.isfinite(mono))
    if len(bad):
        raise ValueError(
            f'{path}: holds {len(bad)} samples that are not finite, the first at '
            f'{bad[0] / file.sample_rate:.3f} s'
        )
    if (loudest := float(np.abs(mono).max())) > LOUDEST:
        raise ValueError(
            f'{path}: holds samples of up to {loudest:.4g}: expected -1 to 1 (integers that were '
            'written as floats, not scaled?)'
        )
    if problems is not None:
        problems += [f'{path}: {problem}' for problem in file.problems]
    return mono, file.sample_rate


def write_flac(path: str | Path, samples: np.ndarray, rate: int) -> None:
    """Write mono samples (n,) of full scale 1 as a FLAC file of 16 bits; louder ones are clipped.

    Raises:
        OSError: the file cannot be written.
    """
    whole = np.rint(np.asarray(samples, np.float32) * np.float32(32768))
    whole = whole.clip(-32768, 32767).astype(np.int16)
    with (
        atomic_file(Path(path)) as partial,
        av.open(str(partial), 'w', format='flac') as container,
    ):
        stream = container.add_stream('flac', rate=rate, layout='mono')
        for begin in range(0, len(whole), _FLAC_BLOCK):
            block = np.ascontiguousarray(whole[None, begin : begin + _FLAC_BLOCK])
            frame = av.AudioFrame.from_ndarray(block, format='s16', layout='mono')
            frame.sample_rate, frame.pts = rate, begin
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
