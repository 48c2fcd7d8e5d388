# SPDX-License-Identifier: Apache-2.0
"""The film of a run: speaker and robot side by side, in step with the sound.

The film is VP9 and Opus in an mp4 file, which current browsers play. The encoders are libvpx and
libopus (both BSD-3-Clause), as the wheel of PyAV bundles them. Its only software encoder for
H.264 is libx264, which is GPL; this program does not use it.
"""

from __future__ import annotations

import bisect
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from tqdm import tqdm

from robot_face_gen.face.stage import SIZE, Stage, sheet, sound_columns
from robot_face_gen.features.face_frame import MIN_CONFIDENCE
from robot_face_gen.files import atomic_file
from robot_face_gen.pipeline.crop import FaceCrop

from .report import Record

RATE = 25
MOMENTS = 12
_SOUND_RATE = 48000  # of Opus, Hz
_VP9 = {
    # Constant quality at the speed of a live encoder; all cores.
    'deadline': 'realtime', 'cpu-used': '7', 'crf': '32', 'row-mt': '1', 'tile-columns': '2',
}  # fmt: skip


class Film:
    """Draws the moments of a run.

    The robot's face at a time is the newest one that was published by then, so its delay can be
    seen. Without ROS it is the one that answers the speaker's newest frame.

    The recording began at `start_ns`. `samples` is the voice, (n,) mono; where it is empty, the
    film has no sound.
    """

    def __init__(
        self,
        record: Record,
        start_ns: int,
        duration_s: float,
        samples: np.ndarray,
        sample_rate: int,
        title: str,
    ) -> None:
        self._start_ns, self.duration_s = start_ns, duration_s
        self._samples, self._rate = samples, sample_rate
        self._stage = Stage(sound_columns(samples, sample_rate, duration_s), duration_s, title)
        self._is_live = record.is_live
        self._reactions = sorted(record.reactions, key=lambda r: r.published_ns)
        self._published = [r.published_ns for r in self._reactions]
        frames = sorted(record.frames, key=lambda f: f.stamp_ns)
        self._stamps = [f.stamp_ns for f in frames]
        self._faces = []
        crop, last = FaceCrop(), None
        for frame in frames:
            valid = frame.success and frame.confidence >= MIN_CONFIDENCE
            crop.update(frame.landmarks, valid)
            if valid or last is None:
                last = {**frame.branches, 'landmarks': crop.to_crop(frame.landmarks)}
            self._faces.append((last, valid))

    def picture(self, time_s: float) -> np.ndarray:
        """The picture at a time of the recording, (720, 1280, 3) BGR."""
        now_ns = self._start_ns + round(time_s * 1e9)
        seen = bisect.bisect_right(self._stamps, now_ns) - 1
        shown = bisect.bisect_right(self._published, now_ns) - 1
        speaker, valid = self._faces[seen] if seen >= 0 else (None, False)
        reaction = self._reactions[shown] if shown >= 0 else None
        latency = None
        if reaction is not None and self._is_live:
            latency = (reaction.published_ns - reaction.source_ns) / 1e6
        return self._stage.draw(
            time_s, speaker, valid, reaction.face if reaction else None, latency
        )

    def write_sheet(self, path: Path) -> None:
        """Twelve moments on one page."""
        times = (np.arange(MOMENTS) + 0.5) * self.duration_s / MOMENTS
        ok, png = cv2.imencode('.png', sheet([self.picture(float(t)) for t in times]))
        if not ok:
            raise OSError(f'{path}: this OpenCV cannot write png files')
        with atomic_file(path) as partial:  # where the disk is full, OpenCV would go on
            partial.write_bytes(png.tobytes())

    def write_video(self, path: Path) -> None:
        """The film, with sound if there is any.

        Raises:
            OSError: the file cannot be written; none is left behind.
        """
        try:
            with atomic_file(path) as partial:
                self._encode(partial)
        except av.error.FFmpegError as error:
            raise OSError(f'{path}: {error}') from None

    def _encode(self, path: Path) -> None:
        with av.open(str(path), 'w', format='mp4', options={'movflags': 'faststart'}) as file:
            video = file.add_stream('libvpx-vp9', rate=RATE, options=_VP9)
            video.width, video.height = SIZE
            video.pix_fmt = 'yuv420p'
            video.bit_rate = 0  # crf alone decides
            video.codec_context.colorspace = Colorspace.ITU709
            video.codec_context.color_range = ColorRange.MPEG
            sound = file.add_stream('libopus', rate=_SOUND_RATE) if len(self._samples) else None
            if sound is not None:
                sound.layout, sound.bit_rate = 'mono', 64_000
                for frame in self._sound_frames():
                    file.mux(sound.encode(frame))
                file.mux(sound.encode(None))
            count = max(1, round(self.duration_s * RATE))
            for index in tqdm(range(count), desc='film', unit='frame', disable=None):
                image = av.VideoFrame.from_ndarray(self.picture(index / RATE), format='bgr24')
                file.mux(
                    video.encode(
                        image.reformat(format='yuv420p', dst_colorspace=Colorspace.ITU709)
                    )
                )
            file.mux(video.encode(None))

    def _sound_frames(self) -> list[av.AudioFrame]:
        """The voice as 48 kHz, as long as the film."""
        voice = np.zeros(round(self.duration_s * self._rate), np.float32)
        count = min(len(voice), len(self._samples))
        voice[:count] = self._samples[:count]
        frame = av.AudioFrame.from_ndarray(voice[None], format='flt', layout='mono')
        frame.sample_rate = self._rate
        resampler = av.AudioResampler(format='flt', layout='mono', rate=_SOUND_RATE)
        return [*resampler.resample(frame), *resampler.resample(None)]
