# SPDX-License-Identifier: Apache-2.0
"""The film of a run: speaker and robot side by side, in step with the sound."""

from __future__ import annotations

import bisect
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import soundfile
from tqdm import tqdm

from robot_face_gen.face.stage import SIZE, Stage, sheet, sound_columns
from robot_face_gen.features.face_crop import FaceCrop

from .recorder import Record

RATE = 25
MOMENTS = 12


class Film:
    """Draws the moments of a run.

    What is shown of the robot at a time is what it had published by then: its delay can be seen.

    Args:
        record: of the run.
        start_ns: when the recording began.
        duration_s: of what is shown.
        samples: the voice (n,) mono.
        sample_rate: Hz.
        title: of the page.
        min_confidence: a face below it is drawn as not seen.
    """

    def __init__(
        self,
        record: Record,
        start_ns: int,
        duration_s: float,
        samples: np.ndarray,
        sample_rate: int,
        title: str,
        min_confidence: float = 0.7,
    ) -> None:
        self._start_ns, self.duration_s = start_ns, duration_s
        self._samples, self._rate = samples, sample_rate
        self._stage = Stage(sound_columns(samples, sample_rate, duration_s), duration_s, title)
        self._reactions = sorted(record.reactions, key=lambda r: r.published_ns)
        self._published = [r.published_ns for r in self._reactions]
        frames = sorted(record.frames, key=lambda f: f.stamp_ns)
        self._stamps = [f.stamp_ns for f in frames]
        self._faces = []
        crop, last = FaceCrop(), None
        for frame in frames:
            believed = frame.success and frame.confidence >= min_confidence
            crop.update(frame.landmarks, believed)
            if believed or last is None:
                last = {
                    'landmarks': crop.to_crop(frame.landmarks),
                    'au': frame.au,
                    'pose': frame.pose,
                    'gaze': frame.gaze,
                }
            self._faces.append((last, believed))

    def picture(self, time_s: float) -> np.ndarray:
        """The picture at a time of the recording, (720, 1280, 3) BGR."""
        now_ns = self._start_ns + round(time_s * 1e9)
        seen = bisect.bisect_right(self._stamps, now_ns) - 1
        shown = bisect.bisect_right(self._published, now_ns) - 1
        speaker, believed = self._faces[seen] if seen >= 0 else (None, False)
        reaction = self._reactions[shown] if shown >= 0 else None
        latency = (reaction.published_ns - reaction.source_ns) / 1e6 if reaction else None
        return self._stage.draw(
            time_s, speaker, believed, reaction.face if reaction else None, latency
        )

    def write_sheet(self, path: Path) -> None:
        """Twelve moments on one page."""
        times = (np.arange(MOMENTS) + 0.5) * self.duration_s / MOMENTS
        ok, png = cv2.imencode('.png', sheet([self.picture(float(t)) for t in times]))
        if not ok:
            raise OSError(f'{path}: this OpenCV cannot write png files')
        path.write_bytes(png.tobytes())  # an OSError where the disk is full: OpenCV would go on

    def write_video(self, path: Path) -> bool:
        """The film; returns whether it has sound (that needs ffmpeg)."""
        with TemporaryDirectory() as folder:
            silent = Path(folder) / 'silent.mp4'
            writer = cv2.VideoWriter(str(silent), cv2.VideoWriter.fourcc(*'mp4v'), RATE, SIZE)
            if not writer.isOpened():
                raise OSError(f'{path}: this OpenCV cannot write mp4 files')
            for k in tqdm(
                range(round(self.duration_s * RATE)), desc='film', unit='frame', disable=None
            ):
                writer.write(self.picture(k / RATE))
            writer.release()
            # Made elsewhere: an interrupted run leaves no half of a film.
            whole = Path(folder) / 'whole.mp4'
            has_sound = self._with_sound(silent, Path(folder), whole)
            try:
                shutil.copyfile(whole if has_sound else silent, path)
            except OSError:
                path.unlink(missing_ok=True)  # half a film
                raise
            return has_sound

    def _with_sound(self, silent: Path, folder: Path, path: Path) -> bool:
        ffmpeg = shutil.which('ffmpeg')
        if ffmpeg is None or not len(self._samples):
            return False
        wav = folder / 'voice.wav'
        count = round(self.duration_s * self._rate)
        voice = np.zeros(count, np.float32)
        voice[: len(self._samples)] = self._samples[:count]
        soundfile.write(wav, voice, self._rate)
        command = [
            ffmpeg,
            '-y',
            '-loglevel',
            'error',
            '-i',
            str(silent),
            '-i',
            str(wav),
            '-c:v',
            'libx264',
            '-pix_fmt',
            'yuv420p',
            '-crf',
            '23',
            '-c:a',
            'aac',
            '-movflags',
            '+faststart',
            str(path),
        ]
        if subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0:
            return True
        # An ffmpeg without that encoder: keep the picture as it is.
        command[command.index('libx264')] = 'copy'
        for option in ('-pix_fmt', '-crf'):
            place = command.index(option)
            del command[place : place + 2]
        return (
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
        )
