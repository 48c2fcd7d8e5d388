# SPDX-License-Identifier: Apache-2.0
"""Pictures of films and cameras, stamped with the time of capture."""

from __future__ import annotations

import heapq
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

_MOST_RETRY_S = 10.0
_SILENT_S = 2.0  # without a picture: the camera hangs
_FIRST_S = 10.0  # the same for the first picture: some cameras start slowly
_BAD_READS = 5
_CLOSE_S = 2.0
_LINUX_CAMERAS = ('/dev/video', *'0123456789')
_PLAIN_WIDTH = 640  # USB 2 is too slow for larger pictures that are not compressed
_NEWEST_STAMP_S = 1.0  # a driver's time of capture that is older is not one


@dataclass(frozen=True)
class Picture:
    """One picture."""

    stamp_ns: int  # time of capture
    image: np.ndarray = field(repr=False)  # (height, width, 3) uint8 BGR


class VideoFile:
    """The pictures of a film; the first one is at time 0, as it is for the film's sound.

    Attributes:
        width, height: pixels, as people see it.
        rate_hz: pictures a second, on average; 0 where the header does not say.
        duration_s: as the header says; 0 where it says nothing.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no film; the text names the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        with self._open() as film:
            stream = film.streams.video[0]
            self.rate_hz = float(stream.average_rate or 0)
            length = float((stream.duration or 0) * (stream.time_base or 0))
            self.duration_s = length or (film.duration or 0) / av.time_base
            self.has_sound = bool(film.streams.audio)
        first = next(self.pictures(), None)
        if first is None:
            raise ValueError(f'{self.path}: no picture can be read: the film is damaged')
        self.height, self.width = first.image.shape[:2]

    def pictures(self) -> Iterator[Picture]:
        """All pictures in order of time, without damaged ones; errors as of the class."""
        with self._open() as film:
            stream = film.streams.video[0]
            stream.thread_type = 'SLICE'  # frame threads would hold several pictures back
            begin = before = None
            for frame in _decoded(film, stream):
                if frame.pts is None or frame.time is None:
                    continue
                begin = frame.time if begin is None else begin
                stamp_ns = round((frame.time - begin) * 1e9)
                if before is not None and stamp_ns <= before:
                    continue
                before = stamp_ns
                image = frame.to_ndarray(format='bgr24')
                turns = round(getattr(frame, 'rotation', 0) / 90) % 4
                yield Picture(stamp_ns, np.ascontiguousarray(np.rot90(image, turns)))

    def _open(self) -> Any:
        try:
            film = av.open(self.path, metadata_errors='replace')  # titles are not always UTF-8
        except (FileNotFoundError, PermissionError, IsADirectoryError):
            raise
        except (av.FFmpegError, ValueError) as error:
            raise ValueError(f'{self.path}: no film, or of an unknown format ({error})') from None
        if not film.streams.video:
            film.close()
            raise ValueError(f'{self.path}: has no pictures')
        return film


def _decoded(film: Any, stream: Any) -> Iterator[Any]:
    """The frames of a stream; damaged packets are left out.

    AVI has no times of presentation: FFmpeg numbers the packets as they are stored, and a B-frame
    gets the time of another picture. Frames are decoded in order, so the earliest time left is
    theirs.
    """
    packets = film.demux(stream)
    stored = film.format.name == 'avi'
    times: list[int] = []
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except av.FFmpegError:
            continue
        if stored and packet.pts is not None:
            heapq.heappush(times, packet.pts)
        for frame in frames:
            if times:
                frame.pts = heapq.heappop(times)
            yield frame


class CameraDevice:
    """The newest picture of a camera; older ones that nobody has read are dropped and counted.

    A thread opens the device, reads it, and opens it again after it was lost. The time between
    attempts begins with `retry_s` and doubles up to 10 s.

    Args:
        device: number, or path such as /dev/video2, or what else OpenCV opens (an address).
        width, height, rate_hz: asked for; 0: the driver's choice.
        retry_s: time until the first new attempt.
        clock: gives the time in ns.

    Attributes:
        trouble: why there is no picture; '' until the first attempt has ended.
        counters: `opens`, `failed_opens`, `losses`, `dropped`.
    """

    def __init__(
        self,
        device: str,
        *,
        width: int = 640,
        height: int = 480,
        rate_hz: float = 30.0,
        retry_s: float = 1.0,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._device: int | str = int(device) if device.isdecimal() else device
        self._wanted = {
            cv2.CAP_PROP_FRAME_WIDTH: width,
            cv2.CAP_PROP_FRAME_HEIGHT: height,
            cv2.CAP_PROP_FPS: rate_hz,
        }
        self._retry_s, self._clock = retry_s, clock
        self.trouble = ''
        self.counters: Counter[str] = Counter(opens=0, failed_opens=0, losses=0, dropped=0)
        self._newest: Picture | None = None
        self._new = threading.Condition()
        self._read_s = time.monotonic()
        self._pictures = 0  # since the device was opened
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name='camera', daemon=True)
        self._thread.start()

    def read(self, timeout_s: float) -> Picture | None:
        """The newest picture that was not read yet; None if there is none in time."""
        with self._new:
            self._new.wait_for(lambda: self._newest is not None, timeout_s)
            picture, self._newest = self._newest, None
        silent_s = time.monotonic() - self._read_s
        if picture is None and silent_s > (_SILENT_S if self._pictures else _FIRST_S):
            self.trouble = (
                self.trouble or f'camera {self._device}: no picture for {silent_s:.0f} s'
            )
        return picture

    def close(self) -> None:
        """Release the device; does not wait long for a driver that hangs."""
        self._closing.set()
        self._thread.join(_CLOSE_S)

    def _keep(self) -> None:
        """Open and read the device until `close`; runs in a thread."""
        wait_s = self._retry_s
        while not self._closing.is_set():
            self._read_s, self._pictures = time.monotonic(), 0
            device = self._open()
            if device is None:
                self.counters['failed_opens'] += 1
            else:
                self.counters['opens'] += 1
                self._read(device)
                device.release()
                if self._closing.is_set():
                    return
                self.counters['losses'] += 1
                self.trouble = f'camera {self._device}: gives no more pictures'
                wait_s = self._retry_s if self._pictures else wait_s
            self._closing.wait(wait_s)
            wait_s = min(2 * wait_s, max(_MOST_RETRY_S, self._retry_s))

    def _open(self) -> Any:
        reason = _why_not(self._device)
        if reason:
            self.trouble = f'camera {self._device}: {reason}'
            return None
        linux = sys.platform.startswith('linux') and str(self._device).startswith(_LINUX_CAMERAS)
        logging = cv2.utils.logging
        level = logging.getLogLevel()
        logging.setLogLevel(logging.LOG_LEVEL_SILENT)  # a missing camera is reported by `trouble`
        device = cv2.VideoCapture(self._device, cv2.CAP_V4L2 if linux else cv2.CAP_ANY)
        logging.setLogLevel(level)
        if not device.isOpened():
            device.release()
            self.trouble = (
                f'camera {self._device}: cannot be opened: it is no camera, or another program '
                'uses it'
            )
            return None
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # a driver's queue makes pictures old
        if self._wanted[cv2.CAP_PROP_FRAME_WIDTH] > _PLAIN_WIDTH:
            device.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*'MJPG'))
        for name, value in self._wanted.items():
            if value:
                device.set(name, value)
        return device

    def _read(self, device: Any) -> None:
        """Keep the newest picture until the device ends or `close` is called."""
        bad = 0
        while not self._closing.is_set():
            good, image = device.read()
            stamp_ns = self._clock() - _age_ns(device)
            if not good or image is None or image.ndim != 3:
                bad += 1
                if bad >= _BAD_READS:
                    return
                self._closing.wait(0.02)
                continue
            bad = 0
            self._read_s = time.monotonic()
            self._pictures += 1
            self.trouble = ''
            with self._new:
                self.counters['dropped'] += self._newest is not None
                self._newest = Picture(stamp_ns, image)
                self._new.notify()


def _why_not(device: int | str) -> str:
    """Why a device cannot be there, as far as the system's files tell; '' where they do not."""
    if not sys.platform.startswith('linux'):
        return ''
    path = f'/dev/video{device}' if isinstance(device, int) else device
    if not path.startswith('/'):
        return ''
    if not os.path.exists(path):
        found = sorted(str(each) for each in Path('/dev').glob('video*'))
        return f'{path} does not exist (found: {", ".join(found) or "no camera"})'
    if not os.access(path, os.R_OK):
        return f'{path} may not be read: add the user to the group video'
    return ''


def _age_ns(device: Any) -> int:
    """How long ago the picture was taken, as the driver says (V4L2: the monotonic clock)."""
    taken_s = device.get(cv2.CAP_PROP_POS_MSEC) / 1e3
    age_s = time.monotonic() - taken_s
    return round(age_s * 1e9) if 0.0 <= age_s < _NEWEST_STAMP_S else 0
